"""A quantized file that a command is about, and the float32 file that it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.cache import ArtifactCache
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import Recipe
from crossrt.exporters.sources.keras_file import model_name
from crossrt.exporters.variants import FLOAT_ONNX, FLOAT_TFLITE, variant_of
from crossrt.harness.build.builder import Artifacts, BuildRequest
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.build.exported import read_folder
from crossrt.harness.build.recipes import choose_recipes
from crossrt.harness.cli.progress import Display
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.workspace import open_workspace
from crossrt.harness.locations import cache_folder
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.packages import QUIET, check_packages
from crossrt.reports.text.cells import listed

TIMEOUT_S = 300.0
READING: Final = ("onnx", "onnxruntime", "ai_edge_litert", "sympy")
"""Packages that a process which looks into model files may need."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Which file is meant.

    Attributes:
        variant: A recipe's name, with its format where two have it.
        model_path: The `.keras` file.
        folder: A folder of exported artifacts in place of the cache.
        recipes: A file of recipes in place of the shipped ones.
    """

    variant: str
    model_path: Path
    folder: Path | None = None
    recipes: Path | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The two files.

    Attributes:
        artifact: The quantized file.
        original: The float32 file of the same format.
        recipe: How it was quantized, as plain values.
    """

    artifact: ModelArtifact
    original: ModelArtifact
    recipe: Mapping[str, Any]


def find_subject(subject: Subject, display: Display) -> Found:
    """Finds both files, and builds them where no folder is named and the cache lacks them.

    Raises:
        HarnessError: There is no such variant, its float32 file is missing, or it is not quantized by a recipe.
        ExportError: It cannot be built.
    """
    artifact, original = _from_folder(subject) if subject.folder else _built(subject, display)
    return as_found(artifact, original)


def as_found(artifact: ModelArtifact, original: ModelArtifact) -> Found:
    """A quantized file and its float32 file, with the recipe between them.

    Raises:
        HarnessError: It is not quantized by a recipe, or by one that this crossrt does not know.
    """
    if artifact.quantization is None or artifact.quantization.recipe is None:
        raise HarnessError(f"{artifact.id} is not quantized by a recipe: name one that is")
    recipe = dict(artifact.quantization.recipe)
    try:
        msgspec.convert(recipe, Recipe)
    except msgspec.ValidationError as error:
        raise HarnessError(
            f"the manifest of {artifact.id} holds no known recipe ({error}): quantize it again"
        ) from error
    return Found(artifact=artifact, original=original, recipe=recipe)


def ask_about(
    artifact: ModelArtifact, module: str, job: Mapping[str, Any], wanted: str, packages: Sequence[str] = READING
) -> Mapping[str, Any]:
    """Lets a process of its own look at a file, and returns its one answer.

    Raises:
        HarnessError: Packages for it are missing.
        ExportError: The file cannot be looked at.
        ChildFailedError: The process crashed or hung.
    """
    check_packages(module.split(".")[1], packages)
    with ChildProcess(module, variables=QUIET) as child:
        child.send(job)
        event = child.receive(TIMEOUT_S)
    if event["event"] != wanted:
        raise ExportError(f"{artifact.id}: {event['reason']}")
    return event


def _from_folder(subject: Subject) -> tuple[ModelArtifact, ModelArtifact]:
    assert subject.folder is not None
    found = read_folder(subject.folder)
    fitting = [each for each in found.artifacts.values() if _is_named(each, subject.variant)]
    artifact = _only(fitting, subject.variant, list(found.artifacts))
    if (problem := found.problems.get(artifact.id)) is not None:
        raise HarnessError(problem.reason)
    original = found.artifacts.get(f"{artifact.model}.fp32.{artifact.format}")
    if original is None:
        raise HarnessError(f"{subject.folder} has no float32 file beside {artifact.id}: export or quantize it again")
    return artifact, original


def _is_named(artifact: ModelArtifact, name: str) -> bool:
    item = f"{artifact.variant}.{artifact.format}"
    return name in (artifact.variant, item, artifact.id)


def _only(fitting: Sequence[ModelArtifact], name: str, known: Sequence[str]) -> ModelArtifact:
    if len(fitting) != 1:
        which = [each.id for each in fitting] or known
        problem = "is there in both formats" if fitting else "is not there"
        raise HarnessError(f"{name} {problem}: name one of {listed(which)}")
    return fitting[0]


def _built(subject: Subject, display: Display) -> tuple[ModelArtifact, ModelArtifact]:
    model = model_name(subject.model_path)
    recipes = choose_recipes(subject.recipes, [subject.variant], model).recipes
    if len(recipes) != 1:
        raise HarnessError(
            f"{subject.variant} names several recipes: choose one of {listed([each.item for each in recipes])}"
        )
    variant = variant_of(recipes[0])
    original = next(each for each in (FLOAT_ONNX, FLOAT_TFLITE) if each.format == variant.format)
    request = BuildRequest(model=model, model_path=subject.model_path, variants=[original, variant])
    with open_workspace() as workspace:
        found = get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, display)
    return _taken(found, f"{model}.{variant.item}"), _taken(found, f"{model}.{original.item}")


def _taken(found: Artifacts, key: str) -> ModelArtifact:
    if key not in found.artifacts:
        raise ExportError(f"{key} cannot be built: {found.problems[key].reason}")
    return found.artifacts[key]
