"""A bias that is added behind a MatMul belongs into its int32 sums; quantized like an activation it has 8 bits.

Source: Jacob et al. (2018), section 2.4: biases are int32, at the scale of the input times that of the weights, for an
error in a bias is an error in the mean of all that is computed from it.
"""

from __future__ import annotations

from typing import Final

import onnx_ir as ir

from crossrt.analysis.audit.added_biases import added_to
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.protocol import Outcome, check, named, not_applicable
from crossrt.analysis.findings.quantized_file import QuantizedFile, bits_of
from crossrt.analysis.onnx_graph import QUANTIZE, readers

_NARROW_BITS: Final = 8


@check("biases behind MatMul", place=72)
def added_biases(file: QuantizedFile) -> Outcome:
    """Biases of few bits that an Add adds, and the sums that are quantized before it."""
    biases = [each for each in file.of_role("bias") if each.is_operand]
    if file.format != "onnx" or not biases:
        return not_applicable("none is added by an operator of its own")
    narrow = [each for each in biases if bits_of(each.dtype) <= _NARROW_BITS]
    if not narrow:
        return Outcome(f"{len(biases)} have more than 8 bits")
    text = f"{len(narrow)} of {len(biases)} have 8 bits under one scale: {named([each.name for each in narrow])}"
    return Outcome(text, [_finding(file, narrow)])


def _finding(file: QuantizedFile, narrow: list[Stored]) -> Finding:
    makers = [maker for each in narrow if (maker := _matmul(file, each.name)) is not None]
    rounded = sum(_is_rounded(each) for each in makers)
    between = f"; in {rounded} of {len(narrow)} the sums are quantized before it is added" if rounded else ""
    layers = named([each.name or each.outputs[0].name or "" for each in makers])
    return Finding(
        severity="caution",
        where=named([each.name for each in narrow]),
        found=f"biases of 8 bits, added behind MatMul {layers}{between}",
        expected="int32 biases inside the layers, at the scale of the input times that of the weights",
        to_do="optimise the float model before it is quantized, which makes one Gemm of MatMul and Add"
        " (python -m onnxruntime.quantization.preprocess), or leave the Add in float",
    )


def _matmul(file: QuantizedFile, bias: str) -> ir.Node | None:
    values = file.graph.values if file.graph is not None else {}
    found = (added_to(values.get(name)) for name in (f"{bias}_quantized", bias))
    return next((each for each in found if each is not None), None)


def _is_rounded(matmul: ir.Node) -> bool:
    return matmul.op_type != "MatMul" or any(each.op_type == QUANTIZE for each in readers(matmul.outputs[0]))
