"""OpenVINO's intermediate representation: a graph as XML, `model.xml`, and its weights beside it, `model.bin`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from crossrt.core.artifact import sha256_of
from crossrt.core.tensor import Dimension, TensorSpec, batching_of
from crossrt.exporters.errors import ModelError
from crossrt.exporters.inspection import Inspection

BATCH: Final = "batch"
_DTYPES: Final = {
    **{f"{sign}{bits}": f"{'u' * (sign == 'u')}int{bits}" for sign in "iu" for bits in (4, 8, 16, 32, 64)},
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "bf16": "bfloat16",
    "boolean": "bool",
    "string": "str",
}
_WEIGHTS: Final = ("int8", "uint8", "int4", "uint4")
_SMALL: Final = 4
"""Constants of so many elements or fewer are scales and axes, not weights."""


def looks_like_ir(head: bytes) -> bool:
    """Whether a file begins as an IR does: with the element `net`, after an XML declaration perhaps."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"<net ") or (text.startswith(b"<?xml") and b"<net " in text)


def weights_of(path: Path) -> Path:
    """The file that holds the weights of an IR.

    Raises:
        ModelError: It is missing.
    """
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise ModelError(f"{path} has no weights: put {weights.name} beside it, which OpenVINO wrote with it")
    return weights


def inspect_ir(path: Path, model: str) -> Inspection:
    """Describes an IR.

    Raises:
        ModelError: It is damaged, or its weights are missing.
    """
    weights = weights_of(path)
    layers = list(_net(path).iterfind("layers/layer"))
    inputs = tuple(_spec(layer, layer.find("output/port"), is_input=True) for layer in _of_type(layers, "Parameter"))
    outputs = tuple(_outputs(path, layers))
    by_dtype = _weight_bytes(layers)
    operators = Counter(str(layer.get("type")) for layer in layers)
    for kind in ("Parameter", "Result", "Const"):
        operators.pop(kind, None)
    is_quantized = "FakeQuantize" in operators or any(by_dtype.get(each) for each in _WEIGHTS)
    return Inspection(
        kind="openvino-ir",
        path=str(path),
        model=model,
        sha256=sha256_of(path, weights),
        size_bytes=path.stat().st_size + weights.stat().st_size,
        inputs=inputs,
        outputs=outputs,
        batching=batching_of(inputs),
        role="quantized" if is_quantized else "float",
        float_dtype="float16" if by_dtype.get("float16", 0) > by_dtype.get("float32", 0) else "float32",
        data_files=(weights.name,),
        weight_bytes=by_dtype,
        operators=dict(operators),
        producer="OpenVINO",
        notes=("an OpenVINO IR is run as it is, by openvino alone; it is not quantized, audited or explained",),
        problem=_problem(inputs, outputs),
    )


def _net(path: Path) -> ElementTree.Element:
    try:
        text = path.read_bytes()
        if b"<!DOCTYPE" in text:
            raise ModelError(f"{path} declares a document type, which no OpenVINO IR does")
        root = ElementTree.fromstring(text)  # noqa: S314 - without a document type there are no entities
    except (ElementTree.ParseError, OSError) as error:
        raise ModelError(f"{path} cannot be read as an OpenVINO IR ({error}): write it again") from error
    if root.tag != "net" or root.find("layers") is None:
        raise ModelError(f"{path} is XML and not an OpenVINO IR: it has no element net with layers")
    return root


def _of_type(layers: list[ElementTree.Element], kind: str) -> list[ElementTree.Element]:
    return [layer for layer in layers if layer.get("type") == kind]


def _outputs(path: Path, layers: list[ElementTree.Element]) -> Iterator[TensorSpec]:
    """What results are given: each is named like the port that it takes."""
    edges = {
        str(edge.get("to-layer")): (str(edge.get("from-layer")), str(edge.get("from-port")))
        for edge in _net(path).iterfind("edges/edge")
    }
    by_id = {str(layer.get("id")): layer for layer in layers}
    for result in _of_type(layers, "Result"):
        source, port = edges.get(str(result.get("id")), ("", ""))
        if source not in by_id:
            raise ModelError(f"{path} is damaged: the result {result.get('name')} comes from no layer")
        layer = by_id[source]
        found = next((each for each in layer.iterfind("output/port") if each.get("id") == port), None)
        yield _spec(layer, found, is_input=False)


def _spec(layer: ElementTree.Element, port: ElementTree.Element | None, *, is_input: bool) -> TensorSpec:
    """A port as a tensor; its first dimension is the batch where it is dynamic."""
    if port is None:
        raise ModelError(f"the layer {layer.get('name')} of this OpenVINO IR has no output: it is damaged")
    precision = {"fp16": "f16", "fp32": "f32", "fp64": "f64", "bool": "boolean"}
    element = str(port.get("precision", "")).lower()
    name = _first_name(str(port.get("names", "")))
    sizes = [int(dim.text or -1) for dim in port.iterfind("dim")]
    shape: list[Dimension] = [size if size >= 0 else None for size in sizes]
    for axis, size in enumerate(sizes):
        if size < 0:
            shape[axis] = BATCH if axis == 0 else (f"{name}[{axis}]" if is_input else None)
    return TensorSpec(name=name, dtype=_DTYPES.get(precision.get(element, element), "unknown"), shape=tuple(shape))


def _first_name(names: str) -> str:
    """The first of several names; commas within one are written with a backslash."""
    return names.replace("\\,", "\0").partition(",")[0].replace("\0", ",")


def _weight_bytes(layers: list[ElementTree.Element]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for layer in _of_type(layers, "Const"):
        data = layer.find("data")
        elements = 1
        for dim in layer.iterfind("output/port/dim"):
            elements *= int(dim.text or 0)
        if data is not None and elements > _SMALL:
            dtype = _DTYPES.get(str(data.get("element_type")), "unknown")
            found[dtype] += int(data.get("size", 0))
    return dict(found)


def _problem(inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> str | None:
    for what, specs in (("input", inputs), ("output", outputs)):
        if any(not spec.name for spec in specs):
            return f"an {what} has no name: give it one with set_names before the model is saved"
        if bad := [spec for spec in specs if spec.dtype in ("unknown", "bfloat16", "int4", "uint4")]:
            return f"the {what} {bad[0].name} is {bad[0].dtype}, which cannot be fed: convert it with float32 {what}s"
    return None
