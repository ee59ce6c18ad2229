"""Auditing one variant: where its file is, what the auditing process says of it, and how that is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import msgspec

from exporters.artifact import ModelArtifact
from exporters.audit.record import AuditedTensor, AuditJob
from exporters.cache import ArtifactCache
from exporters.errors import ExportError
from exporters.keras_model import model_name
from exporters.variants import FLOAT_ONNX, FLOAT_TFLITE, variant_of
from harness.builder import Artifacts, BuildRequest
from harness.building import get_artifacts
from harness.child import ChildProcess
from harness.errors import HarnessError
from harness.exported import read_folder
from harness.locations import cache_folder
from harness.packages import QUIET, check_packages
from harness.progress import Display
from harness.recipes import choose_recipes
from harness.workspace import open_workspace
from reports.cells import Cell, Sheet

AUDIT_TIMEOUT_S = 300.0


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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Which file is meant.

    Attributes:
        variant: A recipe's name, with its format where two have it.
        model_path: The `.keras` file.
        folder: A folder of exported artifacts in place of the cache.
        recipes: A file of recipes in place of the shipped ones.
    """

    variant: str
    model_path: Path
    folder: Path | None = None
    recipes: Path | None = None


def run_audit(subject: Subject, display: Display) -> Audit:
    """Holds every scale and zero point of a file against the scheme.

    Raises:
        HarnessError: There is no such variant, or its float32 file is missing.
        ExportError: The file cannot be audited.
    """
    artifact, original = _from_folder(subject) if subject.folder else _built(subject, display)
    if artifact.quantization is None or artifact.quantization.recipe is None:
        raise HarnessError(f"{artifact.id} is not quantized by a recipe: there is nothing to audit")
    job = AuditJob(path=str(artifact.path), float_path=str(original.path), recipe=dict(artifact.quantization.recipe))
    check_packages("an audit", ("onnx", "onnxruntime", "ai_edge_litert", "sympy"))
    display.phase("auditing", 1)
    with ChildProcess("exporters.audit.run", variables=QUIET) as child:
        child.send(dataclasses.asdict(job))
        event = child.receive(AUDIT_TIMEOUT_S)
    if event["event"] != "audited":
        raise ExportError(f"{artifact.id} cannot be audited: {event['reason']}")
    display.step()
    return Audit(artifact=artifact, tensors=msgspec.convert(event["tensors"], list[AuditedTensor]))


def _from_folder(subject: Subject) -> tuple[ModelArtifact, ModelArtifact]:
    assert subject.folder is not None
    found = read_folder(subject.folder)
    fitting = [each for each in found.artifacts.values() if _is_named(each, subject.variant)]
    artifact = _only(fitting, subject.variant, list(found.artifacts))
    if (problem := found.problems.get(artifact.id)) is not None:
        raise HarnessError(problem.reason)
    original = found.artifacts.get(f"{artifact.model}.fp32.{artifact.format}")
    if original is None:
        raise HarnessError(f"{subject.folder} has no float32 file beside {artifact.id}: export or quantize it again")
    return artifact, original


def _is_named(artifact: ModelArtifact, name: str) -> bool:
    item = f"{artifact.variant}.{artifact.format}"
    return name in (artifact.variant, item, artifact.id)


def _only(fitting: Sequence[ModelArtifact], name: str, known: Sequence[str]) -> ModelArtifact:
    if len(fitting) != 1:
        which = [each.id for each in fitting] or known
        problem = "is there in both formats" if fitting else "is not there"
        raise HarnessError(f"{name} {problem}: name one of {', '.join(which)}")
    return fitting[0]


def _built(subject: Subject, display: Display) -> tuple[ModelArtifact, ModelArtifact]:
    model = model_name(subject.model_path)
    recipes = choose_recipes(subject.recipes, [subject.variant], model).recipes
    if len(recipes) != 1:
        raise HarnessError(
            f"{subject.variant} names several recipes: choose one of {', '.join(r.item for r in recipes)}"
        )
    variant = variant_of(recipes[0])
    original = next(each for each in (FLOAT_ONNX, FLOAT_TFLITE) if each.format == variant.format)
    request = BuildRequest(model=model, model_path=subject.model_path, variants=[original, variant])
    with open_workspace() as workspace:
        found = get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, display)
    return _taken(found, f"{model}.{variant.item}"), _taken(found, f"{model}.{original.item}")


def _taken(found: Artifacts, key: str) -> ModelArtifact:
    if key not in found.artifacts:
        raise ExportError(f"{key} cannot be built: {found.problems[key].reason}")
    return found.artifacts[key]


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


def short_name(name: str, model: str) -> str:
    """A tensor's name without what all of them share: the first of those that a converter fused, without the model."""
    first = name.partition(";")[0].removesuffix(":0")
    head, _, rest = first.partition("/")
    return rest if rest and head.startswith(model) else first
