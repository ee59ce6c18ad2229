"""Looking into a TFLite file that a quantizer wrote: converters return a model without anything for them as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from crossrt.core.artifact import Quantization
from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import NothingToQuantizeError
from crossrt.exporters.recipes.library import TfliteLitert
from crossrt.exporters.recipes.recipe import TfliteDynamic, TfliteFloat16, TfliteRecipe, TfliteStatic
from crossrt.exporters.sources.tflite_file import TfliteFile, read_tflite

FEWEST_ELEMENTS = 1024
"""Dynamic quantization leaves smaller weights in float: what they save is less than what it costs."""

MOST_FLOAT_SHARE = 0.5


def check_quantized(path: Path, recipe: TfliteRecipe) -> Quantization:
    """How the file is quantized, as its tensors tell; one whose weights are all as they were is removed.

    Raises:
        NothingToQuantizeError: It holds no quantized weights.
    """
    found = read_tflite(path)
    is_half = isinstance(recipe, TfliteFloat16)
    if found.quantization is not None and (found.quantization.scheme == "float16") == is_half:
        return found.quantization
    path.unlink()
    held = ", ".join(f"{size} bytes of {name}" for name, size in found.weight_bytes.items()) or "no weights"
    raise NothingToQuantizeError(f"the file holds no quantized weights: it holds {held}; {_why(found, recipe)}")


def as_found(path: Path, recipe: TfliteRecipe, record: Quantization) -> Quantization:
    """What was asked for, with the share of weights that is quantized and what is known to go wrong.

    Raises:
        NothingToQuantizeError: The file holds no quantized weights.
    """
    found = check_quantized(path, recipe)
    return dataclasses.replace(
        record,
        quantized_share=found.quantized_share,
        known_issues=known_issues(path, recipe),
        cost_issues=cost_issues(path, recipe, found),
    )


def _why(found: TfliteFile, recipe: TfliteRecipe) -> str:
    if isinstance(recipe, TfliteDynamic) and 0 < found.largest_float < FEWEST_ELEMENTS:
        return (
            f"dynamic quantization leaves weights of fewer than {FEWEST_ELEMENTS:,} elements in float, and the largest"
            f" here has {found.largest_float}: a static recipe quantizes them, too"
        )
    return "the recipe leaves small weights, and operators that have no kernel for quantized ones, in float"


def known_issues(path: Path, recipe: TfliteRecipe) -> tuple[str, ...]:
    """Likely causes, should the file answer wrongly; each names its cure where there is one.

    Args:
        path: What the quantizer wrote.
        recipe: What was asked for.
    """
    return tuple(_issues(read_tflite(path), recipe))


def cost_issues(path: Path, recipe: TfliteRecipe, how: Quantization) -> tuple[str, ...]:
    """Why the file may be slow or large; none of it changes an answer.

    Args:
        path: What the quantizer wrote.
        recipe: What was asked for.
        how: How the file is quantized.
    """
    return tuple(_costs(read_tflite(path), recipe, how))


def _costs(found: TfliteFile, recipe: TfliteRecipe, how: Quantization) -> Iterator[str]:
    if how.quantized_share is not None and how.quantized_share < MOST_FLOAT_SHARE and how.scheme != "float16":
        told = f"only {how.quantized_share:.0%}" if how.quantized_share >= 0.01 else "less than 1%"
        yield f"{told} of the weight bytes are quantized"
    if isinstance(recipe, TfliteLitert) and how.activation_type is None and recipe.scheme == "static":
        yield "no activation is quantized: set others = 'int8', or name more operators"
    if isinstance(recipe, TfliteStatic) and (left := [each for each in _ends(found) if _is_left(each, recipe)]):
        yield f"{', '.join(f'{each.name} is {each.dtype}' for each in left)}, not {recipe.io_type}"


def _issues(found: TfliteFile, recipe: TfliteRecipe) -> Iterator[str]:
    if isinstance(recipe, TfliteDynamic) and not recipe.per_channel and "DEPTHWISE_CONV_2D" in found.operators:
        yield (
            "LiteRT computes dynamic depthwise convolutions wrongly where their weights have one scale: set per_channel"
            " and per_channel_dense"
        )
    if isinstance(recipe, TfliteLitert):
        yield from _issues_of_litert(recipe)


def _issues_of_litert(recipe: TfliteLitert) -> Iterator[str]:
    if recipe.algorithm == "gptq" and recipe.scheme == "static":
        yield "litert-quantizer's gptq gives wrong answers with scheme = 'static': set scheme = 'dynamic'"
    if recipe.scheme == "static" and recipe.calibrate_method == "moving-average":
        yield (
            "ranges of activations are those of the last samples, of which each counts 5% less than the one behind it:"
            " set calibrate_method = 'minmax'"
        )


def _ends(found: TfliteFile) -> tuple[TensorSpec, ...]:
    return (*found.inputs, *found.outputs)


def _is_left(spec: TensorSpec, recipe: TfliteStatic) -> bool:
    return spec.dtype == "float32" and recipe.io_type != "float32"
