"""Auditing one file: what the auditing process says of it, and how that is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from crossrt.analysis.audit.record import Audited, AuditedTensor, AuditJob, Check, Severity
from crossrt.analysis.findings.names import claims
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.build.asking import ask_about
from crossrt.harness.build.exported import unused_manifest
from crossrt.harness.build.subject import Found, Target, find_subject, refuse_float
from crossrt.harness.errors import HarnessError
from crossrt.harness.process.packages import AUDITING, READING
from crossrt.harness.qat.auditing import COMPARED, with_trained
from crossrt.harness.qat.pairs import prove_scales
from crossrt.reports.text.cells import Cell, Sheet, Tone
from crossrt.reports.text.progress import Display
from crossrt.reports.text.tensor_names import short_name

_MOST_FINDINGS: Final = 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found.

    Attributes:
        name: What the user calls the file.
        artifact: The quantized file.
        tensors: Every quantized tensor of it.
        checks: What the file says by itself.
        inferred: The recipe in words, where it was read from the file.
        kind: What kind of quantization it is, where that was read from the file.
        not_compared: Why scales are not compared with the float file, or only in part.
        unused_manifest: Why the manifest beside the file was not used, where there is one.
    """

    name: str
    artifact: ModelArtifact
    tensors: Sequence[AuditedTensor]
    checks: Sequence[Check] = ()
    inferred: str | None = None
    kind: str | None = None
    not_compared: str | None = None
    unused_manifest: str | None = None

    @property
    def has_recipe(self) -> bool:
        """Whether its manifest names its recipe, so that every scale is compared with that."""
        return self.kind is None

    @property
    def unexplained(self) -> int:
        """How many tensors are not what the recipe makes of them."""
        return sum(each.verdict == "different" for each in self.tensors)

    @property
    def is_wrong(self) -> bool:
        """True if a tensor differs for no known reason, or the file contradicts itself."""
        return bool(self.unexplained) or bool(self.named("wrong"))

    def named(self, severity: Severity) -> list[str]:
        """Names of the checks that end like this."""
        return [each.name for each in self.checks if each.severity == severity]


def run_audit(target: Target, folder: Path, display: Display) -> Audit:
    """Compares every scale and zero point of a file with its recipe; without one, reads what the file says by itself.

    Raises:
        HarnessError: There is no such variant, or its float file is missing.
        ExportError: The file cannot be audited.
    """
    found = find_subject(target, folder, display, reads_only=True)
    _check(found, target)
    display.phase("auditing", 1)
    proof = None
    if found.partner is not None:
        proof = prove_scales({each.id: each for each in (found.artifact, found.partner)}, folder)
    audited = with_trained(audit_file(found, target, folder), found.artifact, proof)
    display.step()
    return Audit(
        name=found.name,
        artifact=found.artifact,
        tensors=audited.tensors,
        checks=audited.checks,
        inferred=audited.inferred,
        kind=audited.kind,
        not_compared=audited.not_compared,
        unused_manifest=unused_manifest(found.artifact.path, found.artifact.sha256) if found.file_name else None,
    )


def _check(found: Found, target: Target) -> None:
    """Raises `HarnessError` for a file of the user's where there is nothing to audit, or not what was asked for."""
    if not claims(found.name) and target.original is None:
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
        *(found.name, "crossrt.analysis.audit.run", dataclasses.asdict(job), "audited"),
        packages=AUDITING.get(job.format, READING),
        timeout_s=target.timeout_s,
    )
    return msgspec.convert(event["found"], Audited)


def audit_headline(audit: Audit) -> str:
    """The outcome in a line."""
    count, name = len(audit.tensors), audit.name
    if not audit.checks:
        return f"{name}: {_compared(audit)}"
    if audit.has_recipe and not audit.named("wrong") and not audit.named("caution"):
        return f"{name}: {_compared(audit)}; no check finds anything else"
    if audit.unexplained and not audit.named("wrong") and not audit.named("caution"):
        return f"{name}: {_compared(audit)}; no check finds anything else"
    outcome = _outcome(audit)
    if any(each.name in COMPARED for each in audit.checks):
        return f"{name}: {outcome}; its {count} quantized tensors are compared with those of the other format"
    if all(each.verdict == "stored" for each in audit.tensors):
        why = "" if audit.not_compared else "without its float file (--float) there is nothing to compare with: "
        return f"{name}: {outcome}; {why}its {count} scaled tensors are shown as the file has them"
    return f"{name}: {outcome}; {_compared(audit)}"


def _outcome(audit: Audit) -> str:
    wrong, doubtful = audit.named("wrong"), audit.named("caution")
    told = [f"wrong: {', '.join(wrong)}"] if wrong else []
    told += [f"doubtful: {', '.join(doubtful)}"] if doubtful else []
    return "; ".join(told) or "nothing in it is wrong by itself"


def _compared(audit: Audit) -> str:
    """How many tensors are what the recipe makes of them."""
    tensors = [each for each in audit.tensors if each.verdict != "stored"]
    count, that = len(tensors), "" if len(tensors) == len(audit.tensors) else " that can be compared"
    if audit.unexplained:
        recipe = "the recipe makes" if audit.inferred is None else "the assumed recipe makes"
        return f"{audit.unexplained} of {count} quantized tensors{that} are not what {recipe} of them"
    if narrower := sum(each.verdict == "narrower" for each in tensors):
        return (
            f"{narrower} of {count} quantized tensors{that} have narrower ranges than these calibration samples give;"
            " --calibration has to be the very samples that calibrated it"
        )
    exact = sum(each.verdict == "exact" for each in tensors)
    if exact == count:
        return f"all {count} quantized tensors{that} are what the recipe makes of them, to the last bit"
    return f"{exact} of {count} quantized tensors{that} are exact, the others within rounding"


def audit_notes(audit: Audit) -> Iterator[str]:
    """What kind of file it is, whether its manifest was used, what was assumed, and what was not compared."""
    if audit.kind is not None:
        yield audit.kind
    if audit.unused_manifest is not None:
        yield audit.unused_manifest
    if (note := inference_note(audit)) is not None:
        yield note
    if audit.not_compared is not None:
        yield audit.not_compared


def inference_note(audit: Audit) -> str | None:
    """What was assumed, where no manifest names the recipe."""
    if audit.inferred is None:
        return None
    ranges = "; MinMax ranges over all calibration samples are assumed" if "static" in audit.inferred else ""
    others = "; a method that rounds, clips or scales weights in its own way differs from it, and need not be wrong"
    others = others if audit.unexplained else ""
    return f"no manifest names its recipe, so it was read from the file: {audit.inferred}{ranges}{others}"


def check_sheet(audit: Audit) -> Sheet:
    """A row for each check; for those that find something where all scales are compared with a recipe."""
    shown = [each for each in audit.checks if not audit.has_recipe or each.severity in ("wrong", "caution")]
    tones: dict[str, Tone] = {"ok": "good", "wrong": "bad", "caution": "doubt"}
    rows = tuple(
        (Cell(text=each.name), Cell(text=each.severity, tone=tones.get(each.severity)), Cell(text=each.text))
        for each in shown
    )
    return Sheet(title="What the file says by itself", columns=("check", "verdict", "found"), rows=rows, is_text=True)


def finding_sheet(audit: Audit) -> Sheet | None:
    """What is wrong or doubtful, in sentences; None where nothing is."""
    bad = [(check, each) for check in audit.checks for each in check.findings if each.severity in ("wrong", "caution")]
    if not bad:
        return None
    rows = tuple(
        (
            Cell(text=check.name, tone="bad" if each.severity == "wrong" else "doubt"),
            Cell(text=f"{each.where}: {each.found}. Expected: {each.expected}. To do: {each.to_do}"),
        )
        for check, each in bad[:_MOST_FINDINGS]
    )
    more = len(bad) - len(rows)
    footer = (f"and {more} more; --json lists all",) if more else ()
    return Sheet(title="Findings", columns=("check", "finding"), rows=rows, is_text=True, footer=footer)


def finding_table(audit: Audit) -> Sheet:
    """All findings, notes among them, part by part: for programs."""
    rows = tuple(
        tuple(
            Cell(text=text) for text in (check.name, each.severity, each.where, each.found, each.expected, each.to_do)
        )
        for check in audit.checks
        for each in check.findings
    )
    columns = ("check", "severity", "where", "found", "expected", "to do")
    return Sheet(title="Findings", columns=columns, rows=rows, is_text=True)


def audit_sheet(audit: Audit) -> Sheet:
    """A row for each tensor, those that differ first."""
    order = {"different": 0, "narrower": 1, "rounding": 2, "exact": 3, "stored": 4}
    rows = tuple(
        _row(each, audit.artifact.model) for each in sorted(audit.tensors, key=lambda each: order[each.verdict])
    )
    columns = ("tensor", "role", "type", "scales", "scale", "zero", "verdict")
    says_nothing = all(each.verdict == "stored" and not each.reason for each in audit.tensors)
    dropped = (*(("verdict",) if says_nothing else ()), "scales", "role", "type", "zero")
    return Sheet(title="Scales and zero points", columns=columns, rows=rows, is_text=True, dropped_first=dropped)


def _row(tensor: AuditedTensor, model: str) -> tuple[Cell, ...]:
    verdict: str = "not compared" if tensor.verdict == "stored" else tensor.verdict
    if tensor.verdict in ("different", "narrower") and tensor.expected_scale is not None:
        verdict += f", expected {tensor.expected_scale:.6g} and {tensor.expected_zero_point}"
    if tensor.reason:
        verdict += f": {tensor.reason}"
    cells = (
        short_name(tensor.name, model),
        tensor.role,
        tensor.dtype,
        str(tensor.channels),
        f"{tensor.scale:.6g}{f', first of {tensor.channels}' if tensor.channels > 1 else ''}",
        str(tensor.zero_point),
    )
    tones: dict[str, Tone] = {"different": "bad", "narrower": "doubt"}
    judged = Cell(text=verdict, tone=tones.get(tensor.verdict))
    return (*(Cell(text=text) for text in cells), judged)
