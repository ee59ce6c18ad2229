"""Which array goes with which input, and what is wrong where one does not fit: the messages of `fit`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence

from crossrt.core.errors import DataError
from crossrt.core.tensor import Batching, Dimension, TensorSpec, described
from crossrt.datasets.layout import FLOATS, fed_dtype, fits, layout_names, permutation, sample_spec
from crossrt.datasets.protocol import Dataset

_LABEL_NAMES = frozenset({"y", "label", "target", "targets", "y_test", "y_train"})


def matched(
    dataset: Dataset, inputs: Sequence[TensorSpec], batching: Batching
) -> tuple[dict[str, str], tuple[str, ...]]:
    """For each input the name of its array, and notes on what was not matched by name.

    Raises:
        DataError: Arrays are missing, left over, or could be several inputs.
    """
    names = [spec.name for spec in inputs]
    missing = [name for name in names if name not in dataset.inputs]
    extra = [name for name in dataset.inputs if name not in names]
    found = {name: name for name in names if name in dataset.inputs}
    if not missing and not extra:
        return found, ()
    if len(names) == 1 and len(dataset.inputs) == 1:
        return {names[0]: extra[0]}, (f"the only array, {extra[0]!r}, feeds the only input, {names[0]!r}",)
    specs = {spec.name: sample_spec(spec, batching) for spec in inputs}
    by_shape = _by_shape([specs[name] for name in missing], [dataset.inputs[name] for name in extra])
    if by_shape is None:
        raise DataError(_difference(dataset, inputs, missing, extra))
    notes = tuple(
        f"the array {array!r} feeds input {name!r}, the only one that it fits" for name, array in by_shape.items()
    )
    return {name: by_shape.get(name, name) for name in names}, notes


def _by_shape(inputs: Sequence[TensorSpec], arrays: Sequence[TensorSpec]) -> Mapping[str, str] | None:
    """The one assignment in which each input has a single array that fits and each array a single input, or None."""
    if len(inputs) != len(arrays):
        return None
    found: dict[str, str] = {}
    for spec in inputs:
        candidates = [
            array.name for array in arrays if array.dtype == fed_dtype(spec) and fits(_sizes(array), spec.shape)
        ]
        if len(candidates) != 1:
            return None
        found[spec.name] = candidates[0]
    return found if len(set(found.values())) == len(arrays) else None


def _difference(dataset: Dataset, inputs: Sequence[TensorSpec], missing: list[str], extra: list[str]) -> str:
    parts = []
    if missing:
        parts.append(f"no array for the input{'s' * (len(missing) > 1)} {', '.join(missing)}")
    if extra:
        parts.append(f"no input for the array{'s' * (len(extra) > 1)} {', '.join(extra)}")
    pairs = [(array, near[0]) for array in extra if (near := difflib.get_close_matches(array, missing, n=1))]
    hint = "; rename " + ", ".join(f"{array!r} to {name!r}" for array, name in pairs) if pairs else ""
    if (label := next((name for name in extra if name.lower() in _LABEL_NAMES), None)) and dataset.labels is None:
        hint += f"; if {label!r} holds labels, call it 'labels'"
    return (
        f"the data set {dataset.name} does not fit the model: {'; '.join(parts)}. The data set has"
        f" {', '.join(described(spec) for spec in dataset.inputs.values())}; the model takes"
        f" {', '.join(described(spec) for spec in inputs)}{hint}"
    )


def problem_with(dataset: Dataset, array_name: str, spec: TensorSpec, batching: Batching) -> str | None:
    """What is wrong with the array for an input, or None where it fits."""
    array, expected = dataset.inputs[array_name], sample_spec(spec, batching)
    is_shared = array_name in dataset.shared
    problems = [
        _shape_problem(array, expected, len(dataset), is_shared=is_shared),
        _dtype_problem(array, fed_dtype(spec)),
    ]
    found = [problem for problem in problems if problem]
    if not found:
        return None
    subject = f"the array {array_name!r}" + ("" if array_name == spec.name else f" (for input {spec.name!r})")
    return f"{subject} {'; it also '.join(found)}"


def _dtype_problem(array: TensorSpec, expected: str) -> str | None:
    if array.dtype == expected:
        return None
    found = f"is {array.dtype}, expected {expected}"
    if expected == "str" or array.dtype == "str":
        return f"{found}: a model's text and numbers are not converted into each other"
    fix = f'`{_identifier(array.name)}.astype("{expected}")`'
    if expected in FLOATS and array.dtype not in FLOATS:
        return (
            f"{found}: values are never scaled automatically; scale them as the model was trained (such as"
            f" `{_identifier(array.name)} / 255`), unless it rescales them itself, which `crossrt inspect` shows, then"
            f" write {fix}"
        )
    if array.dtype in FLOATS and expected not in FLOATS:
        return f"{found}: if the values are whole numbers, write {fix}"
    return f"{found}: write {fix}"


def _shape_problem(array: TensorSpec, expected: TensorSpec, samples: int, *, is_shared: bool) -> str | None:
    sizes = _sizes(array)
    if fits(sizes, expected.shape):
        return None
    found = f"has samples of shape {_written(array.shape)}, expected {_written(expected.shape)}"
    whole = (samples, *sizes)
    if is_shared:
        return f"has the shape {_written(array.shape)} for all samples, expected {_written(expected.shape)}"
    if fits(whole, expected.shape):
        return f"{found}: if it is one sample, `numpy.expand_dims({_identifier(array.name)}, 0)` would fit"
    if hint := _shape_hint(_identifier(array.name), sizes, expected.shape):
        return f"{found}: {hint}"
    return f"has shape {_written(whole)} where samples of shape {_written(expected.shape)} are expected"


def _shape_hint(array: str, sizes: tuple[int, ...], expected: Sequence[Dimension]) -> str | None:
    """The change of an array, its axis of samples included, that would fit, or None."""
    if order := permutation(sizes, expected):
        return f"`{array}.transpose{order}` would fit{layout_names(order)}; check that this is what the axes mean"
    for axis in range(len(expected)):
        if len(expected) == len(sizes) + 1 and fits([*sizes[:axis], 1, *sizes[axis:]], expected):
            return f"`numpy.expand_dims({array}, {axis + 1})` would fit"
    for axis, size in enumerate(sizes):
        if size == 1 and fits([*sizes[:axis], *sizes[axis + 1 :]], expected):
            return f"`{array}.squeeze({axis + 1})` would fit"
    if len(expected) == len(sizes):
        pairs = zip(sizes, expected, strict=True)
        wrong = [f"{size} instead of {wish}" for size, wish in pairs if isinstance(wish, int) and size != wish]
        return f"the model has a fixed size there ({', '.join(wrong)}); resize the data as the model was trained"
    return _count_hint(array, sizes, expected)


def _count_hint(array: str, sizes: tuple[int, ...], expected: Sequence[Dimension]) -> str | None:
    fixed = [size for size in expected if isinstance(size, int)]
    if len(fixed) == len(expected) and math.prod(fixed) == math.prod(sizes):
        wishes = ", ".join(["-1", *map(str, fixed)])
        return f"`{array}.reshape({wishes})` has that shape; check that this is what the axes mean"
    return None


def _sizes(array: TensorSpec) -> tuple[int, ...]:
    return tuple(size for size in array.shape if isinstance(size, int))


def _written(shape: Sequence[Dimension]) -> str:
    sizes = ", ".join("?" if size is None else str(size) for size in shape)
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"


def _identifier(name: str) -> str:
    return name if name.isidentifier() else "array"
