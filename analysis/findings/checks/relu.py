"""Activations that cut values off, and that a quantizer removed although nothing takes their place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossrt.analysis.audit.affine import TYPES
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.kinds import plain_kind
from crossrt.analysis.findings.protocol import Outcome, compare, named, not_applicable
from crossrt.analysis.findings.quantized_file import Layer, Operator, QuantizedFile
from crossrt.analysis.onnx_graph import REMOVABLE

_FUSED: Final = ("RELU", "RELU6", "RELU_N1_TO_1")
_OWN: Final = (*REMOVABLE, *_FUSED)
_CONVERSIONS: Final = ("QUANTIZE", "DEQUANTIZE")


@compare("activation functions", place=100)
def activation_functions(file: QuantizedFile, original: QuantizedFile) -> Outcome:
    """Each Relu and Clip of the float file is there, or a zero point at the lowest integer does the same."""
    if file.format == "tflite":
        return _of_tflite(file, original)
    relus = [each for each in original.operators if each.kind in REMOVABLE]
    if not relus:
        return not_applicable("the float file has no Relu and no Clip")
    judged = [(each, _state(each, file, original)) for each in relus]
    found = [_lost(each, state) for each, state in judged if isinstance(state, Stored) or state == "gone"]
    known = sum(state is not None for _, state in judged)
    if not known:
        return not_applicable(f"none of {len(relus)} can be found by name or by the order of layers")
    return _outcome(found, known)


def _outcome(found: list[Finding], known: int) -> Outcome:
    if not found:
        return Outcome(f"all {known} are there, or a zero point does the same")
    return Outcome(f"{len(found)} of {known} are gone: {named([each.where for each in found])}", found)


def _state(relu: Operator, file: QuantizedFile, original: QuantizedFile) -> Stored | str | None:
    """`kept`; the tensor that lets negative values through; `gone` where it is in float; None if it is not found."""
    before, behind = relu.inputs[0], relu.outputs[0]
    makers = {name: each for each in file.operators for name in each.outputs}
    if behind in makers and makers[behind].kind in _OWN:
        return "kept"
    if any(each.kind in _OWN and before in each.inputs[:1] for each in file.operators):
        return "kept"
    stored = {each.name: each for each in file.of_role("activation")}
    found = stored.get(behind) or stored.get(before) or _by_order(before, file, original)
    if found is not None:
        return "kept" if _cuts(found) else found
    if before in makers and behind not in makers:
        return "gone"
    return "kept" if behind in makers else None


def _cuts(stored: Stored) -> bool:
    """True if the lowest integer stands for 0."""
    return bool((stored.affine.zero_point == TYPES[stored.dtype][0]).all())


def _by_order(before: str, file: QuantizedFile, original: QuantizedFile) -> Stored | None:
    """What the layer of the same number gives, where both files have the same layers in the same order."""
    theirs, mine = original.layers, file.layers
    if [plain_kind(each.kind) for each in theirs] != [plain_kind(each.kind) for each in mine]:
        return None
    for layer, other in zip(theirs, mine, strict=True):
        if layer.tensor == before:
            return None if _is_followed(other, file) else other.output
    return None


def _is_followed(layer: Layer, file: QuantizedFile) -> bool:
    return any(each.kind in _OWN and layer.tensor in each.inputs[:1] for each in file.operators)


def _lost(relu: Operator, state: Stored | str) -> Finding:
    if isinstance(state, Stored):
        zero_point = int(state.affine.zero_point.reshape(-1)[0])
        low = TYPES[state.dtype][0]
        found = f"it is gone, and {state.name} has zero point {zero_point}: negative values pass"
        expected = f"the operator, or zero point {low} of {state.dtype}"
    else:
        found, expected = f"it is gone, and {relu.inputs[0]} stays in float: negative values pass", "the operator"
    return Finding(
        severity="wrong",
        where=f"{relu.kind} {relu.name}",
        found=found,
        expected=expected,
        to_do="calibrate asymmetrically, or keep the operator (ONNX Runtime: QDQKeepRemovableActivations)",
    )


def _of_tflite(file: QuantizedFile, original: QuantizedFile) -> Outcome:
    sides = [[each for each in side.operators if each.kind not in _CONVERSIONS] for side in (original, file)]
    if [each.kind for each in sides[0]] != [each.kind for each in sides[1]]:
        return not_applicable("the two files have other operators")
    stored = {each.name: each for each in file.of_role("activation")}
    pairs = [pair for pair in zip(*sides, strict=True) if pair[0].activation in _FUSED]
    if not pairs and not any(each.kind in _OWN for each in sides[0]):
        return not_applicable("the float file has no Relu")
    found = list(_lost_in_tflite(pairs, stored))
    return _outcome(found, len(pairs))


def _lost_in_tflite(pairs: list[tuple[Operator, Operator]], stored: dict[str, Stored]) -> Iterator[Finding]:
    for theirs, mine in pairs:
        result = stored.get(mine.outputs[0])
        if mine.activation == theirs.activation or (result is not None and _cuts(result)):
            continue
        zero_point = (
            "" if result is None else f", and its result has zero point {int(result.affine.zero_point.flat[0])}"
        )
        yield Finding(
            severity="wrong",
            where=f"{mine.kind} {mine.name}",
            found=f"its {theirs.activation} is gone{zero_point}: negative values pass",
            expected=f"fused {theirs.activation}, or a zero point at the lowest integer",
            to_do="convert the float file again",
        )
