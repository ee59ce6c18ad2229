"""TFLite files on LiteRT, through `ai_edge_litert`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from crossrt.core.artifact import ModelArtifact, ModelFormat, TensorSpec
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.feeds import Quantizer, dequantize
from crossrt.runtimes.kernels import Kernel, Profile, kind_of
from crossrt.runtimes.protocol import Feeds, Outputs, SessionOptions
from crossrt.runtimes.session import BaseSession

DELEGATE = "DELEGATE"


class TfLite:
    """LiteRT's CPU interpreter with its default XNNPACK delegate."""

    name = "tflite"
    formats: tuple[ModelFormat, ...] = ("tflite",)

    def version(self) -> str:
        """Version of ai-edge-litert."""
        return str(ai_edge_litert.__version__)

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
        interpreter, inputs, outputs = _load(artifact, options)
        self._inputs = [(spec.name, inputs[spec.name], _quantizer(spec, options)) for spec in artifact.inputs]
        self._outputs = [(spec, outputs[spec.name], _converts(spec, options)) for spec in artifact.outputs]
        self._interpreter: Interpreter | None = interpreter

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch."""
        interpreter = self._interpreter
        if interpreter is None:
            raise self._closed()
        self._check(feeds)
        for name, index, quantizer in self._inputs:
            interpreter.set_tensor(index, feeds[name] if quantizer is None else quantizer(feeds[name]))
        interpreter.invoke()
        return {
            spec.name: dequantize(interpreter.get_tensor(index), spec) if converts else interpreter.get_tensor(index)
            for spec, index, converts in self._outputs
        }

    def executed_operators(self) -> tuple[str, ...] | None:
        """Operators of the execution plan, each partition that XNNPACK took over as one `DELEGATE`."""
        if self._interpreter is None:
            raise self._closed()
        details = getattr(self._interpreter, "_get_ops_details", None)
        return None if details is None else executed(details())  # a private method: a newer LiteRT may drop it

    def profile(self, calls: int) -> Profile | None:  # noqa: ARG002 - LiteRT's Python interface has no profiler
        """Operators of the execution plan and who runs them; their times are not told."""
        interpreter = self._interpreter
        if interpreter is None:
            raise self._closed()
        details = getattr(interpreter, "_get_ops_details", None)
        if details is None:
            return None
        tensors = {int(each["index"]): each for each in interpreter.get_tensor_details()}
        return Profile(kernels=tuple(_kernels(details(), tensors)))

    def close(self) -> None:
        """Drops the interpreter and its threads."""
        self._interpreter = None


def executed(operators: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Names of the operators that run: LiteRT lists those that a delegate replaced too, and the delegates last.

    A delegate stands where the first of the operators stood that it replaced: those between its outputs and inputs.
    """
    producers = {int(tensor): each for each in operators if each["op_name"] != DELEGATE for tensor in each["outputs"]}
    places: dict[int, str] = {each["index"]: each["op_name"] for each in operators if each["op_name"] != DELEGATE}
    for delegate in (each for each in operators if each["op_name"] == DELEGATE):
        replaced = _between(delegate, producers)
        for index in replaced:
            del places[index]
        places[min(replaced, default=delegate["index"])] = DELEGATE
    return tuple(name for _, name in sorted(places.items()))


def _between(delegate: Mapping[str, Any], producers: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """Indices of the operators that lead from a delegate's inputs to its outputs."""
    borders = {int(tensor) for tensor in delegate["inputs"]}
    open_tensors, found = [int(tensor) for tensor in delegate["outputs"]], set()
    while open_tensors:
        producer = producers.get(open_tensors.pop())
        if producer is not None and producer["index"] not in found:
            found.add(int(producer["index"]))
            open_tensors += [int(tensor) for tensor in producer["inputs"] if int(tensor) not in borders]
    return found


def _kernels(operators: Sequence[Mapping[str, Any]], tensors: Mapping[int, Mapping[str, Any]]) -> Iterator[Kernel]:
    """Every operator but the delegates, each with the delegate that replaced it."""
    producers = {int(tensor): each for each in operators if each["op_name"] != DELEGATE for tensor in each["outputs"]}
    delegates = [each for each in operators if each["op_name"] == DELEGATE]
    replaced = {index for delegate in delegates for index in _between(delegate, producers)}
    for each in operators:
        if each["op_name"] == DELEGATE:
            continue
        inputs = [int(index) for index in each["inputs"] if index >= 0]
        dtypes = [np.dtype(tensors[index]["dtype"]).name for index in inputs]
        yield Kernel(
            operator=str(each["op_name"]),
            name=str(tensors[int(each["outputs"][0])]["name"]),
            kind=kind_of(str(each["op_name"]), dtypes),
            dtype=dtypes[0] if dtypes else "none",
            delegate="XNNPACK" if each["index"] in replaced else None,
        )


def _load(artifact: ModelArtifact, options: SessionOptions) -> tuple[Interpreter, dict[str, int], dict[str, int]]:
    """An interpreter with memory planned, and the tensor indices of its inputs and outputs by name."""
    try:
        interpreter = Interpreter(model_path=str(artifact.path), num_threads=options.intra_op_threads)
        for detail in interpreter.get_input_details():
            interpreter.resize_tensor_input(detail["index"], _shape_at(detail, options.batch_size))
        interpreter.allocate_tensors()
        runner = interpreter.get_signature_runner()
        inputs, outputs = _indices(runner.get_input_details()), _indices(runner.get_output_details())
    except (ValueError, RuntimeError) as error:
        raise ModelRefusedError(f"LiteRT cannot load {artifact.path.name}: {error}") from error
    for specs, found in ((artifact.inputs, inputs), (artifact.outputs, outputs)):
        wanted = {spec.name for spec in specs}
        if wanted != found.keys():
            raise ModelRefusedError(f"{artifact.path.name} has tensors {sorted(found)}, its manifest {sorted(wanted)}")
    return interpreter, inputs, outputs


def _indices(details: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    return {name: int(detail["index"]) for name, detail in details.items()}


def _shape_at(detail: Mapping[str, Any], batch_size: int) -> list[int]:
    return [batch_size, *(int(size) for size in detail["shape"][1:])]


def _quantizer(spec: TensorSpec, options: SessionOptions) -> Quantizer | None:
    if not _converts(spec, options):
        return None
    return Quantizer(spec, (options.batch_size, *(size or 1 for size in spec.shape[1:])))


def _converts(spec: TensorSpec, options: SessionOptions) -> bool:
    return options.io == "float32" and spec.scale is not None
