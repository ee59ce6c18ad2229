"""Auditing one file: what the auditing process says of it, and how that is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import msgspec

from crossrt.analysis.audit.record import Audited, AuditedTensor, AuditJob, Check
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.build.subject import Found, Target, ask_about, find_subject, refuse_float
from crossrt.harness.errors import HarnessError
from crossrt.harness.qat.auditing import COMPARED, with_trained
from crossrt.harness.qat.pairs import prove_scales
from crossrt.reports.text.cells import Cell, Sheet, Tone
from crossrt.reports.text.progress import Display
from crossrt.reports.text.tensor_names import short_name


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found.

    Attributes:
        name: What the user calls the file.
        artifact: The quantized file.
        tensors: Every quantized tensor of it.
        checks: What the file says by itself, where no recipe is known.
        inferred: The recipe in words, where it was read from the file.
    """

    name: str
    artifact: ModelArtifact
    tensors: Sequence[AuditedTensor]
    checks: Sequence[Check] = ()
    inferred: str | None = None

    @property
    def unexplained(self) -> int:
        """How many tensors are not what the recipe makes of them."""
        return sum(each.verdict == "different" for each in self.tensors)

    @property
    def is_wrong(self) -> bool:
        """True if a tensor differs for no known reason, or the file contradicts itself."""
        return bool(self.unexplained) or any(each.severity == "wrong" for each in self.checks)


def run_audit(target: Target, folder: Path, display: Display) -> Audit:
    """Compares every scale and zero point of a file with its recipe; without one, reads what the file says by itself.

    Raises:
        HarnessError: There is no such variant, or its float file is missing.
        ExportError: The file cannot be audited.
    """
    found = find_subject(target, folder, display)
    _check(found)
    display.phase("auditing", 1)
    proof = None
    if found.partner is not None:
        proof = prove_scales({each.id: each for each in (found.artifact, found.partner)}, folder)
    audited = with_trained(audit_file(found, target, folder), found.artifact, proof)
    display.step()
    if not audited.tensors and not audited.checks:
        raise HarnessError(f"{found.name} holds no quantized tensor, though its manifest says how it was quantized")
    return Audit(
        name=found.name,
        artifact=found.artifact,
        tensors=audited.tensors,
        checks=audited.checks,
        inferred=audited.inferred,
    )


def _check(found: Found) -> None:
    """Raises `HarnessError` for a file of the user's where there is nothing to audit, or not what was asked for."""
    refuse_float(found, "audit")
    if found.file_name is None:
        return
    if found.original is None and found.recipe is not None and found.calibration is not None:
        raise HarnessError(f"{found.name} is compared with its float file: give it with --float FLOAT_FILE")


def audit_file(found: Found, target: Target, folder: Path) -> Audited:
    """Asks the auditing process.

    Raises:
        HarnessError: Packages for it are missing.
        ExportError: The file cannot be audited.
    """
    job = AuditJob(
        path=str(found.artifact.path),
        format=found.artifact.format,
        folder=str(folder),
        float_path=None if found.original is None else str(found.original.path),
        recipe=found.recipe,
        data=None if found.calibration is None else dataclasses.asdict(found.calibration),
        dimensions=target.subject.dimensions,
    )
    event = ask_about(
        found.name, "crossrt.analysis.audit.run", dataclasses.asdict(job), "audited", timeout_s=target.timeout_s
    )
    return msgspec.convert(event["found"], Audited)


def audit_headline(audit: Audit) -> str:
    """The outcome in a line."""
    count, name = len(audit.tensors), audit.name
    if audit.checks:
        wrong = [each.name for each in audit.checks if each.severity == "wrong"]
        outcome = f"wrong: {', '.join(wrong)}" if wrong else "nothing in it is wrong by itself"
        if any(each.name in COMPARED for each in audit.checks):
            return f"{name}: {outcome}; its {count} quantized tensors are compared with those of the other format"
        return f"{name}: {outcome}; no recipe is known, so {count} quantized tensors are shown as the file has them"
    if audit.unexplained:
        return f"{name}: {audit.unexplained} of {count} quantized tensors are not what the recipe makes of them"
    exact = sum(each.verdict == "exact" for each in audit.tensors)
    if exact == count:
        return f"{name}: all {count} quantized tensors are what the recipe makes of them, to the last bit"
    return f"{name}: {exact} of {count} quantized tensors are exact, the others within rounding"


def inference_note(audit: Audit) -> str | None:
    """What was assumed, where no manifest names the recipe."""
    if audit.inferred is None:
        return None
    ranges = "; MinMax ranges over all calibration samples are assumed" if "static" in audit.inferred else ""
    return f"no manifest names its recipe, so it was read from the file: {audit.inferred}{ranges}"


def check_sheet(audit: Audit) -> Sheet:
    """A row for each check."""
    tones: dict[str, Tone] = {"ok": "good", "wrong": "bad", "caution": "doubt"}
    rows = tuple(
        (Cell(text=each.name), Cell(text=each.severity, tone=tones.get(each.severity)), Cell(text=each.text))
        for each in audit.checks
    )
    return Sheet(title="What the file says by itself", columns=("check", "verdict", "found"), rows=rows, is_text=True)


def audit_sheet(audit: Audit) -> Sheet:
    """A row for each tensor, those that differ first."""
    order = {"different": 0, "rounding": 1, "exact": 2, "stored": 3}
    rows = tuple(
        _row(each, audit.artifact.model) for each in sorted(audit.tensors, key=lambda each: order[each.verdict])
    )
    columns = ("tensor", "role", "type", "scales", "scale", "zero", "verdict")
    dropped = ("scales", "role", "type", "zero")
    return Sheet(title="Scales and zero points", columns=columns, rows=rows, is_text=True, dropped_first=dropped)


def _row(tensor: AuditedTensor, model: str) -> tuple[Cell, ...]:
    verdict: str = "not compared" if tensor.verdict == "stored" else tensor.verdict
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
