"""A runtime from another package: numpy alone, for ONNX files of the conformance suite's small network.

test_third_party_runtime installs it as the package `crossrt_numpy_runtime`.
"""

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.feeds import refusal
from crossrt.runtimes.session import BaseSession

STRIDE = 4


class NumpyRuntime:
    name = "numpy-reference"
    formats = ("onnx",)

    def version(self):
        return np.__version__

    def unsupported_reason(self, artifact, options):
        if artifact.format not in self.formats:
            return f"reads onnx, not {artifact.format}"
        for option in ("intra_op_threads", "inter_op_threads"):
            if (found := getattr(options, option)) != 1:
                return f"computes in one thread: {option} must be 1, found {found}"
        return None

    def prepare(self, artifact, options):
        return NumpySession(artifact, options)


class NumpySession(BaseSession):
    def __init__(self, artifact, options):
        super().__init__(artifact, options)
        self._weights = read_weights(artifact.path)

    def run(self, feeds):
        if self._weights is None:
            raise self._closed()
        if (error := refusal(feeds, self.inputs)) is not None:
            raise error
        return {self.outputs[0].name: logits(feeds[self.inputs[0].name], self._weights)}

    def executed_operators(self):
        return ("Conv", "Relu", "Gemm")

    def close(self):
        self._weights = None


def read_weights(path):
    try:
        graph = onnx.load(path).graph
        weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        return [weights[name] for name in ("kernel", "bias", "dense", "offset")]
    except (OSError, DecodeError, KeyError) as error:
        raise ModelRefusedError(f"numpy cannot load {path.name}: {error}") from error


def logits(image, weights):
    """`einsum` rather than `@`, which would start threads of its own."""
    kernel, bias, dense, offset = weights
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    hidden = np.maximum(np.einsum("nhwcij,fcij->nhwf", windows, kernel) + bias, 0)
    return np.einsum("nh,hc->nc", hidden.reshape(len(image), -1), dense) + offset
