"""Which output of a case is which output of the reference, where runtimes and converters rename them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec, described

Kind = Literal["number", "integer", "boolean", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMatch:
    """Outputs of a case under the names of the reference.

    Attributes:
        names: For each output of the reference, by name: the name of the case's.
        notes: What a reader must know, such as that they were matched by their order.
    """

    names: Mapping[str, str]
    notes: tuple[str, ...] = ()


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
