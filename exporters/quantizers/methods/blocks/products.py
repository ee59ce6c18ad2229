"""Matrix products, means, and operators that lay values out anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.quantizers.methods.blocks.gradients import Operator, Pulls, attribute, present, unbroadcast
from crossrt.exporters.quantizers.methods.layers import Array, number, numbers


def _matmul(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    a, b = present(inputs)
    if b.ndim != 2:
        return a @ b, (
            lambda g: unbroadcast(g @ np.swapaxes(b, -1, -2), a.shape),
            lambda g: unbroadcast(np.swapaxes(a, -1, -2) @ g, b.shape),
        )
    rows = a.reshape(-1, len(b))  # one large product is faster than one for each sample
    sums = (rows @ b).reshape(*a.shape[:-1], -1)
    return sums, (lambda g: (_rows(g) @ b.T).reshape(a.shape), lambda g: rows.T @ _rows(g))


def _rows(values: Array) -> Array:
    return values.reshape(-1, values.shape[-1])


def _gemm(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    a, b, *rest = inputs
    assert a is not None
    assert b is not None
    bias = rest[0] if rest else None
    alpha, beta = (np.float32(attribute(node, name, 1.0)) for name in ("alpha", "beta"))
    is_turned = bool(number(node, "transB", 0))
    sums = alpha * (a @ (b.T if is_turned else b))

    def by_input(g: Array) -> Array:
        return alpha * (g @ (b if is_turned else b.T))

    def by_weight(g: Array) -> Array:
        return alpha * (g.T @ a if is_turned else a.T @ g)

    return sums if bias is None else sums + beta * bias, (by_input, by_weight)


def _reduce_mean(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    x = inputs[0]
    assert x is not None
    axes = inputs[1] if len(inputs) > 1 else None
    given = numbers(node, "axes", ()) if axes is None else tuple(int(each) for each in axes)
    return _mean(x, given or tuple(range(x.ndim)), keepdims=bool(number(node, "keepdims", 1)))


def _global_average(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    return _mean(x, tuple(range(2, x.ndim)), keepdims=True)


def _mean(x: Array, axes: tuple[int, ...], *, keepdims: bool) -> tuple[Array, Pulls]:
    axes = tuple(axis % x.ndim for axis in axes)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    count = np.prod([x.shape[axis] for axis in axes])
    result = x.mean(axis=axes, keepdims=keepdims)
    return result, (lambda g: np.broadcast_to(g.reshape(kept) / np.float32(count), x.shape),)


def _reshape(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    """The first dimension follows from the others where the shape in the file is for another number of samples."""
    x, shape = present(inputs)
    keeps = not number(node, "allowzero", 0)
    wanted = [x.shape[place] if not size and keeps else int(size) for place, size in enumerate(shape)]
    if -1 not in wanted and np.prod(wanted) != x.size:
        wanted[0] = -1
    return x.reshape(wanted), (lambda g: g.reshape(x.shape),)


def _flatten(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    rows = int(np.prod(x.shape[: number(node, "axis", 1) % (x.ndim + 1)]))
    return x.reshape(rows, -1), (lambda g: g.reshape(x.shape),)


def _transpose(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    order = numbers(node, "perm", tuple(reversed(range(x.ndim))))
    return x.transpose(order), (lambda g: g.transpose(np.argsort(order)),)


def _identity(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    return x, (lambda g: g,)


PRODUCTS: Final[Mapping[str, Operator]] = {
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "Identity": _identity,
    "MatMul": _matmul,
    "ReduceMean": _reduce_mean,
    "Reshape": _reshape,
    "Transpose": _transpose,
}
