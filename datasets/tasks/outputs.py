"""Which output of a case is which output of the reference, where runtimes and converters rename them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec, described
from crossrt.datasets.tasks.protocol import Outputs

Kind = Literal["number", "integer", "boolean", "text"]

VALUE_SAMPLES: Final = 64
"""Samples by whose values outputs are distinguished that have the same shape and other names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMatch:
    """Outputs of a case under the names of the reference.

    Attributes:
        names: For each output of the reference, by name: the name of the case's.
        notes: What a reader must know, such as that they were matched by their order.
    """

    names: Mapping[str, str]
    notes: tuple[str, ...] = ()


def specs_of(outputs: Outputs) -> tuple[TensorSpec, ...]:
    """Outputs `(samples, ...)` as records."""
    return tuple(
        TensorSpec(name=name, dtype="str" if array.dtype.kind == "U" else array.dtype.name, shape=array.shape)
        for name, array in outputs.items()
    )


def match_answers(reference: Outputs, case: Outputs) -> OutputMatch:
    """Matches outputs by their names, shapes and values.

    Outputs of other names that have the same shape, such as two heads of one network, are distinguished by their values
    for the first samples: the pairs whose differences are the smallest in all.

    Args:
        reference: Outputs of the reference by name, each `(samples, ...)`.
        case: Those of the model file that is compared, for the same samples.

    Raises:
        DataError: An output of the reference is not among the case's.
    """
    if not reference.keys() <= case.keys() and (found := _by_values(reference, case)) is not None:
        return found
    return matched_outputs(specs_of(reference), specs_of(case))


def _by_values(reference: Outputs, case: Outputs) -> OutputMatch | None:
    """Pairs of equal shapes with the smallest differences; None where an output has no counterpart of numbers."""
    from scipy.optimize import linear_sum_assignment  # few files need it

    ours = [name for name in reference if name not in case]
    theirs = [name for name in case if name not in reference]
    if len(ours) < 2 or len(ours) != len(theirs):
        return None
    costs = np.array([[_difference(reference[one], case[other]) for other in theirs] for one in ours])
    if not np.isfinite(costs).any(axis=1).all():
        return None
    rows, columns = linear_sum_assignment(np.where(np.isfinite(costs), costs, 1e12))
    if not np.isfinite(costs[rows, columns]).all():
        return None
    found = {ours[row]: theirs[column] for row, column in zip(rows, columns, strict=True)}
    pairs = ", ".join(f"{other} for {one}" for one, other in found.items())
    return OutputMatch(
        names={name: found.get(name, name) for name in reference},
        notes=(f"outputs were matched by their values: {pairs}",),
    )


def _difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Relative difference over the first samples; infinite where they cannot be the same output."""
    if one.shape != other.shape or one.dtype.kind not in "biuf" or other.dtype.kind not in "biuf":
        return float("inf")
    first, second = (np.asarray(each[:VALUE_SAMPLES], np.float64) for each in (one, other))
    norm = float(np.linalg.norm(first)) or 1.0
    found = float(np.linalg.norm(first - second)) / norm
    return found if np.isfinite(found) else 1e9


def match_outputs(reference: Sequence[TensorSpec], case: Sequence[TensorSpec]) -> Mapping[str, str]:
    """The names of `matched_outputs`, without the notes.

    Raises:
        DataError: See there.
    """
    return matched_outputs(reference, case).names


def matched_outputs(reference: Sequence[TensorSpec], case: Sequence[TensorSpec]) -> OutputMatch:
    """Matches outputs: by name, else where only one shape and kind of dtype fits, else by order.

    Dynamic dimensions fit any size, and the first dimension, of samples, is not compared. Outputs of the case that the
    reference lacks are left out.

    Args:
        reference: Outputs of the reference.
        case: Outputs of the model file that is compared.

    Raises:
        DataError: An output of the reference is not among the case's, or several could be it.
    """
    there = {spec.name: spec for spec in case}
    names = {spec.name: spec.name for spec in reference if spec.name in there}
    notes: list[str] = []
    rest = [spec for spec in reference if spec.name not in names]
    left = [spec for spec in case if spec.name not in names]
    if rest:
        found, how = _by_shape(rest, left), "shape and kind of dtype"
        if found is None:
            found, how = _by_order(rest, left), "order"
        if found is None:
            raise _cannot(rest, left)
        names |= found
        pairs = ", ".join(f"{theirs} for {ours}" for ours, theirs in found.items())
        notes.append(f"outputs were matched by {how}: {pairs}")
    extra = [spec.name for spec in case if spec.name not in names.values()]
    if extra:
        notes.append(f"outputs that the reference does not have are not compared: {', '.join(extra)}")
    return OutputMatch(names={spec.name: names[spec.name] for spec in reference}, notes=tuple(notes))


def _by_shape(reference: Sequence[TensorSpec], case: Sequence[TensorSpec]) -> dict[str, str] | None:
    """Pairs of which each is the only one that fits the other, where all have one."""
    found = {}
    for spec in reference:
        fitting = [other for other in case if _fits(spec, other)]
        if len(fitting) != 1 or sum(_fits(each, fitting[0]) for each in reference) != 1:
            return None
        found[spec.name] = fitting[0].name
    return found


def _by_order(reference: Sequence[TensorSpec], case: Sequence[TensorSpec]) -> dict[str, str] | None:
    """Pairs in order, where there are as many of both, and ranks and kinds agree."""
    if len(reference) != len(case) or not all(map(_alike, reference, case)):
        return None
    return {ours.name: theirs.name for ours, theirs in zip(reference, case, strict=True)}


def _alike(one: TensorSpec, other: TensorSpec) -> bool:
    return len(one.shape) == len(other.shape) and _kind(one) == _kind(other)


def _fits(one: TensorSpec, other: TensorSpec) -> bool:
    sizes = zip(one.shape[1:], other.shape[1:], strict=False)
    return _alike(one, other) and all(a == b or not (isinstance(a, int) and isinstance(b, int)) for a, b in sizes)


def _kind(spec: TensorSpec) -> Kind:
    """Integers that stand for real numbers are numbers like floats."""
    if spec.dtype == "str":
        return "text"
    if spec.dtype == "bool":
        return "boolean"
    return "number" if "float" in spec.dtype or spec.is_quantized else "integer"


def _cannot(reference: Sequence[TensorSpec], case: Sequence[TensorSpec]) -> DataError:
    ours, theirs = "; ".join(map(described, reference)), "; ".join(map(described, case)) or "none left"
    return DataError(
        f"outputs of the reference cannot be found: {ours}; found {theirs}; give the outputs the reference's names, in"
        " the same order"
    )
