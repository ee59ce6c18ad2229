"""TFLite files on LiteRT, through `ai_edge_litert`."""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from exporters.artifact import ModelArtifact, ModelFormat, TensorSpec
from runtimes.errors import InputRefusedError, ModelRefusedError
from runtimes.feeds import Quantizer, dequantize, refusal
from runtimes.protocol import Feeds, Outputs, SessionOptions
from runtimes.session import BaseSession

_DELEGATE = "DELEGATE"


class TfLite:
    """LiteRT's CPU interpreter with its default XNNPACK delegate."""

    name = "tflite"
    formats: tuple[ModelFormat, ...] = ("tflite",)

    def version(self) -> str:
        """Version of ai-edge-litert."""
        return version_of("ai-edge-litert")

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """TFLite files only; there is no parallel execution of operators."""
        if artifact.format not in self.formats:
            return f"reads tflite, not {artifact.format}"
        if options.inter_op_threads != 1:
            return f"runs one operator at a time: inter_op_threads must be 1, found {options.inter_op_threads}"
        return None

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> TfLiteSession:
        """Loads a TFLite file and plans memory for one batch size.

        Raises:
            ModelRefusedError: LiteRT cannot load the file.
        """
        return TfLiteSession(artifact, options)


class TfLiteSession(BaseSession):
    """An interpreter at one batch size.

    `SignatureRunner` allocates anew on every call, so tensors are set and read by index.
    """

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        super().__init__(artifact, options)
        interpreter = _load(artifact, options)
        runner = interpreter.get_signature_runner()
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        self._inputs = [(spec.name, inputs[spec.name]["index"], _quantizer(spec, options)) for spec in artifact.inputs]
        self._outputs = [(spec, outputs[spec.name]["index"], _converts(spec, options)) for spec in artifact.outputs]
        self._interpreter: Interpreter | None = interpreter

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch; LiteRT itself checks dtypes and shapes, and what is converted is checked here."""
        interpreter = self._interpreter
        if interpreter is None:
            raise self._closed()
        try:
            self._set_inputs(interpreter, feeds)
        except Exception as error:
            raise refusal(feeds, self.inputs) or error from error
        interpreter.invoke()
        return {
            spec.name: dequantize(interpreter.get_tensor(index), spec) if converts else interpreter.get_tensor(index)
            for spec, index, converts in self._outputs
        }

    def _set_inputs(self, interpreter: Interpreter, feeds: Feeds) -> None:
        if len(feeds) != len(self._inputs):
            raise InputRefusedError("as many feeds as inputs are needed")
        for name, index, quantizer in self._inputs:
            feed = feeds[name]
            if quantizer is None:
                interpreter.set_tensor(index, feed)
            elif feed.dtype == np.float32:
                interpreter.set_tensor(index, quantizer(feed))
            else:
                raise InputRefusedError("float32 is needed")

    def executed_operators(self) -> tuple[str, ...] | None:
        """Operators of the execution plan; those that XNNPACK took over stand as one `DELEGATE` a partition."""
        details = getattr(self._interpreter, "_get_ops_details", None)
        if details is None:  # a private method: a newer LiteRT may drop it
            return None
        return tuple(operator["op_name"] for operator in details())

    def close(self) -> None:
        """Drops the interpreter and its threads."""
        self._interpreter = None


def _load(artifact: ModelArtifact, options: SessionOptions) -> Interpreter:
    try:
        interpreter = Interpreter(model_path=str(artifact.path), num_threads=options.intra_op_threads)
        for detail in interpreter.get_input_details():
            interpreter.resize_tensor_input(detail["index"], _shape_at(detail, options.batch_size))
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelRefusedError(f"LiteRT cannot load {artifact.path.name}: {error}") from error
    return interpreter


def _shape_at(detail: dict[str, Any], batch_size: int) -> list[int]:
    return [batch_size, *(int(size) for size in detail["shape"][1:])]


def _quantizer(spec: TensorSpec, options: SessionOptions) -> Quantizer | None:
    if not _converts(spec, options):
        return None
    return Quantizer(spec, (options.batch_size, *(size or 1 for size in spec.shape[1:])))


def _converts(spec: TensorSpec, options: SessionOptions) -> bool:
    return options.io == "float32" and spec.scale is not None
