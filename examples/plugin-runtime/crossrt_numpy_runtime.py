"""A runtime from another package: ONNX's own reference evaluator, which computes in numpy alone."""

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx.reference import ReferenceEvaluator

from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.session import BaseSession, one_line
from crossrt.runtimes.specs import unsupported


class NumpyRuntime:
    name = "numpy-runtime"
    formats = ("onnx",)

    def version(self):
        return onnx.__version__

    def unsupported_reason(self, artifact, options):
        """Why a file cannot run with these options, from the records alone; None where it can."""
        if (reason := unsupported(artifact, options, formats=self.formats)) is not None:
            return reason
        if artifact.role == "quantized":
            return "does not run quantized files"
        for option in ("intra_op_threads", "inter_op_threads"):
            if (found := getattr(options, option)) != 1:
                return f"computes in one thread: {option} must be 1, found {found}"
        return None

    def prepare(self, artifact, options):
        return NumpySession(artifact, options)


class NumpySession(BaseSession):
    """The base class fills in `inputs` and `outputs`, checks feeds, and converts them to the file's own types."""

    def __init__(self, artifact, options):
        super().__init__(artifact, options)
        try:
            model = onnx.load(artifact.path)
            onnx.checker.check_model(model)
            self._evaluator = ReferenceEvaluator(model)
        except (OSError, DecodeError, onnx.checker.ValidationError) as error:
            raise ModelRefusedError(f"numpy cannot load {artifact.path.name}: {one_line(error)}") from error

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
