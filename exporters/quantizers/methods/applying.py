"""What a static recipe asks for beyond the quantizer: changes of the float model before it, of the file behind it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.errors import ExportError
from crossrt.exporters.quantizers.methods.bias_correction import Feeds, correct_biases
from crossrt.exporters.quantizers.methods.blocks.reconstruction import reconstruct
from crossrt.exporters.quantizers.methods.clipping import clip_weights
from crossrt.exporters.quantizers.methods.clips import seen_clips
from crossrt.exporters.quantizers.methods.equalization import equalize
from crossrt.exporters.quantizers.methods.layers import name_nodes
from crossrt.exporters.quantizers.methods.outputs import float_outputs
from crossrt.exporters.quantizers.methods.rounding import round_weights
from crossrt.exporters.quantizers.methods.sessions import tensors_of
from crossrt.exporters.recipes.recipe import OnnxStatic

LARGEST_CHANGE: Final = 1e-4
"""Of the float model's outputs, relative to their size, that scaling channels may make by rounding."""

_BITS: Final = {"int4": 4, "uint4": 4, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16}


def needs_methods(recipe: OnnxStatic) -> bool:
    """Whether a recipe asks for anything that the quantizer does not do itself."""
    return recipe.equalize or recipe.weight_ranges != "minmax" or changes_file(recipe)


def changes_file(recipe: OnnxStatic) -> bool:
    """Whether what the quantizer wrote is changed afterwards."""
    return recipe.bias_correction or recipe.weight_rounding != "nearest" or not recipe.quantize_outputs


def write_float(recipe: OnnxStatic, prepared: Path, path: Path, feeds: Feeds) -> None:
    """Writes the float model whose activations are calibrated: the same function, equalized where that is asked for.

    Raises:
        UnfitRecipeError: It cannot be equalized.
        ExportError: Equalizing changes what it answers.
    """
    model = ir.load(prepared)
    name_nodes(model)
    if recipe.equalize:
        original = ir.from_proto(ir.to_proto(model))
        equalize(model, seen_clips(model, feeds))
        _check_same(original, model, feeds)
    ir.save(model, path)


def _check_same(original: ir.Model, changed: ir.Model, feeds: Feeds) -> None:
    names = [each.name or "" for each in original.graph.outputs]
    sides = (tensors_of(model, names, islice(feeds(), 1)) for model in (original, changed))
    for before, after in zip(*(next(iter(side)) for side in sides), strict=True):
        size, apart = np.abs(before).max(initial=0), np.abs(before - after).max(initial=0)
        if not apart <= LARGEST_CHANGE * size:
            raise ExportError(
                f"equalize = true changes what the float model answers, by {apart / max(size, 1e-30):.2g} of its size:"
                " its channels are too far apart for float32; leave equalize out"
            )


def write_clipped(recipe: OnnxStatic, source: Path, path: Path) -> None:
    """Writes the float model that is quantized, its weights cut to the ranges that the recipe asks for.

    Raises:
        UnfitRecipeError: Nothing is cut.
    """
    model = ir.load(source)
    clip_weights(
        model,
        recipe.weight_ranges,
        bits=_BITS[recipe.weight_type] - recipe.reduce_range,
        percentile=recipe.weight_percentile,
        is_per_channel=recipe.per_channel,
        is_symmetric=recipe.weight_symmetric or recipe.per_channel,
    )
    ir.save(model, path)


def change_file(recipe: OnnxStatic, source: Path, path: Path, feeds: Feeds) -> None:
    """Changes a QDQ file as the recipe asks: outputs in float, then weights rounded anew, then biases corrected.

    Args:
        recipe: The recipe.
        source: The float model whose answers are the goal.
        path: The file.
        feeds: Gives the calibration samples anew.

    Raises:
        UnfitRecipeError: A method does not apply, or changes nothing.
        ExportError: ONNX Runtime cannot run a model.
    """
    original, quantized = ir.load(source), ir.load(path)
    if not recipe.quantize_outputs:
        float_outputs(quantized)
    if recipe.weight_rounding == "brecq":
        reconstruct(original, quantized, feeds)
    elif recipe.weight_rounding != "nearest":
        round_weights(original, quantized, recipe.weight_rounding, feeds)
    if recipe.bias_correction:
        correct_biases(original, quantized, feeds)
    ir.save(quantized, path)
