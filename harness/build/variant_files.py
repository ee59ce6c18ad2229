"""Several model files that a command is about: the float file first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.variants import Variant, shipped_recipes, variant_of
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.build.project import Project
from crossrt.harness.build.recipes import choose_recipes
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject
from crossrt.harness.run.prepare import Opened, build_request
from crossrt.reports.text.cells import listed
from crossrt.reports.text.patterns import matches
from crossrt.reports.text.progress import Display
from crossrt.runtimes.registry import shipped_runtime_for


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFiles:
    """What there is to run.

    Attributes:
        files: The float file, where there is one, then the others.
        problems: Why others cannot be used, by id.
    """

    files: Sequence[ModelArtifact]
    problems: Mapping[str, str]


def known_variants(project: Project, recipes: Path | None, name: str | None = None) -> list[Variant]:
    """What can be built: the variants of the main job, or those of a file of recipes beside the float ones.

    Args:
        project: The model.
        recipes: A file of recipes, or None.
        name: Another shipped recipe that is meant.

    Raises:
        RecipeError: The file is wrong.
    """
    if project.source is None:
        return []
    formats = project.source.exports
    floats = [each for each in project.variants if each.recipe is None]
    if recipes is not None:
        others = [variant_of(each) for each in choose_recipes(recipes, (), "").recipes]
    else:
        shipped = [variant_of(each) for each in shipped_recipes()]
        main = [each for each in project.variants if each.recipe is not None]
        others = [*main, *(each for each in shipped if each not in main and name in (each.name, each.item))]
    can_calibrate = project.calibration is not None
    return [
        *floats,
        *(each for each in others if each.format in formats and (can_calibrate or not each.needs_calibration)),
    ]


def variant_files(
    opened: Opened, subject: Subject, variants: Sequence[Variant], only: Sequence[str], display: Display
) -> VariantFiles:
    """The files that fit the patterns, and the float file that they are compared with; what is missing is built.

    Args:
        opened: The project.
        subject: What the user brings.
        variants: What can be built.
        only: Patterns; empty for all.
        display: Follows the build.

    Raises:
        HarnessError: A pattern fits nothing, or packages are missing.
        ExportError: The model cannot be loaded.
    """
    project = opened.project
    given = {each.id: each for each in project.given}
    ids = {f"{project.model}.{each.item}": each for each in variants}
    names = {key: each.variant for key, each in given.items()} | {key: each.name for key, each in ids.items()}
    chosen = [key for key in names if not only or _fits(key, project.model, names[key], only)]
    if not chosen:
        raise HarnessError(f"{' '.join(only)} selects no artifact; available: {listed([*given, *ids])}")
    problems: dict[str, str] = {}
    if project.folder is not None:
        problems |= {key: failure.reason for key, failure in project.folder.problems.items()}
    floats = [key for key, each in ids.items() if each.recipe is None][:1] if not _has_float(project) else []
    asked_for = [ids[key] for key in dict.fromkeys((*floats, *(key for key in chosen if key in ids)))]
    built: Mapping[str, ModelArtifact] = {}
    if asked_for:
        found = get_artifacts(build_request(opened, subject, asked_for), opened.folder, display)
        built = found.artifacts
        problems |= {key: failure.reason for key, failure in found.problems.items()}
    usable = {key: each for key, each in {**given, **built}.items() if key not in problems}
    return VariantFiles(files=_float_first(usable, chosen), problems=problems)


def _has_float(project: Project) -> bool:
    return any(each.role == "float" for each in project.given)


def _float_first(usable: Mapping[str, ModelArtifact], chosen: Sequence[str]) -> list[ModelArtifact]:
    """The baseline is a float file without any quantization, of the first format that has one; else the first file."""
    floats = [each for each in usable.values() if each.role == "float" and each.quantization is None]
    others = [usable[key] for key in chosen if key in usable]
    return [*floats[:1], *(each for each in others if each not in floats[:1])]


def _fits(key: str, model: str, name: str, only: Sequence[str]) -> bool:
    """Whether a pattern selects a file: by `<variant>.<format>`, by the variant, or by a case as a bench names it."""
    runtime = shipped_runtime_for("onnx" if key.endswith(".onnx") else "tflite")
    case, short = f"{model}.{name}@{runtime}", f"{name}@{runtime}"
    return any(
        matches(pattern, key, key.removeprefix(f"{model}."), name) or matches(pattern, case, short) for pattern in only
    )
