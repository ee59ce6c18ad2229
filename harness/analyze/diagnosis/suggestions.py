"""What the measurements of a diagnosis point to: options of a static ONNX recipe, each with the figure behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossrt.analysis.diagnosis.record import DiagnosedTensor, Diagnosis
from crossrt.exporters.recipes.recipe import OnnxStatic, Recipe
from crossrt.harness.analyze.diagnosis.run import worst_activation

SHARE: Final = 0.2
"""Of the noise, above which its cause is worth removing: that gains at least 1 dB."""

SPREAD: Final = 4.0
"""Channels whose magnitudes are further apart than this lose 2 bits and more to a scale that they share."""

FALL_DB: Final = 3.0
"""A layer that doubles the noise deserves 16-bit activations."""

EXACT_DB: Final = 100.0
"""What is left above it are roundings of float32."""

NOISY_DB: Final = 20.0
"""Outputs below it are more than 10% off: whole-model recipes may not do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A change of the recipe.

    Attributes:
        fields: Fields of the recipe.
        tensor: What it was measured at, by its float name.
        reason: What was measured, in a sentence that begins behind the tensor's name and has no full stop.
    """

    fields: Mapping[str, Any]
    tensor: str
    reason: str


def suggestions(diagnosis: Diagnosis, recipe: Recipe | None) -> list[Suggestion]:
    """Options that the measurements point to and that the recipe does not have yet.

    Args:
        diagnosis: Of a static ONNX file; of others nothing follows.
        recipe: How the file was made, or None where that is not known.
    """
    if not (
        isinstance(recipe, OnnxStatic)
        or (recipe is None and any(each.role == "activation" for each in diagnosis.tensors))
    ):
        return []
    found = (*_apart(diagnosis), *_of_outputs(diagnosis), *_shifted(diagnosis), *_rounded(diagnosis))
    found = (*found, *_wide(diagnosis, recipe))
    return [each for each in found if recipe is None or _changes(recipe, each.fields)]


def together(suggested: Sequence[Suggestion]) -> Mapping[str, Any]:
    """All of them that go with each other and cost no speed; weights stay rounded to the nearest integer."""
    cheap = ("per_channel", "quantize_outputs", "bias_correction")
    return {name: value for each in suggested for name, value in each.fields.items() if name in cheap}


def is_noisy(diagnosis: Diagnosis) -> bool:
    """True if an output is so far from the float model's that layers may have to stay in float."""
    return any(each.sqnr_db is not None and each.sqnr_db < NOISY_DB for each in diagnosis.outputs)


def _changes(recipe: OnnxStatic, fields: Mapping[str, Any]) -> bool:
    return any(getattr(recipe, name) != value for name, value in fields.items())


def _apart(diagnosis: Diagnosis) -> Iterator[Suggestion]:
    known = [each for each in diagnosis.tensors if each.role == "weight" and (each.channel_spread or 0.0) >= SPREAD]
    if not known:
        return
    worst = max(known, key=lambda each: each.channel_spread or 0.0)
    reason = f"has channels of which the largest is {worst.channel_spread:.0f} times as large as the middle one"
    yield Suggestion(fields={"per_channel": True}, tensor=worst.name, reason=reason)
    yield Suggestion(fields={"equalize": True}, tensor=worst.name, reason=reason)


def _of_outputs(diagnosis: Diagnosis) -> Iterator[Suggestion]:
    names = {each.name for each in diagnosis.outputs}
    found = [each for each in _activations(diagnosis) if each.name in names and (each.rounding or 0.0) >= SHARE]
    if found:
        worst = max(found, key=lambda each: each.rounding or 0.0)
        reason = f"owes {worst.rounding:.0%} of its noise to its own rounding to {worst.dtype}"
        yield Suggestion(fields={"quantize_outputs": False}, tensor=worst.name, reason=reason)


def _shifted(diagnosis: Diagnosis) -> Iterator[Suggestion]:
    found = [each for each in _activations(diagnosis) if each.node and (each.shift or 0.0) >= SHARE]
    if found:
        worst = max(found, key=lambda each: each.shift or 0.0)
        reason = f"owes {worst.shift:.0%} of its noise to a shift of its channels that all samples share"
        yield Suggestion(fields={"bias_correction": True}, tensor=worst.name, reason=reason)


def _rounded(diagnosis: Diagnosis) -> Iterator[Suggestion]:
    """Noise of weights passes on to the layer's sums as it is, so that ratios can be compared."""
    weights = [each for each in diagnosis.tensors if each.role == "weight" and each.sqnr_db is not None]
    outputs = [each.sqnr_db for each in diagnosis.outputs if each.sqnr_db is not None]
    if not weights or not outputs:
        return
    worst = min(weights, key=lambda each: each.sqnr_db or 0.0)
    assert worst.sqnr_db is not None
    share = 10 ** ((min(outputs) - worst.sqnr_db) / 10)
    if share >= SHARE:
        reason = f"has {worst.sqnr_db:.1f} dB: about {min(share, 1):.0%} of the noise of the outputs"
        yield Suggestion(fields={"weight_rounding": "gpfq"}, tensor=worst.name, reason=reason)


def _wide(diagnosis: Diagnosis, recipe: OnnxStatic | None) -> Iterator[Suggestion]:
    worst = worst_activation(diagnosis)
    if worst is None or not worst.node or worst.sqnr_db is None:
        return
    before = [each.sqnr_db for each in _activations(diagnosis) if each.place < worst.place and each.sqnr_db is not None]
    fall = before[-1] - worst.sqnr_db if before else 0.0
    if fall >= FALL_DB:
        nodes = (*(recipe.nodes_to_16_bit if recipe is not None else ()), worst.node)
        reason = f"falls by {fall:.1f} dB, more than any other activation"
        yield Suggestion(fields={"nodes_to_16_bit": nodes}, tensor=worst.name, reason=reason)


def _activations(diagnosis: Diagnosis) -> list[DiagnosedTensor]:
    return [each for each in diagnosis.tensors if each.role == "activation" and (each.sqnr_db or 0.0) < EXACT_DB]
