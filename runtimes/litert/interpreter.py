"""TFLite files on LiteRT, through `ai_edge_litert`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.kernels import Kernel, Profile, kind_of
from crossrt.runtimes.litert.graph import Graph, load
from crossrt.runtimes.litert.library import litert_version
from crossrt.runtimes.litert.options import OPTIONS, arguments_of, check_build
from crossrt.runtimes.options import RuntimeOption
from crossrt.runtimes.protocol import Feeds, Outputs, SessionOptions
from crossrt.runtimes.session import BaseSession
from crossrt.runtimes.specs import NUMPY_DTYPES, unsupported

DELEGATE = "DELEGATE"


class TfLite:
    """LiteRT's CPU interpreter, with its default XNNPACK delegate unless its options say otherwise."""

    name = "tflite"
    formats: tuple[ModelFormat, ...] = ("tflite",)
    options: tuple[RuntimeOption, ...] = OPTIONS

    def check_options(self, values: Mapping[str, str]) -> None:
        """Raises `OptionRefusedError` for what the installed LiteRT lacks, or what contradicts itself."""
        check_build(values)

    def version(self) -> str:
        """Version of ai-edge-litert, or of tflite-runtime."""
        return litert_version()

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """TFLite files without text only; there is no parallel execution of operators."""
        return unsupported(artifact, options, formats=self.formats, dtypes=NUMPY_DTYPES - {"str"}, is_serial=True)

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> TfLiteSession:
        """Loads a TFLite file and plans memory for one batch size.

        Raises:
            ModelRefusedError: LiteRT cannot load the file, or it is not what the artifact says.
            OptionRefusedError: The batch size cannot be run, or a dimension of an input has no size.
        """
        return TfLiteSession(artifact, options)


class TfLiteSession(BaseSession):
    """An interpreter at one batch size.

    `SignatureRunner` allocates anew on every call, so tensors are set and read by index.
    """

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        super().__init__(artifact, options)
        graph = load(artifact, self._specs, options.intra_op_threads, arguments_of(options.runtime_options))
        self._inputs = [
            (spec.name, graph.inputs[spec.name], convert)
            for spec, convert in zip(self.inputs, self._input_conversions, strict=True)
            if 0 not in spec.shape  # LiteRT gives an empty tensor no memory that could be set
        ]
        self._outputs = [
            (spec.name, graph.outputs[spec.name], convert)
            for spec, convert in zip(self.outputs, self._output_conversions, strict=True)
            if 0 not in spec.shape
        ]
        self._empty_outputs = [spec for spec in self.outputs if 0 in spec.shape]
        self._graph: Graph | None = graph

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch."""
        graph = self._graph
        if graph is None:
            raise self._closed()
        self._check(feeds)
        set_tensor, get_tensor = graph.set_tensor, graph.get_tensor
        try:
            for name, index, convert in self._inputs:
                set_tensor(index, feeds[name] if convert is None else convert(feeds[name]))
            graph.invoke()
            outputs: Outputs = {
                name: get_tensor(index) if convert is None else convert(get_tensor(index))
                for name, index, convert in self._outputs
            }
        except (RuntimeError, ValueError) as error:
            raise self._failed(error) from error
        if self._empty_outputs:
            outputs |= {spec.name: _empty(spec) for spec in self._empty_outputs}
        return outputs

    def executed_operators(self) -> tuple[str, ...] | None:
        """Operators of the execution plan, each partition that XNNPACK took over as one `DELEGATE`."""
        if self._graph is None:
            raise self._closed()
        operators = self._graph.operators()
        return None if operators is None else executed(operators)

    def profile(self, calls: int) -> Profile | None:  # noqa: ARG002 - LiteRT's Python interface has no profiler
        """Operators of the execution plan and who runs them; their times are not told."""
        graph = self._graph
        if graph is None:
            raise self._closed()
        operators = graph.operators()
        if operators is None:
            return None
        return Profile(kernels=tuple(_kernels(operators, graph.tensors())))

    def close(self) -> None:
        """Drops the interpreter and its threads."""
        self._graph = None


def _empty(spec: TensorSpec) -> NDArray[Any]:
    return np.empty([size if isinstance(size, int) else 0 for size in spec.shape], spec.dtype)


def executed(operators: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Names of the operators that run: LiteRT lists those that a delegate replaced too, and the delegates last.

    A delegate stands where the first of the operators stood that it replaced: those between its outputs and inputs.
    """
    producers = {int(tensor): each for each in operators if each["op_name"] != DELEGATE for tensor in each["outputs"]}
    places: dict[int, str] = {each["index"]: each["op_name"] for each in operators if each["op_name"] != DELEGATE}
    taken: set[int] = set()
    for delegate in (each for each in operators if each["op_name"] == DELEGATE):
        replaced = _between(delegate, producers) - taken  # several may take what makes float32 of the same weights
        taken |= replaced
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
        dtypes = [np.dtype(tensors[index]["dtype"]).name for index in inputs if index in tensors]
        made = tensors.get(int(each["outputs"][0])) if len(each["outputs"]) else None
        yield Kernel(
            operator=str(each["op_name"]),
            name=str(made["name"]) if made else "",
            kind=kind_of(str(each["op_name"]), dtypes),
            dtype=dtypes[0] if dtypes else "none",
            delegate="XNNPACK" if each["index"] in replaced else None,
        )
