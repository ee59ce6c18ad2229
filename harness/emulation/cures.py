"""What helps where products of 8-bit integers saturate on a processor without VNNI: each is tried, and is its own row.

On such a processor ONNX Runtime multiplies uint8 by int8 with `vpmaddubsw`, which adds two neighbouring products in
int16 and saturates (ONNX Runtime, "Quantize ONNX models", on U8S8). Weights of 7 bits or of uint8, or its option
`session.x64quantprecision`, keep that from happening.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from crossrt.core.artifact import ModelArtifact, Quantization
from crossrt.core.errors import CrossrtError
from crossrt.exporters.recipes.recipe import OnnxStatic
from crossrt.exporters.variants import Variant, usual_recipes, variant_of
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.emulation.answering import Trial
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.run.prepare import Opened, build_request
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.text.progress import Display
from crossrt.runtimes.registry import selector_of

PRECISE: Final = "session.x64quantprecision"
RUNTIME: Final = "ort-cpu"
"""The runtime whose kernels saturate, and which has the option."""


def option_cures(trials: Sequence[Trial], rows: Mapping[str, EmulatedAnswers]) -> Iterator[Trial]:
    """The same files with the runtime's option, where a case answers otherwise on the other processor.

    Args:
        trials: What was tried.
        rows: What came of it, by id of the case.
    """
    for trial in trials:
        if selector_of(trial.case.runtime).name == RUNTIME and is_saturating(
            trial.artifact.quantization, rows.get(trial.owner)
        ):
            yield dataclasses.replace(trial, cure=f"{PRECISE}=1", options={PRECISE: "1"})


def is_saturating(quantization: Quantization | None, row: EmulatedAnswers | None) -> bool:
    """True if a file of uint8 or int8 times int8 answers otherwise there."""
    is_affected = quantization is not None and quantization.weight_type == "int8" and not quantization.reduce_range
    return is_affected and row is not None and differs(row)


def differs(row: EmulatedAnswers) -> bool:
    """True if the two processors answer otherwise by more than rounding: a class, or more than a step of the output."""
    if row.flips or (row.max_steps is not None and row.max_steps > 1.5):
        return True
    return row.max_steps is None and row.relative is not None and row.relative > 1e-2


def recipe_cures(
    state: RunState, opened: Opened, trials: Sequence[Trial], rows: Mapping[str, EmulatedAnswers], display: Display
) -> Iterator[Trial]:
    """Files by other recipes, built where the model and calibration data are at hand and they are not cases anyway."""
    affected = [
        each
        for each in trials
        if selector_of(each.case.runtime).name == RUNTIME
        and is_saturating(each.artifact.quantization, rows.get(each.owner))
    ]
    wanted = {recipe.item: trial for trial in reversed(affected) for recipe in _recipes(trial.artifact)}
    known = {f"{each.variant}.{each.format}" for each in state.artifacts.values()}
    missing = [variant for variant in _variants(wanted) if variant.item not in known]
    if not missing or opened.project.source is None or opened.calibration is None:
        return
    for artifact in _built(state, opened, missing, display):
        owner = wanted[f"{artifact.variant}.{artifact.format}"]
        feeding = feeding_of(artifact, state.data.dataset, state.settings.subject.dimensions)
        case = dataclasses.replace(owner.case, variant=artifact.variant, names_format=False)
        yield Trial(case=case, artifact=artifact, feeding=feeding, owner=owner.owner, cure=_said(artifact))


def _recipes(artifact: ModelArtifact) -> list[Variant]:
    """The shipped recipes that cannot saturate and are otherwise like that of a file."""
    how = artifact.quantization
    if how is None or how.scheme != "static":
        return []
    found = []
    for named in usual_recipes():
        recipe = named.recipe
        if isinstance(recipe, OnnxStatic) and recipe.quant_format == how.representation:
            is_cure = recipe.reduce_range or (recipe.weight_type == "uint8" and recipe.activation_type == "uint8")
            found += [variant_of(named)] if is_cure else []
    return found


def _variants(wanted: Mapping[str, Trial]) -> list[Variant]:
    return [variant_of(each) for each in usual_recipes() if each.item in wanted]


def _built(state: RunState, opened: Opened, variants: Sequence[Variant], display: Display) -> Iterator[ModelArtifact]:
    """The files, from the cache or built now; one that cannot be had is told and left out."""
    subject = state.settings.subject
    whole = RunData(opened.data.dataset, opened.folder, subject.samples)  # what the source's answers are kept for
    request = dataclasses.replace(build_request(opened, subject, variants), samples=whole.samples)
    try:
        found = get_artifacts(request, opened.folder, display)
    except CrossrtError as error:
        display.remark(f"  files that cannot saturate are not tried: {error}")
        return
    wanted = {each.item for each in variants}
    for item, failure in found.problems.items():
        display.remark(f"  {item} is not tried: {failure.reason}")
    yield from (each for each in found.artifacts.values() if f"{each.variant}.{each.format}" in wanted)


def _said(artifact: ModelArtifact) -> str:
    how = artifact.quantization
    assert how is not None
    return "reduce_range" if how.reduce_range else f"{how.weight_type} weights"
