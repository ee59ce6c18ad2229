"""ONNX Runtime sessions that show tensors from inside a model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray

from crossrt.core.errors import ArtifactError
from crossrt.exporters.quantizers.ort.prepare import prepare, working_copy

Feeds = Mapping[str, NDArray[Any]]


def session_with(
    path: Path,
    outputs: Iterable[str],
    folder: Path,
    *,
    entries: Mapping[str, str] | None = None,
    is_optimised: bool = True,
    optimised: Path | None = None,
    dimensions: Mapping[str, int] | None = None,
) -> onnxruntime.InferenceSession:
    """Loads a model with some inner tensors as further outputs.

    Args:
        path: The model.
        outputs: Names of the tensors; those that are outputs already do not matter.
        folder: A scratch folder.
        entries: Session config entries.
        is_optimised: Whether ONNX Runtime may optimise the graph.
        optimised: Where it writes what it made of the graph.
        dimensions: Sizes of dynamic dimensions.

    Raises:
        ArtifactError: ONNX Runtime refuses the file.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it warns that an optimised file is for this machine alone
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    for name, size in (dimensions or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    if not is_optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    try:
        model = _with_outputs(path, list(outputs), folder)
        return onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each failure has a class of its own, without a common base
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ArtifactError(f"{path.name} cannot be loaded by ONNX Runtime: {reason}") from error


def run(session: onnxruntime.InferenceSession, names: Sequence[str], feeds: Feeds) -> dict[str, NDArray[Any]]:
    """Tensors by name; inputs among them as they are fed.

    Raises:
        ArtifactError: The model fails on these feeds.
    """
    asked = [name for name in dict.fromkeys(names) if name not in feeds]
    known = {each.name for each in session.get_inputs()}
    fed = {name: values for name, values in feeds.items() if name in known}
    try:
        found = session.run(asked, fed) if asked else ()
    except Exception as error:  # each failure has a class of its own, without a common base
        raise ArtifactError(f"ONNX Runtime cannot run the model: {' '.join(str(error).split())}") from error
    return {**feeds, **dict(zip(asked, found, strict=True))}


def _with_outputs(path: Path, names: Sequence[str], folder: Path) -> bytes | str:
    """The model with further outputs: in memory, or as a file beside links to its data files where it has any."""
    model = onnx.load(path, load_external_data=False)
    present = {output.name for output in model.graph.output} | {each.name for each in model.graph.input}
    added = [name for name in dict.fromkeys(names) if name not in present]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in added)
    data_files = _data_files(model)
    if not data_files:
        return bytes(model.SerializeToString())
    if not added:
        return str(path)
    copy = folder / f"{path.stem}-outputs-{len(list(folder.iterdir()))}.onnx"
    onnx.save(model, copy)
    link_beside(path, data_files, folder)
    return str(copy)


def _data_files(model: onnx.ModelProto) -> list[str]:
    external = (each for each in model.graph.initializer if each.data_location == onnx.TensorProto.EXTERNAL)
    found = (entry.value for each in external for entry in each.external_data if entry.key == "location")
    return list(dict.fromkeys(found))


def link_beside(path: Path, data_files: Sequence[str], folder: Path) -> None:
    """Makes data files of a model appear in another folder, without copying them where that can be done."""
    for name in data_files:
        target = folder / name
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path.parent / name, target)
        except OSError:
            shutil.copyfile(path.parent / name, target)


def prepared_copy(float_path: Path, folder: Path) -> Path:
    """The float model as the static quantizer sees it, in a scratch folder.

    Raises:
        ExportError: It cannot be prepared, or is quantized already.
    """
    copy, prepared = working_copy(float_path, folder), folder / "prepared.onnx"
    if copy == float_path:  # the quantizer leaves files beside its input
        copy = Path(shutil.copyfile(float_path, folder / "float.onnx"))
    prepare(copy, prepared)
    return prepared
