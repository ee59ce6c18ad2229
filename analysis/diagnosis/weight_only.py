"""An ONNX file whose weights alone are quantized, in blocks (`MatMulNBits`), beside its float model.

Its activations are floats and have no scales: the weights and the outputs are compared with their counterparts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import Affine
from crossrt.analysis.diagnosis.measure import Measure
from crossrt.analysis.diagnosis.outputs import OutputRatios
from crossrt.analysis.diagnosis.record import DiagnosedOutput, DiagnosedTensor, Diagnosis
from crossrt.analysis.onnx_graph import Graph, constant, name_of, taken
from crossrt.analysis.onnx_sessions import run, session_with
from crossrt.core.errors import ArtifactError
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.tensor_specs import onnx_specs

_OPERATOR: Final = "MatMulNBits"
_DEFAULT_BITS: Final = 4


def diagnose_weight_only(
    path: Path, float_path: Path, calls: Iterable[Arrays], samples: int, folder: Path
) -> Diagnosis:
    """Reads the weights of both files, and runs both over the samples.

    Args:
        path: The quantized file.
        float_path: The float file that it was made from.
        calls: Feeds of the samples.
        samples: How many they are.
        folder: A scratch folder.

    Raises:
        CrossrtError: A file cannot be run, or the two do not belong together.
    """
    ratios = OutputRatios(onnx_specs(float_path)[1], onnx_specs(path)[1])
    original, quantized = (session_with(each, (), folder) for each in (float_path, path))
    for feeds in calls:
        ratios.add(run(original, ratios.originals, feeds), run(quantized, ratios.quantized, feeds))
    return Diagnosis(
        tensors=tuple(_weights(Graph.load(path), Graph.load(float_path))),
        samples=samples,
        outputs=tuple(DiagnosedOutput(name=name, sqnr_db=ratios.sqnr_db(name)) for name in ratios.originals),
    )


def _weights(quantized: Graph, original: Graph) -> Iterator[DiagnosedTensor]:
    """The layers of both files make tensors of the same names, or are a Gemm and its product."""
    exact = original.constants
    layers = {name: node for node in original.nodes for name in _products(node)}
    nodes = [node for node in quantized.nodes if node.op_type == _OPERATOR and name_of(node.outputs[0]) in layers]
    for place, node in enumerate(nodes):
        layer = layers[name_of(node.outputs[0])]
        name = name_of(taken(layer, 1))
        if name in exact:
            integers, affine, dtype = unpack_weight(node)
            measure = Measure(name, "weight", dtype, affine, 0, "stored")
            measure.add((exact[name] if _is_transposed(layer) else exact[name].T).reshape(-1), integers)
            yield measure.result(place, node.name)


def _products(node: ir.Node) -> tuple[str, ...]:
    """Names that the product of a layer may have in the quantized file."""
    if node.op_type == "MatMul":
        return (name_of(node.outputs[0]),)
    return (name_of(node.outputs[0]), f"{node.name}/product") if node.op_type == "Gemm" else ()


def _is_transposed(node: ir.Node) -> bool:
    return node.op_type == "Gemm" and bool(node.attributes.get_int("transB", 0))


def unpack_weight(node: ir.Node) -> tuple[NDArray[np.int64], Affine, str]:
    """The integers of a `MatMulNBits`, their scheme value by value, and their type.

    The weight of `K` inputs and `N` outputs lies transposed, `(N, blocks, bytes)`, each row in blocks of inputs that
    share a scale, the last one filled up; two integers of 4 bits share a byte, the first in its lower half. Without
    zero points these are in the middle; they may be floats, one for each block. Source: the operator's definition in
    ONNX Runtime's ContribOperators.md.

    Returns:
        Integers `(N * K,)`, scales and zero points of the same shape, and such as `uint4`.
    """
    numbers = {"bits": _DEFAULT_BITS}
    numbers |= {each.name: each.as_int() for each in node.attributes.values() if each.type == ir.AttributeType.INT}
    packed, scale, zero_point = (constant(taken(node, place)) for place in (1, 2, 3))
    if packed is None or scale is None:
        raise ArtifactError(f"the weight of {node.name} is not a constant: it cannot be compared")
    inputs, outputs, block, bits = (numbers[name] for name in ("K", "N", "block_size", "bits"))
    blocks = -(-inputs // block)
    integers = _integers(packed, bits).reshape(outputs, blocks * block)[:, :inputs]
    scales = scale.reshape(outputs, blocks).astype(np.float32)
    zero_points = np.full((outputs, blocks), 2 ** (bits - 1))
    if zero_point is not None and zero_point.dtype.kind == "f":
        zero_points = zero_point.reshape(outputs, blocks)
    elif zero_point is not None:
        zero_points = _integers(zero_point.reshape(outputs, -1), bits)[:, :blocks]
    by_value = [np.repeat(each, block, axis=1)[:, :inputs].reshape(-1) for each in (scales, zero_points)]
    is_whole = zero_points.dtype.kind != "f"
    affine = Affine(scale=by_value[0], zero_point=by_value[1].astype(np.int64) if is_whole else by_value[1])
    return integers.reshape(-1).astype(np.int64), affine, f"uint{bits}"


def _integers(packed: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Every integer on its own, along the last axis."""
    if bits == 8:
        return packed
    halves = np.stack([packed & 0x0F, packed >> 4], axis=-1)
    return halves.reshape(*packed.shape[:-1], -1)
