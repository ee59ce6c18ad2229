"""Several model files that a command is about: the float32 file first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.cache import ArtifactCache
from crossrt.exporters.errors import ExportError
from crossrt.exporters.sources.keras_file import SHIPPED_MODEL, model_name
from crossrt.exporters.variants import FLOAT_ONNX, FLOAT_TFLITE, Variant, main_variants, variant_of
from crossrt.harness.build.builder import Artifacts, BuildRequest
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.build.export import select_variants
from crossrt.harness.build.exported import read_folder
from crossrt.harness.build.recipes import choose_recipes
from crossrt.harness.cli.progress import Display
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.workspace import Workspace
from crossrt.harness.locations import cache_folder
from crossrt.reports.text.cells import listed
from crossrt.reports.text.patterns import matches


def known_variants(recipes: Path | None) -> Sequence[Variant]:
    """The variants of the main job; or those of a file of recipes, with float32 in each of their formats.

    Raises:
        RecipeError: The file is wrong.
    """
    if recipes is None:
        return main_variants()
    variants = [variant_of(each) for each in choose_recipes(recipes, (), SHIPPED_MODEL.stem).recipes]
    formats = {each.format for each in variants}
    return [*(each for each in (FLOAT_ONNX, FLOAT_TFLITE) if each.format in formats), *variants]


def variant_files(
    model_path: Path,
    folder: Path | None,
    variants: Sequence[Variant],
    only: Sequence[str],
    workspace: Workspace,
    display: Display,
) -> list[ModelArtifact]:
    """The float32 ONNX file, or where there is none the float32 TFLite file, and those that fit the patterns.

    Args:
        model_path: The `.keras` file.
        folder: Exported artifacts to take in place of the cache.
        variants: What to choose from where there is no folder.
        only: Patterns; empty for all.
        workspace: A scratch folder.
        display: Follows the build.

    Raises:
        HarnessError: A pattern fits nothing, or there is no float32 file.
        ExportError: A file cannot be built.
    """
    if folder is not None:
        found = read_folder(folder)
        chosen = [key for key, each in found.artifacts.items() if not only or _fits(each, only)]
        if not chosen:
            raise HarnessError(f"{' '.join(only)} selects no artifact; there are: {listed(list(found.artifacts))}")
    else:
        model = model_name(model_path)
        selected = select_variants(model, variants, only)
        wanted = list(dict.fromkeys((FLOAT_ONNX, *selected)))
        request = BuildRequest(model=model, model_path=model_path, variants=wanted)
        found = get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, display)
        chosen = [f"{model}.{each.item}" for each in selected]
    files = [_usable(found, key) for key in chosen]
    floats = [each for each in found.artifacts.values() if each.quantization is None]
    if not floats:
        raise HarnessError("there is no float32 file to hold the others against: export or quantize again")
    original = min(floats, key=lambda each: each.format != "onnx")
    return [original, *(each for each in files if each.id != original.id)]


def _fits(artifact: ModelArtifact, only: Sequence[str]) -> bool:
    item = f"{artifact.variant}.{artifact.format}"
    return any(matches(pattern, artifact.id, item, artifact.variant) for pattern in only)


def _usable(found: Artifacts, key: str) -> ModelArtifact:
    if key in found.problems:
        raise ExportError(f"{key}: {found.problems[key].reason}")
    return found.artifacts[key]
