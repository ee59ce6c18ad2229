"""ONNX's own reference evaluator: what a file means, computed node by node in numpy.

It answers as ONNX's specification says, without fusing or rewriting anything, and is slow: times of it say nothing of
what a model needs, so it is only asked for answers unless its option says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnx.version_converter
from onnx.reference import ReferenceEvaluator

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.fit import FoundInputs, check_fit
from crossrt.runtimes.options import RuntimeOption
from crossrt.runtimes.protocol import Feeds, Outputs, SessionOptions
from crossrt.runtimes.session import BaseSession, one_line
from crossrt.runtimes.specs import unsupported

_COMPLETE_OPSET: Final = 19
_TIMED: Final = RuntimeOption(
    name="timed",
    help="whether it is measured as well; its answers are checked either way",
    default="no",
    choices=("no", "yes"),
)


class OnnxReference:
    """`onnx.reference.ReferenceEvaluator`: answers to compare others with."""

    name = "onnx-reference"
    formats: tuple[ModelFormat, ...] = ("onnx",)
    options: tuple[RuntimeOption, ...] = (_TIMED,)

    def version(self) -> str:
        """Version of onnx."""
        return str(onnx.__version__)

    def is_timed(self, values: Mapping[str, str]) -> bool:
        """Only where it is asked for."""
        return values.get(_TIMED.name) == "yes"

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """ONNX files, in one thread."""
        if (reason := unsupported(artifact, options, formats=self.formats)) is not None:
            return reason
        for option in ("intra_op_threads", "inter_op_threads"):
            if (found := getattr(options, option)) != 1:
                return f"computes in one thread: {option} must be 1, found {found}"
        return None

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> OnnxReferenceSession:
        """Reads an ONNX file; dynamic dimensions are what the feeds make of them.

        Raises:
            ModelRefusedError: The file is not valid, has operators that the evaluator lacks, or is not what the
                artifact says.
            OptionRefusedError: The batch size cannot be run, or a dimension of an input has no size.
        """
        return OnnxReferenceSession(artifact, options)


class OnnxReferenceSession(BaseSession):
    """An evaluator at one batch size."""

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        super().__init__(artifact, options)
        model = _read(artifact)
        check_fit(artifact, self._specs.own_inputs, _found_inputs(model), {value.name for value in model.graph.output})
        self._evaluator: ReferenceEvaluator | None = _evaluator(artifact.path, model)
        self._operators = tuple(node.op_type for node in model.graph.node)

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch."""
        evaluator = self._evaluator
        if evaluator is None:
            raise self._closed()
        self._check(feeds)
        own = {
            spec.name: feeds[spec.name] if convert is None else convert(feeds[spec.name])
            for spec, convert in zip(self.inputs, self._input_conversions, strict=True)
        }
        try:
            with np.errstate(all="ignore"):
                found: Any = evaluator.run([spec.name for spec in self.outputs], own)
        except Exception as error:  # what numpy and each operator raise
            raise self._failed(error) from error
        return {
            spec.name: np.array(output) if convert is None else convert(np.asarray(output))
            for spec, output, convert in zip(self.outputs, found, self._output_conversions, strict=True)
        }

    def executed_operators(self) -> tuple[str, ...] | None:
        """The nodes of the file, none of them fused."""
        if self._evaluator is None:
            raise self._closed()
        return self._operators

    def close(self) -> None:
        """Drops the model."""
        self._evaluator = None


def _read(artifact: ModelArtifact) -> onnx.ModelProto:
    try:
        return onnx.load(artifact.path)
    except Exception as error:  # of files and of protobuf: without a common base
        raise _refused(artifact.path, error) from error


def _evaluator(path: Path, model: onnx.ModelProto) -> ReferenceEvaluator:
    """The evaluator of a model; it has some operators of quantized files only as opset 19 defines them."""
    try:
        return ReferenceEvaluator(model)
    except Exception as error:  # an operator that it lacks has no class of error of its own
        if not any(each.domain in ("", "ai.onnx") and each.version < _COMPLETE_OPSET for each in model.opset_import):
            raise _refused(path, error) from error
        try:
            return ReferenceEvaluator(onnx.version_converter.convert_version(model, _COMPLETE_OPSET))
        except Exception:
            raise _refused(path, error) from error


def _refused(path: Path, error: Exception) -> ModelRefusedError:
    return ModelRefusedError(f"the ONNX reference evaluator cannot load {path.name}: {one_line(error)}")


def _found_inputs(model: onnx.ModelProto) -> FoundInputs:
    """Dtype and shape of each input of a file that is not a weight."""
    weights = {each.name for each in model.graph.initializer}
    return {value.name: (_dtype(value), _shape(value)) for value in model.graph.input if value.name not in weights}


def _dtype(value: onnx.ValueInfoProto) -> str:
    name = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name
    return "str" if name == "object" else name


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    return tuple(size.dim_value if size.HasField("dim_value") else None for size in value.type.tensor_type.shape.dim)
