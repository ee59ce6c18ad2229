"""Kinds of model files: float, and one for each recipe."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache

import msgspec

from crossrt.core.artifact import ModelFormat, Quantization, Role
from crossrt.exporters.calibration import Calibration, selection_of
from crossrt.exporters.recipes.recipe import Recipe
from crossrt.exporters.recipes.toml_files import METHODS_FILE, SHIPPED_FILE, NamedRecipe, format_of, read_recipes

_MAIN = (
    "fp32.onnx",
    "int8-qdq.onnx",
    "int8-qoperator.onnx",
    "int8-dynamic.onnx",
    "fp32.tflite",
    "fp16.tflite",
    "int8-dynamic.tflite",
    "int8.tflite",
    "int8-io.tflite",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A kind of model file that can be built; `recipe` is None for the float file."""

    name: str
    format: ModelFormat
    recipe: Recipe | None = None

    @property
    def item(self) -> str:
        """`<name>.<format>`: unique among the variants of a model."""
        return f"{self.name}.{self.format}"

    @property
    def role(self) -> Role:
        """Whether the file computes in float or holds integer weights."""
        is_float = self.recipe is None or self.recipe.quantization().scheme == "float16"
        return "float" if is_float else "quantized"

    @property
    def needs_calibration(self) -> bool:
        """True if its recipe is calibrated with data."""
        return self.recipe is not None and selection_of(self.recipe) is not None

    def quantization_record(self, calibration: Calibration | None = None) -> Quantization | None:
        """How it is quantized, for the manifest; `calibration` says how many samples there really are."""
        if self.recipe is None:
            return None
        record = replace(self.recipe.quantization(), recipe=msgspec.to_builtins(self.recipe))
        which = selection_of(self.recipe)
        if which is None or calibration is None:
            return record
        return replace(
            record, calibration_samples=calibration.count(which), calibration_sha256=calibration.sha256(which)
        )


def variant_of(named: NamedRecipe) -> Variant:
    """The variant that a recipe makes."""
    return Variant(
        name=named.name, format="onnx" if format_of(named.recipe) == "onnx" else "tflite", recipe=named.recipe
    )


@cache
def usual_recipes() -> tuple[NamedRecipe, ...]:
    """The recipes that are built where none is named."""
    return read_recipes(SHIPPED_FILE).recipes


@cache
def method_recipes() -> tuple[NamedRecipe, ...]:
    """The recipes that repair others by methods of papers; some take minutes."""
    return read_recipes(METHODS_FILE).recipes


def shipped_recipes() -> tuple[NamedRecipe, ...]:
    """All recipes that come with the package."""
    return (*usual_recipes(), *method_recipes())


FLOAT_ONNX = Variant(name="fp32", format="onnx")
FLOAT_TFLITE = Variant(name="fp32", format="tflite")
FLOAT_KERAS = Variant(name="fp32", format="keras")
"""A Keras model as it is, for a runtime that runs such files."""

FLOAT_SAVED_MODEL = Variant(name="fp32", format="saved-model")
"""The same of a SavedModel."""


def float_variant(model_format: ModelFormat) -> Variant:
    """The float variant of a format."""
    return FLOAT_ONNX if model_format == "onnx" else FLOAT_TFLITE


def main_variants(formats: Collection[ModelFormat] = ("onnx", "tflite")) -> tuple[Variant, ...]:
    """The variants of the main job in some formats, in the order in which they are shown."""
    known = {each.item: each for each in (FLOAT_ONNX, FLOAT_TFLITE, *map(variant_of, usual_recipes()))}
    return tuple(known[item] for item in _MAIN if known[item].format in formats)
