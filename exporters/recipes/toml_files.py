"""Recipes written in TOML: one table each under `recipes`, and a `grid` of lists that stands for all combinations."""

from __future__ import annotations

import difflib
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from crossrt.core.errors import parsing_problem
from crossrt.core.owned import open_regular
from crossrt.exporters.errors import RecipeError
from crossrt.exporters.recipes.recipe import Recipe
from crossrt.exporters.recipes.rules import impossible

SHIPPED_FILE: Final = Path(__file__).parent / "shipped.toml"
METHODS_FILE: Final = Path(__file__).parent / "methods.toml"
MOST_COMBINATIONS: Final = 1_000
_MOST_BYTES = 2**20
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LIST_FIELDS = ("op_types_to_quantize", "nodes_to_exclude", "nodes_to_16_bit", "nodes_per_channel")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecipe:
    """A recipe under the name of the variant that it makes.

    Attributes:
        name: Such as `int8-qdq`.
        summary: One line for a reader.
        recipe: What to do.
    """

    name: str
    summary: str
    recipe: Recipe

    @property
    def item(self) -> str:
        """`<name>.<format>`: unique among recipes."""
        return f"{self.name}.{format_of(self.recipe)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """What a file of recipes comes to.

    Attributes:
        recipes: Those that can be built.
        rejected: Combinations of the grid that cannot, each with the reason.
    """

    recipes: tuple[NamedRecipe, ...]
    rejected: Mapping[str, str]


def format_of(recipe: Recipe) -> str:
    """`onnx` or `tflite`."""
    tag = recipe.__struct_config__.tag
    return str(tag).partition("-")[0]


def read_recipes(path: Path) -> RecipeFile:
    """Reads a file of recipes.

    Raises:
        RecipeError: Not TOML, an unknown name, a value of the wrong type, or a recipe that no quantizer can build.
    """
    tables = _read_tables(path)
    _known(tables, ("recipes", "grid"), where=f"{path}")
    named = [_read_recipe(name, table, path) for name, table in _tables_in(tables, "recipes", path).items()]
    rejected: dict[str, str] = {}
    for each in _grid(tables.get("grid"), path):
        if (reason := impossible(each.recipe)) is None:
            named.append(each)
        else:
            rejected[each.item] = reason
    if not named and not rejected:
        raise RecipeError(f"{path} holds no recipe: write one as [recipes.NAME], or lists of values under [grid]")
    items = [each.item for each in named]
    for item in items:
        if items.count(item) > 1:
            raise RecipeError(f"{path} holds two recipes {item}: rename one")
    return RecipeFile(recipes=tuple(named), rejected=rejected)


def _read_tables(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise RecipeError(f"{path} is larger than any file of recipes")
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # also numbers too long to be read
        raise RecipeError(f"{path} is not TOML: {parsing_problem(error)}") from error


def _tables_in(tables: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    found = tables.get(name, {})
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise RecipeError(f"{path}: {name} is not a table of tables: write [{name}.NAME]")
    return found


def _read_recipe(name: str, table: Mapping[str, Any], path: Path) -> NamedRecipe:
    """One recipe; its name may end in the format, which tells apart two of one name."""
    fields = dict(table)
    summary = fields.pop("summary", "")
    if not isinstance(summary, str) or "\n" in summary:
        raise RecipeError(f"{path}: the summary of {name} is not one line of text")
    recipe = recipe_from(fields, f"{path}: {name}")
    if (reason := impossible(recipe)) is not None:
        raise RecipeError(f"{path}: {name} cannot be built: {reason}")
    stem, _, suffix = name.partition(".")
    if not _NAME.fullmatch(stem) or suffix not in ("", format_of(recipe)):
        raise RecipeError(
            f"{path}: {name!r} is not a name for a recipe: use up to 100 letters, digits, '-' and '_', and at"
            f" most .{format_of(recipe)} behind them"
        )
    if stem in ("fp32", "reference"):
        raise RecipeError(f"{path}: {stem} is the name of something else: choose another")
    return NamedRecipe(name=stem, summary=summary, recipe=recipe)


def recipe_from(fields: Mapping[str, Any], where: str) -> Recipe:
    """A recipe from the fields of a table.

    Raises:
        RecipeError: A kind, a field or a value is not known; the nearest that is known is named.
    """
    kinds = _kinds()
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise RecipeError(f"{where} has {'no kind' if kind is None else f'kind {kind!r}'}{_nearest(kind, kinds)}")
    _known(fields, ("kind", *kinds[str(kind)].__struct_fields__), where=where)
    try:
        return msgspec.convert(fields, kinds[str(kind)])
    except msgspec.ValidationError as error:
        raise RecipeError(f"{where}: {error}{_choices(error, kinds[str(kind)])}") from error


def _choices(error: msgspec.ValidationError, kind: type[Recipe]) -> str:
    """What a field may hold, where it is a closed set."""
    found, info = re.search(r"\$\.(\w+)", str(error)), msgspec.inspect.type_info(kind)
    if found is None or not isinstance(info, msgspec.inspect.StructType):
        return ""
    for field in info.fields:
        if field.name == found[1] and isinstance(field.type, msgspec.inspect.LiteralType):
            return f"; available: {', '.join(map(str, field.type.values))}"
    return ""


def _kinds() -> dict[str, type[Recipe]]:
    return {str(kind.__struct_config__.tag): kind for kind in Recipe.__args__}


def _known(table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in names:
            raise RecipeError(f"{where} has an unknown {name!r}{_nearest(name, names)}")


def _nearest(name: object, names: Mapping[str, Any] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(str(name), names, n=1)
    return f": did you mean {close[0]!r}?" if close else f": available: {', '.join(names)}"


def _grid(grid: Any, path: Path) -> Iterator[NamedRecipe]:
    """All combinations of the lists of a grid, named by what varies."""
    if grid is None:
        return
    if not isinstance(grid, dict):
        raise RecipeError(f"{path}: grid is not a table: write [grid] and lists of values under it")
    fields = dict(grid)
    prefix = fields.pop("name", "grid")
    if not isinstance(prefix, str) or not _NAME.fullmatch(prefix):
        raise RecipeError(f"{path}: the grid's name {prefix!r} has other characters than letters, digits, '-' and '_'")
    varied = {name: values for name, values in fields.items() if _is_varied(name, values)}
    count = 1
    for name, values in varied.items():
        if not values:
            raise RecipeError(f"{path}: the list of {name} in the grid is empty")
        count *= len(values)
    if count > MOST_COMBINATIONS:
        raise RecipeError(f"{path}: the grid has {count} combinations, more than {MOST_COMBINATIONS}")
    for values in itertools.product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        name = "-".join([prefix, *(_part(field, value) for field, value in chosen.items())])
        recipe = recipe_from({**fields, **chosen}, f"{path}: grid")
        yield NamedRecipe(name=name, summary="", recipe=recipe)


def _is_varied(name: str, values: object) -> bool:
    """True for a list of values; a field that is a list itself varies as a list of lists."""
    if not isinstance(values, list):
        return False
    return name not in _LIST_FIELDS or any(isinstance(each, list) for each in values)


def _part(field: str, value: object) -> str:
    """How a value shows in a name."""
    if isinstance(value, bool):
        return field if value else f"no_{field}"
    if isinstance(value, list):
        return "_".join(re.sub(r"[^A-Za-z0-9]+", "_", str(each)) for each in value) or f"no_{field}"
    if isinstance(value, str):
        return f"{value}_weights" if field == "weight_type" else value
    return f"{field}_{value}".replace(".", "_")
