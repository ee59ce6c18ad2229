"""What a building process is asked to do, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from crossrt.core.artifact import ModelArtifact, Quantization, Training, sha256_of
from crossrt.core.events import EventStream, reason_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, write_manifest
from crossrt.core.tensor import TensorSpec, batching_of
from crossrt.exporters.cache import converter_versions, versions_for
from crossrt.exporters.errors import ExportError, UnfitRecipeError
from crossrt.exporters.inspection import SourceKind
from crossrt.exporters.recipes.recipe import Recipe
from crossrt.exporters.sources import saved_model
from crossrt.exporters.variants import FLOAT_KERAS, FLOAT_ONNX, FLOAT_SAVED_MODEL, FLOAT_TFLITE, Variant

REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """What to build.

    Attributes:
        model: Name of the model.
        source: What is converted: the model that the user brought, or a float `.onnx` for the quantizing process.
        source_sha256: Hash that manifests give as the origin.
        kind: What kind of model `source` is.
        folder: An empty folder; each item gets a folder of its own name in it.
        items: `reference`, or `<variant>.<format>`.
        recipes: The recipe of each item that has one, as plain values.
        allow_h5: Legacy `.h5` files may be loaded.
        data: Fields of the `DataRequest` that the reference answers, for the item `reference`.
        samples: How many samples it answers, from the first; None for all.
        dimensions: Sizes that the user bound to dynamic dimensions.
        calibration: Fields of the `DataRequest` that calibrates, or None where there are no such data.
    """

    model: str
    source: str
    source_sha256: str
    kind: SourceKind
    folder: str
    items: Sequence[str]
    recipes: Mapping[str, Mapping[str, Any]]
    allow_h5: bool = False
    data: Mapping[str, Any] | None = None
    samples: int | None = None
    dimensions: Mapping[str, int] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None

    def variant(self, item: str) -> Variant:
        """The variant that an item names.

        Raises:
            ExportError: It is not a float variant and has no recipe.
        """
        name, _, suffix = item.partition(".")
        fields = self.recipes.get(item)
        if fields is None:
            floats = {each.item: each for each in (FLOAT_ONNX, FLOAT_TFLITE, FLOAT_KERAS, FLOAT_SAVED_MODEL)}
            if item not in floats:
                raise ExportError(f"no recipe is known for {item!r}")
            return floats[item]
        recipe = msgspec.convert(fields, Recipe)
        return Variant(name=name, format="onnx" if suffix == "onnx" else "tflite", recipe=recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectJob:
    """Which model to look at.

    Attributes:
        path: A file or folder.
        allow_h5: Legacy `.h5` files may be loaded.
    """

    path: str
    allow_h5: bool = False


def write_artifact(
    job: BuildJob,
    variant: Variant,
    write: Callable[[Path], Quantization | None],
    folder: Path,
    expected: tuple[Sequence[TensorSpec], Sequence[TensorSpec]] | None = None,
    training: Training | None = None,
) -> None:
    """Writes a model file and its manifest; `write` says how the file is quantized.

    Args:
        job: The job.
        variant: What is built.
        write: Writes the file.
        folder: Where to.
        expected: Inputs and outputs of the source: the file has the same names, and the manifest the same order.
        training: How the weights were trained, for the manifest.

    Raises:
        ExportError: The file has other inputs or outputs than the source.
    """
    from crossrt.exporters.sources.memory import activation_bytes
    from crossrt.exporters.sources.onnx_file import data_files, total_bytes
    from crossrt.exporters.sources.onnx_weights import role_of

    path = folder / f"{job.model}.{variant.item}"
    if variant.format == "saved-model":
        path = folder / saved_model.graph_name(Path(job.source))
    quantization = write(path)
    inputs, outputs = _specs(path, variant, expected)
    beside = data_files(path) if variant.format == "onnx" else ()
    if variant.format == "saved-model":
        beside = saved_model.names_beside(path)
    artifact = ModelArtifact(
        model=job.model,
        variant=variant.name,
        format=variant.format,
        path=path,
        sha256=sha256_of(path, *(path.parent / name for name in beside)),
        size_bytes=total_bytes(path, beside),
        inputs=inputs,
        outputs=outputs,
        batching=batching_of(inputs),
        role=role_of(quantization),
        quantization=quantization,
        producer={**converter_versions(), **versions_for(variant.recipe)},
        source_sha256=job.source_sha256,
        data_files=beside,
        activation_bytes=activation_bytes(path, variant.format),
        training=training,
    )
    write_manifest(artifact, folder / ARTIFACT_MANIFEST)


def _specs(
    path: Path, variant: Variant, expected: tuple[Sequence[TensorSpec], Sequence[TensorSpec]] | None
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs of a file, in its source's order; those of a Keras file or a SavedModel are its own."""
    from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs

    if variant.format in ("keras", "saved-model"):
        assert expected is not None
        return tuple(expected[0]), tuple(expected[1])
    inputs, outputs = onnx_specs(path) if variant.format == "onnx" else tflite_specs(path)
    if expected is None:
        return inputs, outputs
    return in_order(inputs, expected[0], "inputs"), in_order(outputs, expected[1], "outputs")


def in_order(found: Sequence[TensorSpec], expected: Sequence[TensorSpec], what: str) -> tuple[TensorSpec, ...]:
    """The specs of a file in the order of the source's.

    Raises:
        ExportError: The names differ.
    """
    by_name = {spec.name: spec for spec in found}
    if by_name.keys() != {spec.name for spec in expected}:
        raise ExportError(
            f"the converter wrote {what} {', '.join(by_name)}; expected {', '.join(spec.name for spec in expected)}"
        )
    return tuple(by_name[spec.name] for spec in expected)


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
            reason = " ".join(reason_of(error).split())
            events.send("item_failed", item=item, reason=reason, fits=not isinstance(error, UnfitRecipeError))
        else:
            events.send("built", item=item)
