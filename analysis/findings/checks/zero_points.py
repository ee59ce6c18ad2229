"""0.0 must have an integer of its own: padding, Relu and biases rely on it."""

from __future__ import annotations

from collections.abc import Iterator

from crossrt.analysis.audit.affine import TYPES
from crossrt.analysis.audit.onnx_reading import without_suffixes
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.checks.weight_range import zero_channels
from crossrt.analysis.findings.protocol import Outcome, check, named, not_applicable
from crossrt.analysis.findings.quantized_file import Operator, QuantizedFile
from crossrt.analysis.onnx_graph import MOVING, REMOVABLE


@check("zero points", place=50)
def zero_points(file: QuantizedFile) -> Outcome:
    """In the range of its type; and where a kernel expects it.

    TensorFlow Lite's 8-bit quantization specification fixes it at 0 for int8 weights and int16 activations; ONNX
    Runtime's convolution takes one zero point for all channels of its weights.
    """
    if not file.stored:
        return not_applicable("the file holds none")
    found = [each for stored in file.stored for each in (*_outside(stored), *_where_kernels_expect(file, stored))]
    one_sided = [*_none_above(file), *_none_below(file)]
    if not found and not one_sided:
        return Outcome("every tensor holds 0.0 exactly")
    outside, cut = [each.where for each in found], [each.where for each in one_sided]
    told = [f"{len(outside)} tensors have one that is out of range or misplaced: {named(outside)}"] if found else []
    told += [f"{len(cut)} at an end of their type: {named(cut)}"] if cut else []
    return Outcome("; ".join(told), [*found, *one_sided])


def _outside(stored: Stored) -> Iterator[Finding]:
    low, high = TYPES[stored.dtype]
    zero_point = stored.affine.zero_point
    is_outside = (zero_point < low) | (zero_point > high)
    if is_outside.any():
        yield Finding(
            severity="wrong",
            where=stored.name,
            found=f"zero point {int(zero_point[is_outside].reshape(-1)[0])} of {stored.dtype}, which cannot hold 0.0",
            expected=f"{low} to {high}",
            to_do="widen the range to hold 0 before the scale is computed",
        )


def _none_above(file: QuantizedFile) -> Iterator[Finding]:
    """Inputs and results of layers that hold no positive value: hardly a model gives such."""
    layers = [each for each in file.layers if not zero_channels(each).all() or each.weight is None]
    known = {each.output.name for each in layers if each.output is not None}
    known |= {
        each.source.name for each in file.layers if each.source is not None and made_by(file, each.source.name) is None
    }
    for stored in file.of_role("activation"):
        if stored.name in known and _has_zero_point(stored, TYPES[stored.dtype][1]):
            yield _one_sided(stored, "greatest", "positive", "another, unless each of its values is 0 or below")


def _none_below(file: QuantizedFile) -> Iterator[Finding]:
    """Outputs of the model that a layer gives and that hold no negative value, though no activation cuts them."""
    layers = {layer.tensor: layer for layer in file.layers}
    theirs = () if file.original is None else file.original.outputs
    for place, name in enumerate(file.outputs):
        maker = made_by(file, name)
        layer = (
            None if maker is None else layers.get(maker.outputs[0]) or layers.get(without_suffixes(maker.outputs[0]))
        )
        if layer is None or layer.output is None or layer.activation is not None:
            continue
        if file.original is not None and place < len(theirs) and _is_cut(file.original, theirs[place]):
            continue
        if _has_zero_point(layer.output, TYPES[layer.output.dtype][0]):
            expected = "another, unless the float model ends in a Relu or Clip that was folded into it"
            yield _one_sided(layer.output, "least", "negative", expected)


def _is_cut(original: QuantizedFile, name: str) -> bool:
    """True if no bare layer makes an output of the float file."""
    maker = made_by(original, name)
    return maker is None or maker.activation is not None or maker.kind in REMOVABLE


def _has_zero_point(stored: Stored, code: int) -> bool:
    return not stored.dtype.startswith("float") and bool((stored.affine.zero_point == code).all())


def made_by(file: QuantizedFile, name: str) -> Operator | None:
    """The operator that makes a tensor, seen through those that only convert or move values."""
    makers = {each: operator for operator in file.operators for each in operator.outputs}
    seen = set[str]()
    while name in makers and name not in seen:
        seen.add(name)
        if makers[name].kind not in MOVING or not makers[name].inputs:
            return makers[name]
        name = makers[name].inputs[0]
    return None


def _one_sided(stored: Stored, end: str, sign: str, expected: str) -> Finding:
    return Finding(
        severity="caution",
        where=stored.name,
        found=f"zero point {int(stored.affine.zero_point.reshape(-1)[0])}, the {end} code of {stored.dtype}: it holds"
        f" no {sign} value",
        expected=expected,
        to_do="calibrate again, with samples whose values have both signs",
    )


def _where_kernels_expect(file: QuantizedFile, stored: Stored) -> Iterator[Finding]:
    if stored.role == "bias":
        return
    zero_point = stored.affine.zero_point
    is_fixed = stored.dtype == "int16" or (stored.role == "weight" and stored.dtype in ("int8", "int4"))
    if file.format == "tflite" and is_fixed and zero_point.any():
        yield Finding(
            severity="wrong",
            where=stored.name,
            found=f"{stored.dtype} with zero point {int(zero_point.reshape(-1)[zero_point.reshape(-1) != 0][0])}",
            expected="0: TFLite's kernels take none for such tensors",
            to_do="quantize it symmetrically",
        )
    is_convolved = any(each.weight is stored and "Conv" in each.kind for each in file.layers)
    if file.format == "onnx" and is_convolved and (zero_point != zero_point.reshape(-1)[0]).any():
        yield Finding(
            severity="wrong",
            where=stored.name,
            found="channels with different zero points",
            expected="one for all channels: ONNX Runtime's convolution takes no more",
            to_do="quantize it symmetrically",
        )
