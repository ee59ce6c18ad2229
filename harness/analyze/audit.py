"""Auditing one variant: what the auditing process says of it, and how that is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec

from crossrt.analysis.audit.record import AuditedTensor, AuditJob
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.build.subject import Subject, ask_about, find_subject
from crossrt.harness.cli.progress import Display
from crossrt.harness.errors import HarnessError
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.tensor_names import short_name


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found.

    Attributes:
        artifact: The quantized file.
        tensors: Every quantized tensor of it.
    """

    artifact: ModelArtifact
    tensors: Sequence[AuditedTensor]

    @property
    def unexplained(self) -> int:
        """How many tensors are not what the scheme makes of them."""
        return sum(each.verdict == "different" for each in self.tensors)


def run_audit(subject: Subject, display: Display) -> Audit:
    """Holds every scale and zero point of a file against the scheme.

    Raises:
        HarnessError: There is no such variant, or its float32 file is missing.
        ExportError: The file cannot be audited.
    """
    found = find_subject(subject, display)
    artifact = found.artifact
    job = AuditJob(path=str(artifact.path), float_path=str(found.original.path), recipe=found.recipe)
    display.phase("auditing", 1)
    event = ask_about(artifact, "crossrt.analysis.audit.run", dataclasses.asdict(job), "audited")
    display.step()
    tensors = msgspec.convert(event["tensors"], list[AuditedTensor])
    if not tensors:
        raise HarnessError(f"{artifact.id} holds no quantized tensor, though its manifest says how it was quantized")
    return Audit(artifact=artifact, tensors=tensors)


def audit_headline(audit: Audit) -> str:
    """The outcome in a line."""
    count, name = len(audit.tensors), audit.artifact.id
    if audit.unexplained:
        return f"{name}: {audit.unexplained} of {count} quantized tensors are not what the scheme makes of them"
    exact = sum(each.verdict == "exact" for each in audit.tensors)
    if exact == count:
        return f"{name}: all {count} quantized tensors are what the scheme makes of them, to the last bit"
    return f"{name}: {exact} of {count} quantized tensors are exact, the others within rounding"


def audit_sheet(audit: Audit) -> Sheet:
    """A row for each tensor, those that differ first."""
    order = {"different": 0, "rounding": 1, "exact": 2}
    rows = tuple(
        _row(each, audit.artifact.model) for each in sorted(audit.tensors, key=lambda each: order[each.verdict])
    )
    columns = ("tensor", "role", "type", "scales", "scale", "zero", "verdict")
    return Sheet(title="Scales and zero points", columns=columns, rows=rows, is_text=True)


def _row(tensor: AuditedTensor, model: str) -> tuple[Cell, ...]:
    verdict: str = tensor.verdict
    if tensor.verdict == "different" and tensor.expected_scale is not None:
        verdict += f", expected {tensor.expected_scale:.6g} and {tensor.expected_zero_point}"
    if tensor.reason:
        verdict += f": {tensor.reason}"
    cells = (
        short_name(tensor.name, model),
        tensor.role,
        tensor.dtype,
        str(tensor.channels),
        f"{tensor.scale:.6g}",
        str(tensor.zero_point),
    )
    judged = Cell(text=verdict, tone="bad" if tensor.verdict == "different" else None)
    return (*(Cell(text=text) for text in cells), judged)
