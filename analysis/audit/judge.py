"""Compares stored tensors with the affine scheme, and finds the rule that explains those which differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from crossrt.analysis.audit.affine import (
    TYPES,
    Affine,
    affine_from_range,
    affine_of_tflite,
    along,
    bias_affine,
    integer_range,
)
from crossrt.analysis.audit.record import AuditedTensor, Observed, Stored, Verdict
from crossrt.analysis.audit.rules import FIXED, FIXED_RANGE, FOLDED, IN_PLACE, PASSED_ON, SAME_SCALE

ROUNDING: Final = 1e-5
"""Relative difference that another order of float32 operations explains."""

_TIE, _TIE_RELATIVE = 1e-4, 1e-6
"""How far from the middle a value counts as lying there: what float32 divisions leave open."""

_HALF_OF_INT32: Final = 0.5 * (2**31 - 1)

_BEST_FIRST: Final[Sequence[Verdict]] = ("exact", "rounding", "different")


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
        is_tflite: Scales are computed as the TFLite converter does.
        rounds_weights: Integers of weights are chosen otherwise than to the nearest.
        corrects_biases: The same for biases.
    """

    symmetric_activations: bool
    symmetric_weights: bool
    restricts_symmetric: bool = True
    reduced_weights: bool = False
    symmetric_operands: bool = False
    reduced_operands: bool = False
    symmetric_channels: bool = False
    is_tflite: bool = False
    rounds_weights: bool = False
    corrects_biases: bool = False


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
        verdicts = [_compared(stored.affine, each.affine) for each in candidates]
        verdict = min(verdicts, key=_BEST_FIRST.index)
        nearest, reason = candidates[verdicts.index(verdict)], None
        wrong = self._wrong_integers(stored)
        if verdict != "different":
            reason = nearest.reason
            if wrong and self._is_chosen(stored):
                reason = f"{wrong} integers are not the nearest ones: the recipe asks for others"
            elif wrong:
                verdict, reason = "different", f"{wrong} integers are not the nearest ones"
        return _row(stored, nearest.affine, verdict, reason, wrong)

    def _is_chosen(self, stored: Stored) -> bool:
        return {"weight": self._scheme.rounds_weights, "bias": self._scheme.corrects_biases}.get(stored.role, False)

    def _activation(self, stored: Stored) -> Iterator[_Expected]:
        """What follows from the tensor itself; then what follows from those that it shares a scale with."""
        yield from self._by_itself(stored, stored.name)
        for name, reason in self._sharing(stored.name).items():
            for each in self._by_itself(stored, name):
                yield _Expected(each.affine, reason)

    def _by_itself(self, stored: Stored, name: str) -> Iterator[_Expected]:
        """A tensor's own range; that of a folded Relu behind it; with what overwrites it; what its operator fixes."""
        if name in self._observed.ranges:
            yield _Expected(self._from_range(stored, name))
        for layer in self._observed.layers:
            if layer.kind in FOLDED and name in layer.inputs and layer.outputs[0] in self._observed.ranges:
                yield _Expected(self._from_range(stored, layer.outputs[0]), f"range of the {layer.kind} folded into it")
            if layer.kind in IN_PLACE and name in layer.inputs:
                yield from self._overwritten(stored, name, layer.outputs[0], layer.kind)
            if name in layer.outputs:
                yield from self._fixed(stored, layer.kind)

    def _fixed(self, stored: Stored, kind: str) -> Iterator[_Expected]:
        if (kind, stored.dtype) in FIXED:
            scale, zero_point = FIXED[kind, stored.dtype]
            yield _Expected(Affine(np.asarray(scale, dtype=np.float32), np.asarray(zero_point)), f"fixed by {kind}")
        if kind in FIXED_RANGE:
            low, high = FIXED_RANGE[kind]
            yield _Expected(self._of_activation(stored, low, high), f"{kind} always has {low:g} to {high:g}")

    def _sharing(self, name: str) -> dict[str, str]:
        """Tensors that may share the scale of one, near ones first, each with the rule."""
        found: dict[str, str] = {}
        waiting = [name]
        for each in waiting:
            for other, rule in self._beside(each):
                if other not in found and other != name:
                    found[other] = found.get(each, rule)
                    waiting.append(other)
        return found

    def _beside(self, name: str) -> Iterator[tuple[str, str]]:
        for layer in self._observed.layers:
            is_given = name in layer.outputs
            if is_given and layer.kind in (*PASSED_ON, *SAME_SCALE):
                rule = f"{layer.kind} keeps the scale of what it takes"
                yield from ((each, rule) for each in layer.inputs)
            if layer.kind in SAME_SCALE and (is_given or name in layer.inputs):
                rule = f"has the scale of the {layer.kind} that {'gives' if is_given else 'takes'} it"
                yield from ((each, rule) for each in (*layer.outputs, *layer.inputs) if each != name)

    def _overwritten(self, stored: Stored, name: str, result: str, kind: str) -> Iterator[_Expected]:
        """The range of both where an operator writes over what it takes: the calibrator reads it before and after."""
        if name in self._observed.ranges and result in self._observed.ranges:
            yield _Expected(
                self._from_range(stored, name, result),
                f"range of it and of the {kind} that writes over it while the converter calibrates",
            )

    def _from_range(self, stored: Stored, *names: str) -> Affine:
        """What follows from the range of a tensor, or of several as one."""
        lows, highs = zip(*(self._observed.ranges[name] for name in names), strict=True)
        return self._of_activation(stored, min(lows), max(highs))

    def _of_activation(self, stored: Stored, low: float, high: float) -> Affine:
        is_symmetric = self._scheme.symmetric_activations
        integers = integer_range(stored.dtype, is_symmetric=is_symmetric and self._scheme.restricts_symmetric)
        return self._affine(stored, np.float32(low), np.float32(high), integers, is_symmetric=is_symmetric)

    def _affine(self, stored: Stored, low: Any, high: Any, integers: tuple[int, int], *, is_symmetric: bool) -> Affine:
        low, high = np.asarray(low, dtype=np.float32), np.asarray(high, dtype=np.float32)
        if not self._scheme.is_tflite:
            return affine_from_range(low, high, integers, is_symmetric=is_symmetric)
        is_constant = stored.integers is not None
        return affine_of_tflite(low, high, integers, is_symmetric=is_symmetric, is_constant=is_constant)

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
        affine = self._affine(stored, low, high, integers, is_symmetric=is_symmetric)
        yield _Expected(affine, reason)
        if scheme.is_tflite:
            yield from self._with_room_for_bias(stored, affine)

    def _with_room_for_bias(self, stored: Stored, affine: Affine) -> Iterator[_Expected]:
        """The TFLite converter widens the scale of a weight so that its bias takes up to half of int32."""
        for (role, name), bias in self._stored.items():
            source = self._stored.get(("activation", bias.source or ""))
            values = self._observed.constants.get(name)
            if role == "bias" and bias.weight == stored.name and source is not None and values is not None:
                largest = np.abs(values.astype(np.float64).reshape(-1))
                largest = largest if affine.scale.size > 1 else largest.max()
                least = largest / (_HALF_OF_INT32 * source.affine.scale.astype(np.float64))
                scale = np.maximum(affine.scale, least.astype(np.float32))
                yield _Expected(Affine(scale, affine.zero_point), "widened for a large bias, which has to fit int32")

    def _bias(self, stored: Stored) -> Iterator[_Expected]:
        if stored.is_operand:
            yield from self._weight(stored)
            if self._scheme.corrects_biases:
                yield _Expected(stored.affine, "range of the corrected values: the recipe asks for others")
            return
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
