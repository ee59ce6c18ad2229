"""What a building process is asked to do, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from crossrt.core.artifact import ModelArtifact, Quantization, sha256_of
from crossrt.core.events import EventStream, reason_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, write_manifest
from crossrt.exporters.cache import converter_versions
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import Recipe
from crossrt.exporters.variants import FLOAT_ONNX, FLOAT_TFLITE, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """What to build.

    Attributes:
        model: Name of the model.
        model_sha256: Hash of the Keras file.
        source: What is converted: the `.keras` file, or its float32 `.onnx`.
        folder: An empty folder; each item gets a folder of its own name in it.
        items: `reference`, or `<variant>.<format>`.
        recipes: The recipe of each item that has one, as plain values.
    """

    model: str
    model_sha256: str
    source: str
    folder: str
    items: Sequence[str]
    recipes: Mapping[str, Mapping[str, Any]]

    def variant(self, item: str) -> Variant:
        """The variant that an item names.

        Raises:
            ExportError: It is not float32 and has no recipe.
        """
        name, _, suffix = item.partition(".")
        fields = self.recipes.get(item)
        if fields is None and item not in (FLOAT_ONNX.item, FLOAT_TFLITE.item):
            raise ExportError(f"there is no recipe for {item!r}")
        recipe = msgspec.convert(fields, Recipe) if fields else None
        return Variant(name=name, format="onnx" if suffix == "onnx" else "tflite", recipe=recipe)


def write_artifact(job: BuildJob, variant: Variant, write: Callable[[Path], Quantization | None], folder: Path) -> None:
    """Writes a model file and its manifest; `write` says how the file is quantized."""
    from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs

    path = folder / f"{job.model}.{variant.item}"
    quantization = write(path)
    inputs, outputs = onnx_specs(path) if variant.format == "onnx" else tflite_specs(path)
    artifact = ModelArtifact(
        model=job.model,
        variant=variant.name,
        format=variant.format,
        path=path,
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        quantization=quantization,
        producer=converter_versions(),
        model_sha256=job.model_sha256,
    )
    write_manifest(artifact, folder / ARTIFACT_MANIFEST)


def build_all(job: BuildJob, build: Callable[[str, Path], None], events: EventStream) -> None:
    """Builds every item in turn into its own folder, with an event before and after each.

    One item that fails does not stop the others.
    """
    for item in job.items:
        events.send("building", item=item)
        folder = Path(job.folder) / item
        try:
            folder.mkdir()
            build(item, folder)
        except Exception as error:
            events.send("item_failed", item=item, reason=reason_of(error))
        else:
            events.send("built", item=item)
