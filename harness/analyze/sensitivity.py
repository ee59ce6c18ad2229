"""How much a variant depends on the digits that happened to calibrate it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Final

import msgspec

from crossrt.analysis.audit.record import AuditedTensor, AuditJob
from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.cache import ArtifactCache
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxStatic, TfliteStatic
from crossrt.exporters.recipes.toml_files import NamedRecipe
from crossrt.exporters.sources.keras_file import model_name
from crossrt.exporters.variants import FLOAT_ONNX, FLOAT_TFLITE, Variant
from crossrt.harness.build.builder import BuildRequest
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.build.recipes import choose_recipes
from crossrt.harness.build.subject import Subject, ask_about
from crossrt.harness.cli.progress import Display
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.answers import read_reference
from crossrt.harness.evaluate.evaluation import evaluate_artifact
from crossrt.harness.evaluate.workspace import open_workspace
from crossrt.harness.locations import cache_folder
from crossrt.reports.schema.records import Accuracy
from crossrt.reports.text.cells import Cell, Sheet, listed
from crossrt.reports.text.tensor_names import short_name

_MOST_TENSORS: Final = 8


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """The variant as one set of digits made it.

    Attributes:
        seed: Seed of the set.
        accuracy: How it answers.
        scales: Scale of every activation, by name.
    """

    seed: int
    accuracy: Accuracy
    scales: dict[str, float]


def run_sensitivity(subject: Subject, subsets: int, display: Display) -> list[Calibrated]:
    """Builds one recipe over several sets of digits.

    Raises:
        HarnessError: The recipe is not calibrated, or several are named.
        ExportError: It cannot be built.
    """
    model = model_name(subject.model_path)
    named = _only_one(choose_recipes(subject.recipes, [subject.variant], model).recipes, subject.variant)
    original, variants = _variants(named, subsets)
    request = BuildRequest(model=model, model_path=subject.model_path, variants=[original, *variants.values()])
    with open_workspace() as workspace:
        built = get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, display)
        if built.problems or built.reference is None:
            item, problem = next(iter(built.problems.items()))
            raise ExportError(f"{item}: {problem.reason}")
        reference = read_reference(built.reference, workspace)
        display.phase("evaluating", subsets)
        found = []
        for seed, variant in variants.items():
            artifact = built.artifacts[f"{model}.{variant.item}"]
            accuracy = built.accuracies.get(artifact.id) or evaluate_artifact(artifact, workspace, reference)
            scales = _scales(artifact, built.artifacts[f"{model}.{original.item}"], variant)
            found.append(Calibrated(seed=seed, accuracy=accuracy, scales=scales))
            display.step()
    return found


def _variants(named: NamedRecipe, subsets: int) -> tuple[Variant, dict[int, Variant]]:
    """The float32 variant of the same format, and one for each set of digits; the recipe's own set comes first."""
    recipe = named.recipe
    if not isinstance(recipe, OnnxStatic | TfliteStatic):
        raise HarnessError(f"{named.item} is not calibrated: it does not depend on digits")
    original = FLOAT_ONNX if isinstance(recipe, OnnxStatic) else FLOAT_TFLITE
    found = {}
    for number in range(subsets):
        seed = recipe.calibration_seed + number
        found[seed] = Variant(
            name=f"{named.name}-seed{seed}" if number else named.name,
            format=original.format,
            recipe=msgspec.structs.replace(recipe, calibration_seed=seed),
        )
    return original, found


def _only_one(recipes: Sequence[NamedRecipe], name: str) -> NamedRecipe:
    if len(recipes) != 1:
        raise HarnessError(f"{name} names several recipes: choose one of {listed([each.item for each in recipes])}")
    return recipes[0]


def _scales(artifact: ModelArtifact, original: ModelArtifact, variant: Variant) -> dict[str, float]:
    recipe = msgspec.to_builtins(variant.recipe)
    job = AuditJob(path=str(artifact.path), float_path=str(original.path), recipe=recipe)
    event = ask_about(artifact, "crossrt.analysis.audit.run", dataclasses.asdict(job), "audited")
    tensors = msgspec.convert(event["tensors"], list[AuditedTensor])
    return {each.name: each.scale for each in tensors if each.role == "activation"}


def answers_sheet(found: Sequence[Calibrated]) -> Sheet:
    """A row for each set of digits, and their spread."""
    rows: list[tuple[Cell, ...]] = [
        (
            Cell(text=f"seed {each.seed}"),
            Cell(text=f"{100 * each.accuracy.correct / each.accuracy.samples:.2f}"),
            Cell(text="-" if each.accuracy.agreement is None else f"{100 * each.accuracy.agreement:.2f}"),
            Cell(text="exact" if each.accuracy.sqnr_db is None else f"{each.accuracy.sqnr_db:.1f}"),
        )
        for each in found
    ]
    known = [each.accuracy.sqnr_db for each in found if each.accuracy.sqnr_db is not None]
    spread = (
        [100 * each.accuracy.correct / each.accuracy.samples for each in found],
        [100 * each.accuracy.agreement for each in found if each.accuracy.agreement is not None],
        known,
    )
    cells = [Cell(text=f"{stdev(values):.2f}" if len(values) > 1 else "-") for values in spread]
    rows.append((Cell(text="standard deviation"), *cells))
    columns = ("calibrated with", "top-1 %", "agreement %", "logits dB")
    return Sheet(title="One recipe, other calibration digits", columns=columns, rows=tuple(rows))


def scales_sheet(found: Sequence[Calibrated], model: str) -> Sheet:
    """The activations whose scale depends most on the digits."""
    shared = set.intersection(*(set(each.scales) for each in found))
    spreads = {name: [each.scales[name] for each in found] for name in shared}
    ordered = sorted(spreads.items(), key=lambda each: (-max(each[1]) / min(each[1]), each[0]))
    rows = tuple(
        (
            Cell(text=short_name(name, model)),
            Cell(text=f"{min(values):.6g}"),
            Cell(text=f"{fmean(values):.6g}"),
            Cell(text=f"{max(values):.6g}"),
            Cell(text=f"{100 * (max(values) / min(values) - 1):.1f}"),
        )
        for name, values in ordered[:_MOST_TENSORS]
    )
    columns = ("activation", "smallest scale", "mean", "largest", "apart %")
    return Sheet(title="Scales that depend most on the digits", columns=columns, rows=rows)
