"""A quantized file that a command is about, and the float file that it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from crossrt.core.artifact import ModelArtifact
from crossrt.datasets.opening import DataRequest
from crossrt.exporters.errors import ExportError, ModelError, RecipeError
from crossrt.exporters.recipes.recipe import SameScales
from crossrt.exporters.recipes.toml_files import NamedRecipe
from crossrt.exporters.variants import FLOAT_ONNX, FLOAT_TFLITE, Variant, variant_of
from crossrt.harness.build.asking import TIMEOUT_S
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.build.export import nothing_built
from crossrt.harness.build.model_files import float_counterpart, is_model_file, is_named, model_artifact, recipe_of
from crossrt.harness.build.project import Project, resolve
from crossrt.harness.build.recipes import choose_recipes
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject
from crossrt.harness.process.user_data import served
from crossrt.harness.run.prepare import Opened, build_request, open_project
from crossrt.reports.text.cells import listed
from crossrt.reports.text.progress import Display

MODEL_SUFFIXES: Final = (".onnx", ".tflite")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a command is about.

    Attributes:
        name: A model file, or a recipe's name, with its format where two have it.
        subject: The model that recipes are applied to, or a folder of artifacts; data, calibration data, dimensions.
        recipes: A file of recipes in place of the shipped ones.
        original: The float file, for a file of the user's.
        timeout_s: How long a step of a process that looks into a file may take.
    """

    name: str
    subject: Subject
    recipes: Path | None = None
    original: Path | None = None
    timeout_s: float = TIMEOUT_S


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The two files.

    Attributes:
        artifact: The quantized file.
        original: The float file of the same format, or None where only the quantized one is known.
        recipe: How it was quantized, as plain values, or None where that is not known.
        data: What it is tested on, or None.
        calibration: What it was calibrated with, or None.
        opened: The project that it was built from, or None.
        file_name: Name of the file that the user gave, or None where a variant was named.
        partner: The file of the other format with the same scales, where it was built as well.
    """

    artifact: ModelArtifact
    original: ModelArtifact | None
    recipe: Mapping[str, Any] | None
    data: DataRequest | None = None
    calibration: DataRequest | None = None
    opened: Opened | None = None
    file_name: str | None = None
    partner: ModelArtifact | None = None

    @property
    def name(self) -> str:
        """What messages call the quantized file: as the user did."""
        return self.file_name or self.artifact.id


def find_subject(target: Target, folder: Path, display: Display, *, reads_only: bool = False) -> Found:
    """Finds both files, and builds them where a recipe is named and the cache lacks them.

    Args:
        target: What the command is about.
        folder: A scratch folder.
        display: Follows a build.
        reads_only: Take a file that cannot be run here, as it is only read.

    Raises:
        HarnessError: There is no such variant, its float file is missing, or it is not quantized by a recipe.
        ExportError: It cannot be used, or not be built.
    """
    if is_model_file(target.name):
        return _with_served_data(_from_file(target, reads_only=reads_only), folder)
    if target.original is not None:
        raise HarnessError(f"--float goes with a model file; {target.name} is the name of a variant")
    project = resolve(target.subject) if target.subject.artifacts is not None else None
    if project is None:
        return _built(target, folder, display)
    return _with_served_data(_from_folder(target, project), folder)


def _with_served_data(found: Found, folder: Path) -> Found:
    """The same, with data that code gives served by a process of their own."""
    inputs = found.artifact.inputs
    data = None if found.data is None else served(found.data, inputs, folder)
    calibration = None if found.calibration is None else served(found.calibration, inputs, folder, known=data)
    return dataclasses.replace(found, data=data, calibration=calibration)


def _from_file(target: Target, *, reads_only: bool) -> Found:
    subject = target.subject
    artifact = model_artifact(Path(target.name), reads_only=reads_only)
    original = None if target.original is None else model_artifact(target.original)
    if original is not None and original.format != artifact.format:
        raise HarnessError(
            f"{target.original} is {original.format} and {target.name} is {artifact.format}: give the float file of the"
            " same format"
        )
    return Found(
        artifact=artifact,
        original=original,
        recipe=recipe_of(artifact),
        data=subject.data,
        calibration=subject.calibration,
        file_name=Path(target.name).name,
    )


def refuse_float(found: Found, to_do: str) -> None:
    """Raises `HarnessError` for a file of the user's that is not quantized, so that there is nothing to look at.

    Args:
        found: The file.
        to_do: What the command does to files.
    """
    if found.file_name is not None and found.artifact.role == "float" and found.artifact.quantization is None:
        raise HarnessError(
            f"{found.name} is not quantized: there is nothing to {to_do}; give a quantized file, with --float FILE to"
            " compare"
        )


def as_found(artifact: ModelArtifact, original: ModelArtifact) -> Found:
    """A quantized file and its float file, with the recipe between them where it is known.

    Raises:
        HarnessError: The file is a float one, or quantized by a recipe that this crossrt does not know.
    """
    if artifact.quantization is None:
        raise HarnessError(f"{artifact.id} is not quantized: name a file that is")
    return Found(artifact=artifact, original=original, recipe=recipe_of(artifact))


def _from_folder(target: Target, project: Project) -> Found:
    assert project.folder is not None
    found = project.folder
    fitting = [each for each in found.artifacts.values() if is_named(each, target.name)]
    artifact = _only(fitting, target.name, list(found.artifacts))
    if (problem := found.problems.get(artifact.id)) is not None:
        raise HarnessError(problem.reason)
    original = float_counterpart(artifact, list(found.artifacts.values()))
    if original is None:
        raise HarnessError(
            f"{target.subject.artifacts} has no float file beside {artifact.id}: export or quantize it again"
        )
    if (problem := found.problems.get(original.id)) is not None:
        raise HarnessError(problem.reason)
    known = as_found(artifact, original)
    return dataclasses.replace(known, data=project.data, calibration=project.calibration)


def _only(fitting: Sequence[ModelArtifact], name: str, known: Sequence[str]) -> ModelArtifact:
    if len(fitting) != 1:
        which = [each.id for each in fitting] or known
        problem = "is there in both formats" if fitting else "is not there"
        raise HarnessError(f"{name} {problem}: name one of {listed(which)}")
    return fitting[0]


def _recipes_named(target: Target) -> Sequence[NamedRecipe]:
    try:
        return choose_recipes(target.recipes, [target.name], "").recipes
    except RecipeError as error:
        if Path(target.name).suffix.lower() in MODEL_SUFFIXES:
            raise ModelError(f"there is no file {target.name}, and {error}") from error
        raise


def _built(target: Target, folder: Path, display: Display) -> Found:
    recipes = _recipes_named(target)
    if len(recipes) != 1:
        raise HarnessError(
            f"{target.name} names several recipes: choose one of {listed([each.item for each in recipes])}"
        )
    variant = variant_of(recipes[0])
    opened = open_project(target.subject, folder)
    project = dataclasses.replace(opened.project, source=opened.project.source or opened.project.quantizable)
    opened = dataclasses.replace(opened, project=project)
    if project.source is None:
        raise HarnessError(nothing_built(project, "--model takes"))
    if variant.needs_calibration and project.calibration is None:
        raise HarnessError(f"{variant.item} is calibrated: give data with --calibration DATA")
    exported = [each for each in (FLOAT_ONNX, FLOAT_TFLITE) if each.format == variant.format]
    twin = _twin(target, recipes[0])
    variants = [*(exported if project.source.kind not in ("onnx", "tflite") else ()), variant, *twin]
    found = get_artifacts(build_request(opened, target.subject, variants), folder, display)
    there = {**{each.id: each for each in project.given}, **found.artifacts}
    key = f"{project.model}.{variant.item}"
    if key not in there:
        reason = found.problems[key].reason if key in found.problems else "it was not written"
        raise ExportError(f"{key} cannot be built: {reason}")
    original = float_counterpart(there[key], list(there.values()))
    if original is None:
        raise ExportError(f"{project.model} has no float {variant.format} file: {variant.item} cannot be compared")
    known = as_found(there[key], original)
    partner = next((there.get(f"{project.model}.{each.item}") for each in twin), None)
    return dataclasses.replace(
        known, data=project.data, calibration=project.calibration, opened=opened, partner=partner
    )


def _twin(target: Target, named: NamedRecipe) -> list[Variant]:
    """The other variant of the same name, for a recipe that gives both files the same scales."""
    if not isinstance(named.recipe, SameScales):
        return []
    others = choose_recipes(target.recipes, [named.name], "").recipes
    return [variant_of(each) for each in others if each.item != named.item and isinstance(each.recipe, SameScales)]
