"""A runtime from another package: ONNX's own reference evaluator, which computes in numpy alone.

test_third_party_runtime installs it as the package `crossrt_numpy_runtime`.
"""

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx.reference import ReferenceEvaluator

from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.session import BaseSession, one_line
from crossrt.runtimes.specs import unsupported


class NumpyRuntime:
    name = "numpy-reference"
    formats = ("onnx",)

    def version(self):
        return np.__version__

    def unsupported_reason(self, artifact, options):
        if (reason := unsupported(artifact, options, formats=self.formats)) is not None:
            return reason
        if artifact.role == "quantized":
            return "has no QuantizeLinear of opset 18"
        for option in ("intra_op_threads", "inter_op_threads"):
            if (found := getattr(options, option)) != 1:
                return f"computes in one thread: {option} must be 1, found {found}"
        return None

    def prepare(self, artifact, options):
        return NumpySession(artifact, options)


class NumpySession(BaseSession):
    def __init__(self, artifact, options):
        super().__init__(artifact, options)
        self._evaluator = load(artifact.path)

    def run(self, feeds):
        if self._evaluator is None:
            raise self._closed()
        self._check(feeds)
        own = {
            spec.name: feeds[spec.name] if convert is None else convert(feeds[spec.name])
            for spec, convert in zip(self.inputs, self._input_conversions, strict=True)
        }
        found = self._evaluator.run([spec.name for spec in self.outputs], own)
        return {
            spec.name: np.array(output) if convert is None else convert(output)
            for spec, output, convert in zip(self.outputs, found, self._output_conversions, strict=True)
        }

    def executed_operators(self):
        return tuple(node.op_type for node in self._evaluator.proto_.graph.node)

    def close(self):
        self._evaluator = None


def load(path):
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        return ReferenceEvaluator(model)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise ModelRefusedError(f"numpy cannot load {path.name}: {one_line(error)}") from error
