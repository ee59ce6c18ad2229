"""Matrix products with constant weights: where they are in a graph, and what takes their place."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from crossrt.exporters.quantizers.ort.groups import Floats, Grid
from crossrt.exporters.sources.onnx_file import nodes_of

DOMAIN: Final = "com.microsoft"


def name_nodes(model: onnx.ModelProto) -> None:
    """Gives every node that has none a name: the quantizers know nodes by their names."""
    taken = {node.name for node in model.graph.node}
    for number, node in enumerate(model.graph.node):
        if not node.name:
            name = f"{node.op_type}_{number}"
            while name in taken:
                name += "_"
            node.name = name
            taken.add(name)


def constants_of(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Initializers, and what `Constant` nodes hold, by name."""
    found = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for each in node.attribute:
                if each.name == "value":
                    found[node.output[0]] = each.t
    return found


def products(model: onnx.ModelProto, excluded: Collection[str] = ()) -> Iterator[tuple[onnx.NodeProto, str]]:
    """`MatMul` nodes whose right side is a constant float32 matrix, each with that one's name."""
    constants = constants_of(model)
    for node in model.graph.node:
        weight = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        is_float = weight is not None and weight.data_type == onnx.TensorProto.FLOAT
        if weight is not None and is_float and len(weight.dims) == 2 and node.name not in excluded:
            yield node, node.input[1]


def split_gemms(model: onnx.ModelProto, excluded: Collection[str] = ()) -> int:
    """Writes `Gemm` nodes with constant weights as `MatMul` and `Add`, which is the same; gives their number.

    `alpha` and a transposed weight go into the weight. A node whose left side is transposed, or whose bias is scaled
    and not constant, stays.
    """
    constants, nodes, changed = constants_of(model), [], 0
    for node in model.graph.node:
        parts = _split(node, constants, model) if node.op_type == "Gemm" and node.name not in excluded else None
        nodes.extend(parts or [node])
        changed += parts is not None
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    remove_unused(model)
    return changed


def _split(
    node: onnx.NodeProto, constants: dict[str, onnx.TensorProto], model: onnx.ModelProto
) -> list[onnx.NodeProto] | None:
    settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    weight, beta = constants.get(node.input[1]), settings.get("beta", 1.0)
    bias = node.input[2] if len(node.input) > 2 else ""
    if weight is None or weight.data_type != onnx.TensorProto.FLOAT or settings.get("transA", 0):
        return None
    if bias and beta != 1 and bias not in constants:
        return None
    matrix = numpy_helper.to_array(weight)
    matrix = (matrix.T if settings.get("transB", 0) else matrix) * np.float32(settings.get("alpha", 1.0))
    name = _add(model, f"{node.name}/weight", np.ascontiguousarray(matrix))
    if not bias:
        return [helper.make_node("MatMul", [node.input[0], name], list(node.output), node.name)]
    if beta != 1:
        bias = _add(model, f"{node.name}/bias", numpy_helper.to_array(constants[bias]) * np.float32(beta))
    product = f"{node.name}/product"
    return [
        helper.make_node("MatMul", [node.input[0], name], [product], node.name),
        helper.make_node("Add", [product, bias], list(node.output), f"{node.name}/Add"),
    ]


def _add(model: onnx.ModelProto, name: str, values: NDArray[Any]) -> str:
    """Adds a constant under a name that is free; gives the name."""
    taken = {each.name for each in model.graph.initializer}
    while name in taken:
        name += "_"
    model.graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def put_in_groups(
    model: onnx.ModelProto, node: onnx.NodeProto, shape: tuple[int, int], integers: Floats, grid: Grid, level: int
) -> None:
    """Makes a `MatMulNBits` of a `MatMul`: see that operator in ONNX Runtime's ContribOperators.md.

    Args:
        model: What the node belongs to.
        node: Changed in place.
        shape: `(K, N)` of the weight.
        integers: `(N, groups, size)`.
        grid: What they stand for. Zero points in the middle of all groups are left out; those that are no whole numbers
            are stored as float32.
        level: The operator's `accuracy_level`.
    """
    inputs, outputs = shape
    stem, size = node.input[1], integers.shape[-1]
    names = [
        _add(model, f"{stem}_Q{grid.bits}", packed(integers, grid.bits)),
        _add(model, f"{stem}_scales", grid.scale[..., 0].astype(np.float32)),
    ]
    zero_points = grid.zero_point[..., 0]
    if not np.array_equal(zero_points, np.rint(zero_points)):
        names.append(_add(model, f"{stem}_zero_points", zero_points.astype(np.float32)))
    elif not (zero_points == 2 ** (grid.bits - 1)).all():
        names.append(_add(model, f"{stem}_zero_points", packed(zero_points, grid.bits)))
    settings: dict[str, Any] = {"K": inputs, "N": outputs, "bits": grid.bits, "block_size": size}
    if level:
        settings["accuracy_level"] = level
    changed = helper.make_node(
        "MatMulNBits", [node.input[0], *names], list(node.output), node.name, domain=DOMAIN, **settings
    )
    node.CopyFrom(changed)
    if DOMAIN not in {each.domain for each in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


def packed(integers: Floats, bits: int) -> NDArray[np.uint8]:
    """Integers as bytes along the last axis: two of 4 bits share one, the first in its lower half."""
    values = integers.astype(np.uint8)
    if bits == 8:
        return values
    if values.shape[-1] % 2:
        values = np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)
    return np.asarray(values[..., ::2] | values[..., 1::2] << 4)


def remove_unused(model: onnx.ModelProto) -> None:
    """Removes constants that nothing reads."""
    read = {name for node in nodes_of(model) for name in node.input} | {each.name for each in model.graph.output}
    for each in [each for each in model.graph.initializer if each.name not in read]:
        model.graph.initializer.remove(each)
    for node in [each for each in model.graph.node if each.op_type == "Constant" and each.output[0] not in read]:
        model.graph.node.remove(node)
