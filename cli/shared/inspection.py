"""A model file in a few lines and a table."""

from __future__ import annotations

from collections.abc import Iterator

from crossrt.core.tensor import TensorSpec, dynamic_dimensions
from crossrt.exporters.inspection import Inspection
from crossrt.reports.text.cells import Cell, Sheet, listed

_MOST_OPERATORS = 12


def inspection_lines(found: Inspection) -> Iterator[str]:
    """What kind of file it is, how it is quantized, and what a reader must know."""
    size = f"{found.size_bytes / 1000:,.1f} KB"
    beside = f", with {listed(found.data_files)} beside it" if found.data_files else ""
    opset = f", opset {found.opset}" if found.opset else ""
    producer = f", by {found.producer}" if found.producer else ""
    yield f"{found.model}: {found.kind}{opset}{producer}, {size}{beside}"
    yield f"quantization: {_quantization(found)}"
    if found.kind in ("onnx", "tflite"):
        yield f"memory: {_memory(found)}"
    yield f"batch: {_batching(found)}"
    if others := [name for name in dynamic_dimensions(found.inputs) if name != found.batching.dimension]:
        yield f"dynamic dimensions: {', '.join(others)}; bind each with --dim NAME=SIZE, or let the data say it"
    if found.operators:
        ordered = sorted(found.operators.items(), key=lambda each: (-each[1], each[0]))
        yield f"operators: {listed([f'{name} x{count}' for name, count in ordered], _MOST_OPERATORS)}"
    if found.exports:
        yield f"runs as: {', '.join(found.exports)}"
    yield from found.preprocessing
    yield from found.notes


def _quantization(found: Inspection) -> str:
    total = sum(found.weight_bytes.values())
    shares = ", ".join(f"{name} {size / total:.0%}" for name, size in found.weight_bytes.items() if total)
    weights = f" (weights by bytes: {shares})" if shares else ""
    how = found.quantization
    if how is None:
        return f"none{weights}"
    activations = how.activation_type or "float"
    return f"{how.scheme}, {how.weight_type} weights {how.granularity}, {activations} activations{weights}"


def _memory(found: Inspection) -> str:
    """What weights take in the file, and tensors between operators at most."""
    weights = f"weights {sum(found.weight_bytes.values()) / 1000:,.1f} KB"
    if found.activation_bytes is None:
        return f"{weights}; activations not known: sizes or operators are not"
    most = f"{found.activation_bytes / 1000:,.1f} KB"
    return f"{weights}; activations of one sample {most} at their peak, {found.activation_peak}"


def _batching(found: Inspection) -> str:
    batching = found.batching
    if batching.dimension is not None:
        return f"dynamic, dimension {batching.dimension}"
    return f"fixed at {batching.size}" if batching.size else "none: one sample a call"


def tensor_sheet(found: Inspection) -> Sheet:
    """Inputs and outputs."""
    rows = [_row("input", spec) for spec in found.inputs] + [_row("output", spec) for spec in found.outputs]
    return Sheet(
        title="Inputs and outputs",
        columns=("", "name", "dtype", "shape", "scale", "zero point"),
        rows=tuple(rows),
        is_text=True,
    )


def _row(role: str, spec: TensorSpec) -> tuple[Cell, ...]:
    shape = ", ".join("?" if size is None else str(size) for size in spec.shape)
    scale = "" if spec.scale is None else f"{spec.scale:.6g}"
    zero_point = "" if spec.zero_point is None else str(spec.zero_point)
    return tuple(Cell(text=text) for text in (role, spec.name, spec.dtype, f"({shape})", scale, zero_point))
