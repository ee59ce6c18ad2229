"""0.0 must have an integer of its own: padding, Relu and biases rely on it."""

from __future__ import annotations

from collections.abc import Iterator

from crossrt.analysis.audit.affine import TYPES
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.protocol import Outcome, check, named, not_applicable
from crossrt.analysis.findings.quantized_file import QuantizedFile


@check("zero points", place=50)
def zero_points(file: QuantizedFile) -> Outcome:
    """In the range of its type; and where a kernel expects it.

    TensorFlow Lite's 8-bit quantization specification fixes it at 0 for int8 weights and int16 activations; ONNX
    Runtime's convolution takes one zero point for all channels of its weights.
    """
    if not file.stored:
        return not_applicable("the file holds none")
    found = [each for stored in file.stored for each in (*_outside(stored), *_where_kernels_expect(file, stored))]
    if not found:
        return Outcome("every tensor holds 0.0 exactly")
    outside = [each.where for each in found]
    return Outcome(f"{len(outside)} tensors have one that is out of range or misplaced: {named(outside)}", found)


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
