"""ONNX files: reading one without its weights, and the files beside it that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from crossrt.core.manifest import is_inside
from crossrt.exporters.errors import ModelError, first_line

if TYPE_CHECKING:
    import onnx

_FIELDS_AFTER_VERSION = frozenset({0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72})


def looks_like_onnx(path: Path) -> bool:
    """True if a file starts as an ONNX model does: with its IR version, then another field of the model."""
    with path.open("rb") as file:
        head = file.read(3)
    return len(head) == 3 and head[0] == 0x08 and 0 < head[1] < 64 and head[2] in _FIELDS_AFTER_VERSION


def read_structure(path: Path) -> onnx.ModelProto:
    """The model without external data.

    Raises:
        ModelError: The file is damaged, or holds no graph.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    size = path.stat().st_size
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError, OSError, RecursionError) as error:
        raise ModelError(
            f"{path} ({size} bytes) is not an ONNX model, or damaged: copy or export it again ({first_line(error)})"
        ) from error
    if not model.graph.output:
        raise ModelError(f"{path} ({size} bytes) holds no ONNX graph with outputs: it is damaged, or of another kind")
    return model


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph, and those inside its If, Loop and Scan nodes."""
    import onnx

    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs_of(attribute.g)
            elif attribute.type == onnx.AttributeProto.GRAPHS:
                for inner in attribute.graphs:
                    yield from graphs_of(inner)


def nodes_of(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of inner graphs and of the model's own functions included."""
    for graph in graphs_of(model.graph):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def weights_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All constant tensors: initializers, and values of Constant nodes; those in other files without their values."""
    for graph in graphs_of(model.graph):
        yield from graph.initializer
        for node in graph.node:
            if node.op_type == "Constant":
                yield from (each.t for each in node.attribute if each.name == "value" and each.HasField("t"))


def data_files(path: Path, model: onnx.ModelProto | None = None) -> tuple[str, ...]:
    """Names of the files that hold weights, relative to the model's folder, sorted.

    Raises:
        ModelError: One is missing, too short, or not below the folder.
    """
    from onnx.external_data_helper import uses_external_data

    ends: dict[str, int] = {}
    for tensor in weights_of(model or read_structure(path)):
        if uses_external_data(tensor):
            entries = {entry.key: entry.value for entry in tensor.external_data}
            name = entries.get("location", "")
            ends[name] = max(ends.get(name, 0), _end_of(entries))
    for name, end in ends.items():
        _check_data_file(path, name, end)
    return tuple(sorted(ends))


def _end_of(entries: dict[str, str]) -> int:
    try:
        return int(entries.get("offset") or 0) + int(entries.get("length") or 0)
    except ValueError:
        return 0


def _check_data_file(path: Path, name: str, end: int) -> None:
    folder = path.parent.resolve()
    if not is_inside(name) or not (folder / name).resolve().is_relative_to(folder):
        raise ModelError(f"{path.name} takes weights from {name!r}, outside its own folder: this is refused")
    data = folder / name
    if not data.is_file():
        raise ModelError(f"{path.name} needs the file {name} beside it, which is missing: copy both together")
    if data.stat().st_size < end:
        raise ModelError(f"{name} has {data.stat().st_size} bytes, but {path.name} expects {end}: it was cut short")


def total_bytes(path: Path, names: tuple[str, ...]) -> int:
    """Size of the model, its data files included."""
    return sum(each.stat().st_size for each in (path, *(path.parent / name for name in names)))
