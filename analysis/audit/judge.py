"""Compares stored tensors with the affine scheme, and finds the rule that explains those which differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from crossrt.analysis.audit.affine import TYPES, Affine, affine_from_range, along, bias_affine, integer_range
from crossrt.analysis.audit.record import AuditedTensor, Observed, Stored, Verdict

ROUNDING: Final = 1e-5
"""Relative difference that another order of float32 operations explains."""

_TIE, _TIE_RELATIVE = 1e-4, 1e-6
"""How far from the middle a value counts as lying there: what float32 divisions leave open."""

_FOLDED = ("Relu", "Clip", "RELU", "RELU6")
_PASSED_ON = (
    *(
        "MaxPool",
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Pad",
        "Slice",
        "Gather",
        "Resize",
        "Split",
    ),
    *("MAX_POOL_2D", "TRANSPOSE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PAD", "PADV2", "STRIDED_SLICE", "SLICE"),
    *("CONCATENATION", "AVERAGE_POOL_2D", "MEAN"),
)
_SHARED = ("ADD", "SUB", "CONCATENATION", "MINIMUM", "MAXIMUM")
"""TFLite operators whose operands may be given the scale of the result."""

_FIXED = {"SOFTMAX": (1 / 256, -128), "LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "Softmax": (1 / 256, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What a recipe asks for, as far as scales follow from it.

    Attributes:
        symmetric_activations: Zero points in the middle.
        symmetric_weights: The same for weights.
        restricts_symmetric: Symmetric signed ranges leave out the lowest integer.
        reduced_weights: Weights have one bit fewer.
        symmetric_operands: The same as `symmetric_activations` for constant operands of elementwise operators.
        reduced_operands: Constant operands have one bit fewer.
        symmetric_channels: Weights with a scale for each channel are symmetric whatever the recipe says.
    """

    symmetric_activations: bool
    symmetric_weights: bool
    restricts_symmetric: bool = True
    reduced_weights: bool = False
    symmetric_operands: bool = False
    reduced_operands: bool = False
    symmetric_channels: bool = False


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a tensor could have, and the rule by which."""

    affine: Affine
    reason: str | None = None


class Judge:
    """Judges the tensors of one file."""

    def __init__(self, stored: Sequence[Stored], observed: Observed, scheme: Scheme) -> None:
        self._stored = {(each.role, each.name): each for each in stored}
        self._observed = observed
        self._scheme = scheme

    def run(self) -> Iterator[AuditedTensor]:
        """Every tensor, in the file's order."""
        for each in self._stored.values():
            yield self._judge(each)

    def _judge(self, stored: Stored) -> AuditedTensor:
        candidates = list(getattr(self, f"_{stored.role}")(stored))
        if not candidates:
            return _row(stored, None, "different", "the float model has no such tensor")
        for candidate in candidates:
            verdict = _compared(stored.affine, candidate.affine)
            if verdict != "different":
                wrong = self._wrong_integers(stored)
                reason = candidate.reason
                if wrong:
                    verdict, reason = "different", f"{wrong} integers are not the nearest ones"
                return _row(stored, candidate.affine, verdict, reason, wrong)
        return _row(stored, candidates[0].affine, "different", None, self._wrong_integers(stored))

    def _activation(self, stored: Stored) -> Iterator[_Expected]:
        """Its own range; that of a folded Relu behind it; that of its source; what its operator always has."""
        if stored.name in self._observed.ranges:
            yield _Expected(self._from_range(stored, stored.name))
        for layer in self._observed.layers:
            if layer.kind in _FOLDED and stored.name in layer.inputs and layer.outputs[0] in self._observed.ranges:
                yield _Expected(self._from_range(stored, layer.outputs[0]), f"range of the {layer.kind} folded into it")
        for layer in self._observed.layers:
            if stored.name in layer.outputs and layer.kind in _PASSED_ON:
                yield from self._passed_on(layer.inputs, layer.kind)
            if stored.name in layer.inputs and layer.kind in _SHARED:
                yield from self._shared(layer.outputs, layer.kind)
            if stored.name in layer.outputs and layer.kind in _FIXED:
                scale, zero_point = _FIXED[layer.kind]
                fixed = Affine(np.asarray(scale, dtype=np.float32), np.asarray(zero_point))
                yield _Expected(fixed, f"fixed by {layer.kind}")

    def _passed_on(self, sources: Sequence[str], kind: str) -> Iterator[_Expected]:
        for source in sources:
            if ("activation", source) in self._stored:
                yield _Expected(self._stored["activation", source].affine, f"{kind} keeps the scale of what it takes")

    def _shared(self, results: Sequence[str], kind: str) -> Iterator[_Expected]:
        for result in results:
            if ("activation", result) in self._stored:
                yield _Expected(self._stored["activation", result].affine, f"has the scale of the {kind} that takes it")

    def _from_range(self, stored: Stored, name: str) -> Affine:
        low, high = self._observed.ranges[name]
        is_symmetric = self._scheme.symmetric_activations
        integers = integer_range(stored.dtype, is_symmetric=is_symmetric and self._scheme.restricts_symmetric)
        return affine_from_range(np.asarray(low), np.asarray(high), integers, is_symmetric=is_symmetric)

    def _weight(self, stored: Stored) -> Iterator[_Expected]:
        values = self._observed.constants.get(stored.name)
        if values is None:
            return
        others = tuple(axis for axis in range(values.ndim) if axis != stored.axis) if stored.axis is not None else None
        low, high = values.min(axis=others), values.max(axis=others)
        scheme = self._scheme
        is_symmetric, is_reduced = scheme.symmetric_weights, scheme.reduced_weights
        if stored.is_operand:
            is_symmetric, is_reduced = scheme.symmetric_operands, scheme.reduced_operands
        is_symmetric = is_symmetric or (scheme.symmetric_channels and stored.affine.scale.size > 1)
        integers = integer_range(
            stored.dtype, is_symmetric=is_symmetric and self._scheme.restricts_symmetric, is_reduced=is_reduced
        )
        reason = "constant operand: rule of activations" if stored.is_operand else None
        reason = "reduced range" if is_reduced else reason
        yield _Expected(affine_from_range(low, high, integers, is_symmetric=is_symmetric), reason)

    def _bias(self, stored: Stored) -> Iterator[_Expected]:
        source = self._stored.get(("activation", stored.source or ""))
        weight = self._stored.get(("weight", stored.weight or ""))
        if source is not None and weight is not None:
            yield _Expected(bias_affine(source.affine, weight.affine))

    def _wrong_integers(self, stored: Stored) -> int | None:
        """How many integers are not among those nearest to the values, with the file's own scale.

        Of a value in the middle between two integers both are nearest: ONNX rounds it to the even one, TFLite away
        from zero.
        """
        values = self._observed.constants.get(stored.name)
        if stored.integers is None or values is None:
            return None
        values = values.reshape(stored.integers.shape)
        scale = along(stored.affine.scale, values, stored.axis)
        zero_point = along(stored.affine.zero_point, values, stored.axis)
        exact = np.clip(values.astype(np.float64) / scale + zero_point, *TYPES[stored.dtype])
        tolerance = 0.5 + _TIE + _TIE_RELATIVE * np.abs(exact)
        return int((np.abs(exact - stored.integers.astype(np.float64)) > tolerance).sum())


def _compared(found: Affine, expected: Affine) -> Verdict:
    deviation = _deviation(found, expected)
    if deviation is None or (found.zero_point.reshape(-1) != expected.zero_point.reshape(-1)).any():
        return "different"
    return "exact" if deviation == 0 else "rounding" if deviation <= ROUNDING else "different"


def _deviation(found: Affine, expected: Affine) -> float | None:
    """Greatest relative difference; None where one has a scale and the other many."""
    if found.scale.size != expected.scale.size:
        return None
    exact = expected.scale.astype(np.float64).reshape(-1)
    return float(np.abs(found.scale.astype(np.float64).reshape(-1) / exact - 1).max())


def _row(
    stored: Stored, expected: Affine | None, verdict: Verdict, reason: str | None, wrong_integers: int | None = None
) -> AuditedTensor:
    return AuditedTensor(
        name=stored.name,
        role=stored.role,
        dtype=stored.dtype,
        channels=stored.affine.scale.size,
        scale=float(stored.affine.scale.reshape(-1)[0]),
        zero_point=int(stored.affine.zero_point.reshape(-1)[0]),
        expected_scale=float(expected.scale.reshape(-1)[0]) if expected else None,
        expected_zero_point=int(expected.zero_point.reshape(-1)[0]) if expected else None,
        deviation=_deviation(stored.affine, expected) if expected else None,
        wrong_integers=wrong_integers,
        verdict=verdict,
        reason=reason,
    )
