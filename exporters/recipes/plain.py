"""The plain recipe behind a method: the same file format and types, without what the method adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from crossrt.exporters.errors import RecipeError
from crossrt.exporters.recipes.recipe import Recipe
from crossrt.exporters.recipes.toml_files import NamedRecipe, format_of

_KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "onnx-static": (
        *("quant_format", "activation_type", "weight_type", "per_channel", "activation_symmetric"),
        *("weight_symmetric", "reduce_range", "calibration_samples", "calibration_seed"),
        *("op_types_to_quantize", "nodes_to_exclude"),
    ),
    "onnx-weight-only": ("bits", "block_size", "weight_symmetric", "accuracy_level", "nodes_to_exclude"),
}
"""By kind: fields that say what a file holds; the others say how its integers were found."""

_FALLBACK: Final = {"onnx": "int8-qdq.onnx", "tflite": "int8.tflite"}
"""Plain recipes of kinds that have no plain form of their own, by format."""


def plain_of(named: NamedRecipe, known: Sequence[NamedRecipe], against: str | None = None) -> NamedRecipe:
    """The plain recipe that a recipe is compared with; itself where it is plain.

    Args:
        named: The recipe.
        known: Recipes that have names already, from which the plain one is taken where it is among them.
        against: Name of another recipe that takes its place, for recipes of the same format.

    Raises:
        RecipeError: `against` names none of the known recipes.
    """
    items = {each.item: each for each in known}
    if against is not None:
        fitting = [each for each in known if against in (each.name, each.item)]
        if not fitting:
            raise RecipeError(f"{against!r} is not a recipe to compare with; available: {', '.join(items)}")
        same_format = [each for each in fitting if format_of(each.recipe) == format_of(named.recipe)]
        return (same_format or [named])[0]
    kept = _KEPT.get(str(named.recipe.__struct_config__.tag))
    if kept is None:
        return items.get(_FALLBACK[format_of(named.recipe)], named)
    plain: Recipe = type(named.recipe)(**{name: getattr(named.recipe, name) for name in kept})
    if plain == named.recipe:
        return named
    found = next((each for each in known if each.recipe == plain), None)
    return found or NamedRecipe(name=f"{named.name}-plain", summary=f"{named.item} without its method", recipe=plain)


def is_same(one: NamedRecipe, other: NamedRecipe) -> bool:
    """True if two make the same file."""
    return msgspec.json.encode(one.recipe) == msgspec.json.encode(other.recipe)
