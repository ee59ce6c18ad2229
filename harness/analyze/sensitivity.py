"""How much a variant depends on the samples that happened to calibrate it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxStatic, TfliteStatic
from crossrt.exporters.recipes.toml_files import NamedRecipe
from crossrt.exporters.variants import FLOAT_ONNX, FLOAT_TFLITE, Variant
from crossrt.harness.analyze.audit import audit_file
from crossrt.harness.analyze.diagnosis.trials import worst_sqnr
from crossrt.harness.build.export import run_export
from crossrt.harness.build.model_files import float_counterpart
from crossrt.harness.build.recipes import choose_recipes
from crossrt.harness.build.subject import Found, Target
from crossrt.harness.errors import HarnessError
from crossrt.harness.run.prepare import Opened, open_project
from crossrt.reports.text.cells import Cell, Sheet, listed, title_of, written
from crossrt.reports.text.progress import Display
from crossrt.reports.text.tensor_names import short_name

_MOST_TENSORS: Final = 8


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """The variant as one set of samples made it.

    Attributes:
        seed: Seed of the set.
        evaluation: How it answers.
        scales: Scale of every activation, by name.
    """

    seed: int
    evaluation: Evaluation
    scales: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """One recipe over several sets of samples.

    Attributes:
        model: Name of the model.
        metric: What the task is about, or None where nothing was scored.
        calibrated: One entry for each set.
        cautions: What speaks against believing it.
    """

    model: str
    metric: MetricDefinition | None
    calibrated: Sequence[Calibrated]
    cautions: Sequence[str] = ()


def run_sensitivity(target: Target, subsets: int, folder: Path, display: Display) -> Sensitivity:
    """Builds one recipe over several sets of samples.

    Raises:
        HarnessError: The recipe is not calibrated, several are named, or calibration data are missing.
        ExportError: It cannot be built.
    """
    named = _only_one(choose_recipes(target.recipes, [target.name], "").recipes, target.name)
    original, variants = _variants(named, subsets)
    opened = open_project(target.subject, folder)
    _check(opened, named)
    project = opened.project
    is_given = project.source is not None and project.source.kind in ("onnx", "tflite")
    built = run_export(opened, target.subject, [*([] if is_given else [original]), *variants.values()], 0.0, display)
    if built.found.problems:
        item, problem = next(iter(built.found.problems.items()))
        raise ExportError(f"{item}: {problem.reason}")
    display.phase("reading scales", subsets)
    calibrated = []
    for seed, variant in variants.items():
        key = f"{project.model}.{variant.item}"
        artifact = built.found.artifacts[key]
        found = Found(
            artifact=artifact,
            original=float_counterpart(artifact, list(built.found.artifacts.values())),
            recipe=msgspec.to_builtins(variant.recipe),
            calibration=project.calibration,
        )
        with TemporaryDirectory(prefix="audit-", dir=folder) as scratch:
            tensors = audit_file(found, target, Path(scratch)).tensors
        scales = {each.name: each.scale for each in tensors if each.role == "activation"}
        calibrated.append(Calibrated(seed=seed, evaluation=built.evaluations[key], scales=scales))
        display.step()
    return Sensitivity(
        model=project.model,
        metric=next(iter(built.definitions), None),
        calibrated=calibrated,
        cautions=built.reference_cautions,
    )


def _check(opened: Opened, named: NamedRecipe) -> None:
    """Raises `HarnessError` where every set would be the same one."""
    if opened.calibration is None:
        raise HarnessError(f"{named.item} is calibrated: give data with --calibration DATA")
    assert isinstance(named.recipe, OnnxStatic | TfliteStatic)
    available, asked = len(opened.calibration), named.recipe.calibration_samples
    if available <= asked:
        raise HarnessError(
            f"{opened.calibration.name} holds {available} samples and {named.item} takes {asked}: every set would be"
            " the same; give more samples, or set calibration_samples in a file of recipes"
        )


def _variants(named: NamedRecipe, subsets: int) -> tuple[Variant, dict[int, Variant]]:
    """The float variant of the same format, and one for each set of samples; the recipe's own set comes first."""
    recipe = named.recipe
    if not isinstance(recipe, OnnxStatic | TfliteStatic):
        raise HarnessError(f"{named.item} is not calibrated: it does not depend on samples")
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


def answers_sheet(found: Sensitivity) -> Sheet:
    """A row for each set of samples, and their spread."""
    columns = {title: [value(each.evaluation) for each in found.calibrated] for title, value, _ in _columns(found)}
    texts = {title: text for title, _, text in _columns(found)}
    rows = [
        (Cell(text=f"seed {each.seed}"), *(Cell(text=texts[title](values[place])) for title, values in columns.items()))
        for place, each in enumerate(found.calibrated)
    ]
    spread = [texts[title](_deviation(values)) for title, values in columns.items()]
    rows.append((Cell(text="standard deviation"), *(Cell(text=text) for text in spread)))
    return Sheet(title="One recipe, other calibration samples", columns=("calibrated with", *columns), rows=tuple(rows))


_Value = Callable[[Evaluation], float | None]
_Text = Callable[[float | None], str]


def _columns(found: Sensitivity) -> Iterator[tuple[str, _Value, _Text]]:
    """Heading, value and how it is written: the task's own metric, agreement, and the ratio of the worst output."""
    metric = found.metric
    if metric is not None and metric.name != "agreement":
        yield (
            title_of(metric),
            lambda evaluation: evaluation.values.get(metric.name),
            lambda value: "-" if value is None else written(value, metric.format),
        )
    yield (
        "agreement %",
        lambda evaluation: evaluation.values.get("agreement"),
        lambda value: "-" if value is None else written(value, "percent"),
    )
    yield "outputs dB", worst_sqnr, lambda value: "exact" if value is None else f"{value:.1f}"


def _deviation(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return stdev(known) if len(known) > 1 else 0.0


def scales_sheet(found: Sensitivity) -> Sheet:
    """The activations whose scale depends most on the samples."""
    shared = set.intersection(*(set(each.scales) for each in found.calibrated))
    spreads = {name: [each.scales[name] for each in found.calibrated] for name in shared}
    ordered = sorted(spreads.items(), key=lambda each: (-max(each[1]) / min(each[1]), each[0]))
    rows = tuple(
        (
            Cell(text=short_name(name, found.model)),
            Cell(text=f"{min(values):.6g}"),
            Cell(text=f"{fmean(values):.6g}"),
            Cell(text=f"{max(values):.6g}"),
            Cell(text=f"{100 * (max(values) / min(values) - 1):.1f}"),
        )
        for name, values in ordered[:_MOST_TENSORS]
    )
    columns = ("activation", "smallest scale", "mean", "largest", "apart %")
    title = "Scales that depend most on the samples"
    return Sheet(title=title, columns=columns, rows=rows, dropped_first=("mean", "smallest scale", "largest"))
