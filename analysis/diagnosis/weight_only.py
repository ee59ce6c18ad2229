"""An ONNX file whose weights alone are quantized, in blocks (`MatMulNBits`), beside its float32 model.

Its activations are float32 and have no scales: the weights and the logits are held against their counterparts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from crossrt.analysis.audit.affine import Affine
from crossrt.analysis.diagnosis.measure import Measure, Ratio
from crossrt.analysis.diagnosis.record import DiagnosedTensor, Diagnosis
from crossrt.exporters.ort.calibrate import batches

_OPERATOR: Final = "MatMulNBits"
_DEFAULT_BITS: Final = 4

Arrays = Mapping[str, NDArray[Any]]


def diagnose_weight_only(path: Path, float_path: Path, digits: NDArray[np.float32]) -> Diagnosis:
    """Reads the weights of both files, and runs both over the digits.

    Args:
        path: The quantized file.
        float_path: The float32 file that it was made from.
        digits: float32 `(count, 28, 28, 1)`.
    """
    quantized, original = onnx.load(path), onnx.load(float_path)
    ratio = Ratio()
    sessions = [_session(each) for each in (original, quantized)]
    for feed in batches(digits):
        exact, found = (session.run(None, feed)[0].astype(np.float64) for session in sessions)
        ratio.add(exact, found)
    weights = tuple(_weights(quantized, original))
    return Diagnosis(tensors=weights, samples=len(digits), shipped_logits_db=ratio.sqnr_db)


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _weights(quantized: onnx.ModelProto, original: onnx.ModelProto) -> Iterator[DiagnosedTensor]:
    """The layers of both files make tensors of the same names."""
    stored, exact = (_arrays(model) for model in (quantized, original))
    names = {node.output[0]: node.input[1] for node in original.graph.node if node.op_type == "MatMul"}
    nodes = [node for node in quantized.graph.node if node.op_type == _OPERATOR and node.output[0] in names]
    for place, node in enumerate(nodes):
        name = names[node.output[0]]
        integers, affine, dtype = unpack_weight(node, stored)
        measure = Measure(name, "weight", dtype, affine, 0, "stored")
        measure.add(exact[name].T.reshape(-1), integers)
        yield measure.result(place, node.name)


def _arrays(model: onnx.ModelProto) -> Arrays:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def unpack_weight(node: onnx.NodeProto, stored: Arrays) -> tuple[NDArray[np.int64], Affine, str]:
    """The integers of a `MatMulNBits`, their scheme value by value, and their type.

    The weight of `K` inputs and `N` outputs lies transposed, `(N, blocks, bytes)`, each row in blocks of inputs that
    share a scale, the last one filled up; two integers of 4 bits share a byte, the first in its lower half. Without
    zero points these are in the middle. Source: the operator's definition in ONNX Runtime's ContribOperators.md.

    Returns:
        Integers `(N * K,)`, scales and zero points of the same shape, and such as `uint4`.
    """
    numbers = {"bits": _DEFAULT_BITS} | {each.name: int(each.i) for each in node.attribute}
    inputs, outputs, block, bits = (numbers[name] for name in ("K", "N", "block_size", "bits"))
    blocks = -(-inputs // block)
    integers = _integers(stored[node.input[1]], bits).reshape(outputs, blocks * block)[:, :inputs]
    scales = stored[node.input[2]].reshape(outputs, blocks).astype(np.float32)
    zero_points = np.full((outputs, blocks), 2 ** (bits - 1))
    if len(node.input) > 3 and node.input[3]:
        zero_points = _integers(stored[node.input[3]].reshape(outputs, -1), bits)[:, :blocks]
    by_value = [np.repeat(each, block, axis=1)[:, :inputs].reshape(-1) for each in (scales, zero_points)]
    affine = Affine(scale=by_value[0], zero_point=by_value[1].astype(np.int64))
    return integers.reshape(-1).astype(np.int64), affine, f"uint{bits}"


def _integers(packed: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Every integer on its own, along the last axis."""
    if bits == 8:
        return packed
    halves = np.stack([packed & 0x0F, packed >> 4], axis=-1)
    return halves.reshape(*packed.shape[:-1], -1)
