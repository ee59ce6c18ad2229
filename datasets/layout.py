"""How samples lie in a model's inputs: the dtype that is fed, the shape of one sample, changes of layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from keyword import iskeyword

from crossrt.core.errors import one_line
from crossrt.core.tensor import Batching, Dimension, TensorSpec

FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
_MOST_AXES = 6
_LAYOUTS = {
    ("NHWC", "NCHW"): (0, 3, 1, 2),
    ("NCHW", "NHWC"): (0, 2, 3, 1),
}


def fed_dtype(spec: TensorSpec) -> str:
    """What an input is fed with: float32 where it stands for real numbers, else its own dtype."""
    return "float32" if spec.dtype in FLOATS or spec.is_quantized else spec.dtype


def sample_spec(spec: TensorSpec, batching: Batching) -> TensorSpec:
    """One sample of an input: its shape without the axis along which samples lie."""
    axis = batching.axes.get(spec.name)
    return spec if axis is None else replace(spec, shape=(*spec.shape[:axis], *spec.shape[axis + 1 :]))


def fits(shape: Sequence[int], expected: Sequence[Dimension]) -> bool:
    """Whether sizes fit dimensions; a dynamic dimension takes any size."""
    return len(shape) == len(expected) and all(
        not isinstance(wish, int) or size == wish for size, wish in zip(shape, expected, strict=True)
    )


def permutation(shape: Sequence[int], expected: Sequence[Dimension]) -> tuple[int, ...] | None:
    """The order of axes, the one of samples included, in which an array would fit, or None."""
    if len(shape) != len(expected) or len(shape) > _MOST_AXES:
        return None
    orders = permutations(range(len(shape)))
    found = next((order for order in orders if fits([shape[axis] for axis in order], expected)), None)
    return None if found is None else (0, *(axis + 1 for axis in found))


def layout_names(order: Sequence[int]) -> str:
    """` (NHWC to NCHW)` where an order of axes is that well-known one, else nothing."""
    return next((f" ({one} to {other})" for (one, other), axes in _LAYOUTS.items() if tuple(order) == axes), "")


def savez_line(inputs: Sequence[TensorSpec], batching: Batching) -> str:
    """The line of Python that writes data for a model, with the shape of each array in a comment.

    Names that `numpy.savez` cannot take get an underscore; their arrays are matched by shape.
    """
    written = [_argument(spec.name) for spec in inputs]
    arrays = []
    for name, spec in zip(written, inputs, strict=True):
        value = f'numpy.asarray({_identifier(name)}, "{fed_dtype(spec)}")'
        arrays.append(f"{name}={value}" if _is_plain(name) else f"**{{{name!r}: {value}}}")
    shapes = ", ".join(f"{name}: ({_sizes(spec, batching)})" for name, spec in zip(written, inputs, strict=True))
    arrays.sort(key=lambda argument: argument.startswith("**"))
    return f'numpy.savez("data.npz", {", ".join(arrays)})  # {one_line(shapes)}; and labels=labels, where there are any'


def _sizes(spec: TensorSpec, batching: Batching) -> str:
    is_shared = batching.is_batched and spec.name not in batching.axes and not spec.shape
    sizes = [] if is_shared else ["samples", *sample_spec(spec, batching).shape]
    written = ", ".join("?" if size is None else str(size) for size in sizes)
    return f"{written}," if len(sizes) == 1 else written


def _argument(name: str) -> str:
    return f"{name}_" if name in {"file", "allow_pickle", "labels"} else name


def _is_plain(name: str) -> bool:
    return name.isidentifier() and not iskeyword(name)


def _identifier(name: str) -> str:
    found = "".join(each if each.isalnum() or each == "_" else "_" for each in name)
    return f"_{found}" if not found or found[0].isdigit() or iskeyword(found) else found
