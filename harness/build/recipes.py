"""Choosing recipes, and saying what became of them."""

from __future__ import annotations

import difflib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from crossrt.core.artifact import Quantization
from crossrt.core.metric import MetricDefinition
from crossrt.exporters.errors import RecipeError
from crossrt.exporters.recipes.recipe import Recipe
from crossrt.exporters.recipes.toml_files import NamedRecipe, RecipeFile, read_recipes
from crossrt.exporters.variants import shipped_recipes, usual_recipes
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.export import Exported
from crossrt.harness.errors import ChildFailedError
from crossrt.reports.tables.accuracy import QUANTIZED, QUANTIZED_NOTE, largest_error, share_text
from crossrt.reports.text.cells import Cell, Sheet, grouped, listed
from crossrt.reports.text.patterns import matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What is to be built, and what of a grid cannot be.

    Attributes:
        recipes: What can be built.
        rejected: Reasons by item.
    """

    recipes: Sequence[NamedRecipe]
    rejected: Mapping[str, str]


def choose_recipes(file: Path | None, patterns: Sequence[str], model: str) -> Chosen:
    """The recipes of a file, or the shipped ones, that fit a pattern; without one all, of the shipped the usual.

    Raises:
        RecipeError: The file is wrong, or a pattern fits nothing.
    """
    source = read_recipes(file) if file else RecipeFile(recipes=shipped_recipes(), rejected={})
    items = [*(each.item for each in source.recipes), *source.rejected]
    chosen = {item for item in items if any(_fits(pattern, model, item) for pattern in patterns)}
    if not patterns:
        chosen = set(items) if file else {each.item for each in usual_recipes()}
    for pattern in patterns:
        if not any(_fits(pattern, model, item) for item in items):
            names = [*items, *(item.partition(".")[0] for item in items)]
            close = difflib.get_close_matches(pattern, dict.fromkeys(names), n=3)
            hint = f": did you mean {' or '.join(map(repr, close))}?" if close else f"; available: {listed(items)}"
            raise RecipeError(f"{pattern!r} fits no recipe{hint}")
    return Chosen(
        recipes=[each for each in source.recipes if each.item in chosen],
        rejected={item: reason for item, reason in source.rejected.items() if item in chosen},
    )


def check_recipes(file: Path | None, patterns: Sequence[str]) -> None:
    """Looks at the file and at the names, before the model is opened, which takes seconds.

    Raises:
        RecipeError: The file is wrong, or a name fits nothing, whatever the model is called.
    """
    choose_recipes(file, (), "")
    for name in patterns:
        if not _is_shell_pattern(name):
            choose_recipes(file, (name,), name.partition(".")[0])


def fail_named(found: Artifacts, patterns: Sequence[str], model: str) -> None:
    """Makes a recipe that does not fit the model a problem where the user gave its name, not only a shell pattern."""
    for key in list(found.unfit):
        if is_whole_name(patterns, model, key.removeprefix(f"{model}.")):
            found.problems[key] = ChildFailedError(found.unfit.pop(key), "")


def is_whole_name(patterns: Sequence[str], model: str, item: str) -> bool:
    """Whether the user gave the name of a recipe, not only a shell pattern that it fits."""
    return any(_fits(each, model, item) for each in patterns if not _is_shell_pattern(each))


def _is_shell_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _fits(pattern: str, model: str, item: str) -> bool:
    """A name as a whole, with or without its format, or a shell pattern; no parts, as names begin alike."""
    name = item.partition(".")[0]
    if _is_shell_pattern(pattern):
        return matches(pattern, f"{model}.{item}", item, name)
    return pattern in (name, item, f"{model}.{item}")


def recipe_as_toml(named: NamedRecipe) -> str:
    """A table with every option; strings, numbers and lists are written in TOML as in JSON."""
    fields = {"summary": named.summary, **msgspec.to_builtins(named.recipe)}
    return "\n".join(
        [f'[recipes."{named.item}"]', *(f"{name} = {json.dumps(value)}" for name, value in fields.items())]
    )


def recipe_sheet(recipes: Sequence[NamedRecipe]) -> Sheet:
    """One line each; with what has to be installed for it."""
    rows = tuple((Cell(text=each.item), Cell(text=_said(each))) for each in recipes)
    return Sheet(title="Recipes", columns=("recipe", "what it does"), rows=rows, is_text=True)


def _said(named: NamedRecipe) -> str:
    told = named.summary or _differences(named.recipe)
    needs = ", ".join(map(_package, named.recipe.needs))
    return f"{told} (needs {needs})" if needs else told


def _package(name: str) -> str:
    """A package that a recipe needs, and whether it is there."""
    return name if importlib.util.find_spec(name.replace("-", "_")) is not None else f"{name}, not installed"


def _differences(recipe: Recipe) -> str:
    """What a recipe asks for beyond the defaults of its kind."""
    fields = msgspec.to_builtins(recipe)
    defaults = {each.name: msgspec.to_builtins(each.default) for each in msgspec.structs.fields(recipe)}
    told = [
        f"{name} = {json.dumps(value)}" for name, value in fields.items() if name != "kind" and value != defaults[name]
    ]
    return f"{fields['kind']}: {', '.join(told) or 'all defaults'}"


def outcome_sheet(exported: Exported, model: str) -> Sheet:
    """What was built, and how it answers.

    Size, share of the weights that are quantized, what the task is about, agreement with the source, largest error.
    """
    shown = [each for each in exported.definitions if each.name == "agreement"]
    if exported.definitions and exported.definitions[0] not in shown:
        shown.insert(0, exported.definitions[0])
    rows = []
    for artifact in exported.found.artifacts.values():
        evaluation = exported.evaluations[artifact.id]
        values = [evaluation.values.get(each.name) for each in shown]
        cells = (
            artifact.id.removeprefix(f"{model}."),
            f"{artifact.size_bytes / 1000:,.1f}",
            share_text(artifact.quantization),
            *("-" if value is None else _written(value, each) for value, each in zip(values, shown, strict=True)),
            largest_error(evaluation),
        )
        rows.append(tuple(Cell(text=text) for text in cells))
    headings = [f"{each.label} %" if each.format == "percent" else each.label for each in shown]
    return Sheet(
        title=f"{model}, built",
        columns=("artifact", "KB", QUANTIZED, *headings, "error %"),
        rows=tuple(rows),
        dropped_first=("error %",),
        footer=(QUANTIZED_NOTE,) if rows else (),
    )


def method_notes(files: Mapping[str, Quantization | None]) -> list[str]:
    """What must be said of files whose weights could not all be rounded as the recipe asks."""
    return grouped(
        {
            item: "; ".join(how.known_issues)
            for item, how in files.items()
            if how is not None and how.known_issues and (how.recipe or {}).get("weight_rounding") == "brecq"
        }
    )


def _written(value: float, definition: MetricDefinition) -> str:
    return f"{100 * value:.2f}" if definition.format == "percent" else f"{value:.4g}"
