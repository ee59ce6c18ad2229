"""Files that a command names: whether they are models, what their manifests say, and which float file goes with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.errors import ModelError
from crossrt.exporters.recipes.recipe import Recipe, SameScales
from crossrt.harness.build.exported import as_described
from crossrt.harness.build.inspecting import inspect_model
from crossrt.harness.errors import HarnessError


def is_model_file(name: str) -> bool:
    """True if a path is meant, not the name of a variant.

    Raises:
        ModelError: A path is meant, and there is nothing.
    """
    path = Path(name)
    if path.is_file():
        return True
    if path.is_symlink() and not path.exists():
        raise ModelError(f"{name} is a link that leads to no file: give an .onnx or .tflite file")
    if path.exists() and not path.is_dir():
        raise ModelError(f"{name} is not a regular file: give an .onnx or .tflite file")
    if path.is_dir() or len(path.parts) > 1:
        raise ModelError(f"{name} is not a model file: give an .onnx or .tflite file, or the name of a variant")
    return False


def model_artifact(path: Path, *, allow_h5: bool = False, reads_only: bool = False) -> ModelArtifact:
    """A model file of the user's; what a manifest beside it says of it counts, if it is the manifest of that file.

    Raises:
        ModelError: It is not an ONNX or TFLite file, or cannot be used.
    """
    found = inspect_model(path, allow_h5=allow_h5, reads_only=reads_only)
    if found.kind not in ("onnx", "tflite"):
        article = "an" if found.kind.startswith("o") else "a"
        raise ModelError(f"{path} is {article} {found.kind} model: an .onnx or .tflite file is expected here")
    return as_described(found.artifact(found.model, "file"))


def recipe_of(artifact: ModelArtifact) -> Mapping[str, Any] | None:
    """The recipe of a file, or None where it names none.

    Raises:
        HarnessError: Its manifest names one that this crossrt does not know.
    """
    if artifact.quantization is None or artifact.quantization.recipe is None:
        return None
    recipe = dict(artifact.quantization.recipe)
    try:
        msgspec.convert(recipe, Recipe)
    except msgspec.ValidationError as error:
        raise HarnessError(
            f"the manifest of {artifact.id} holds no known recipe ({error}): quantize it again"
        ) from error
    return recipe


def is_same_scales(artifact: ModelArtifact) -> bool:
    """True for a file of a recipe that gives the files of two formats the same scales."""
    recipe = recipe_of(artifact)
    return recipe is not None and isinstance(msgspec.convert(dict(recipe), Recipe), SameScales)


def is_named(artifact: ModelArtifact, name: str) -> bool:
    """True if a name is that of an artifact, with or without its format and its model."""
    item = f"{artifact.variant}.{artifact.format}"
    return name in (artifact.variant, item, artifact.id)


def float_counterpart(artifact: ModelArtifact, artifacts: Sequence[ModelArtifact]) -> ModelArtifact | None:
    """The float file of the same format; a float32 one rather than one of fewer bits."""
    fitting = [each for each in artifacts if each.role == "float" and each.format == artifact.format]
    fitting.sort(key=lambda each: each.quantization is not None)
    return fitting[0] if fitting else None
