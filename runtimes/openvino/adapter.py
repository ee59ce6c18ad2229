"""ONNX files and OpenVINO's own on its CPU plug-in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.errors import ModelRefusedError, OptionRefusedError
from crossrt.runtimes.feeds import Conversion
from crossrt.runtimes.fit import FoundInputs, check_fit
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.openvino.library import openvino
from crossrt.runtimes.openvino.options import OPTIONS, check_machine, check_taken, properties_of
from crossrt.runtimes.openvino.profile import operators_of, profile_of
from crossrt.runtimes.options import RuntimeOption
from crossrt.runtimes.protocol import Feeds, Outputs, SessionOptions
from crossrt.runtimes.session import BaseSession, one_line
from crossrt.runtimes.specs import NUMPY_DTYPES, unsupported

DEVICE: Final = "CPU"


class OpenVino:
    """OpenVINO on the CPU, for one request at a time: threads as asked, the rest as its options say.

    Unless they say otherwise, it aims at latency with one stream, and float operators compute in float32: left to
    itself, OpenVINO takes bfloat16 where the processor has it. It pins no thread, as the harness chooses the
    processors, and caches no compiled model.
    """

    name = "openvino"
    formats: tuple[ModelFormat, ...] = ("onnx", "openvino-ir")
    options: tuple[RuntimeOption, ...] = OPTIONS

    def __init__(self) -> None:
        _core()

    def check_options(self, values: Mapping[str, str]) -> None:
        """Raises `OptionRefusedError` for what this build or this processor does not have."""
        check_machine(values, _core(), DEVICE)

    def version(self) -> str:
        """Version of openvino, without that of its build."""
        return str(openvino.__version__).split("-")[0]

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """ONNX files without text, quantized as QDQ; no parallel execution of operators, one thread a processor."""
        dtypes = NUMPY_DTYPES - {"str"}
        if (reason := unsupported(artifact, options, formats=self.formats, dtypes=dtypes, is_serial=True)) is not None:
            return reason
        if artifact.quantization is not None and artifact.quantization.representation == "qoperator":
            return "refuses most QOperator files and answers others wrongly: quantize as QDQ"
        if options.intra_op_threads > (usable := _usable_processors()):
            return (
                f"starts one thread a processor: intra_op_threads must be at most {usable} here,"
                f" found {options.intra_op_threads}"
            )
        return None

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> OpenVinoSession:
        """Compiles an ONNX file with its dynamic dimensions fixed.

        Raises:
            ModelRefusedError: OpenVINO cannot load the file, or it is not what the artifact says.
            OptionRefusedError: The batch size or the number of threads cannot be run, or a dimension of an input has
                no size.
        """
        return OpenVinoSession(artifact, options)


class OpenVinoSession(BaseSession):
    """An infer request of a model that is compiled for one batch size.

    Feeds are copied into the request's own tensors and outputs out of them: handing arrays over costs more
    on every call than copying small ones, and what a copy of large ones takes is small beside what is computed of them.
    """

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        super().__init__(artifact, options)
        request = _compiled(artifact, self._specs.own_inputs, options).create_infer_request()
        ports = _by_name(request.model_inputs)
        self._into: list[tuple[str, Any, Conversion | None]] = [
            (spec.name, request.get_tensor(ports[spec.name]).data, convert)
            for spec, convert in zip(self.inputs, self._input_conversions, strict=True)
        ]
        results = _by_name(request.model_outputs)
        self._out_of = [
            (spec.name, _fixed_view(request, results[spec.name]), results[spec.name], convert)
            for spec, convert in zip(self.outputs, self._output_conversions, strict=True)
        ]
        self._request: Any = request

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch."""
        request = self._request
        if request is None:
            raise self._closed()
        self._check(feeds)
        try:
            for name, tensor, convert in self._into:
                tensor[...] = feeds[name] if convert is None else convert(feeds[name])
            request.infer(None, share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise self._failed(error) from error
        outputs: Outputs = {}
        for name, view, port, convert in self._out_of:
            found = request.get_tensor(port).data if view is None else view
            outputs[name] = found.copy() if convert is None else convert(found)
        return outputs

    def executed_operators(self) -> tuple[str, ...] | None:
        """Kernels of the compiled graph, in order, without those that only prepare weights."""
        if self._request is None:
            raise self._closed()
        return operators_of(self._request.get_compiled_model().get_runtime_model())

    def profile(self, calls: int) -> Profile | None:
        """Kernels of a second request, after a call that warms it up; times are whole microseconds, rounded down."""
        if self._request is None:
            raise self._closed()
        compiled = _compiled(self._artifact, self._specs.own_inputs, self._options, is_profiled=True)
        request = compiled.create_infer_request()
        for own, profiled in zip(self._request.input_tensors, request.input_tensors, strict=True):
            profiled.data[...] = own.data
        return profile_of(compiled, request, calls)

    def close(self) -> None:
        """Drops the request, the compiled model and its threads."""
        self._request, self._into, self._out_of = None, [], []


def _fixed_view(request: Any, port: Any) -> NDArray[Any] | None:
    """The memory in which an output lies after each run, or None for one whose size only a run can tell."""
    return request.get_tensor(port).data if port.get_partial_shape().is_static else None


def _usable_processors() -> int:
    """Those that this process may use; all of the machine where the system has no such limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _core() -> Any:
    """The library with its CPU plug-in loaded, once a process."""
    core = openvino.Core()
    core.get_property(DEVICE, "FULL_DEVICE_NAME")
    return core


def _compiled(
    artifact: ModelArtifact, own: tuple[TensorSpec, ...], options: SessionOptions, *, is_profiled: bool = False
) -> Any:
    try:
        model = _core().read_model(artifact.path)
    except Exception as error:  # each failure has a class of its own, without a common base
        raise _refused(artifact, error) from error
    inputs = _by_name(model.inputs)
    check_fit(artifact, own, _found_inputs(model.inputs, own), _by_name(model.outputs))
    try:
        model.reshape({inputs[spec.name]: list(spec.shape) for spec in own})
        compiled = _core().compile_model(model, DEVICE, _properties(options, is_profiled=is_profiled))
    except Exception as error:
        raise _refused(artifact, error) from error
    if (threads := compiled.get_property("INFERENCE_NUM_THREADS")) != options.intra_op_threads:
        raise OptionRefusedError(
            f"OpenVINO starts {threads} threads here where {options.intra_op_threads} were asked for"
        )
    check_taken(options.runtime_options, compiled)
    return compiled


def _found_inputs(ports: list[Any], own: tuple[TensorSpec, ...]) -> FoundInputs:
    """What the file takes: dtype and shape of each input, by the name that the record gives it where it has that."""
    expected = {spec.name for spec in own}
    names = [min(expected & port.get_names(), default=port.get_any_name()) for port in ports]
    return {name: (_dtype(port), _shape(port)) for name, port in zip(names, ports, strict=True)}


def _dtype(port: Any) -> str:
    element_type = port.get_element_type()
    return "str" if element_type == openvino.Type.string else np.dtype(element_type.to_dtype()).name


def _properties(options: SessionOptions, *, is_profiled: bool) -> Mapping[str, Any]:
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": options.intra_op_threads,
        "ENABLE_HYPER_THREADING": True,  # else processors of one core count as one
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "f32",
        "CACHE_DIR": "",
        "PERF_COUNT": is_profiled,
        **properties_of(options.runtime_options),
    }
    return {key: value for key, value in properties.items() if value is not None}


def _by_name(ports: list[Any]) -> dict[str, Any]:
    """Inputs or outputs by each of their names: one that passes others unchanged has theirs too."""
    return {name: port for port in ports for name in port.get_names()}


def _shape(port: Any) -> tuple[int | None, ...]:
    """Dimensions, None for open ones; none at all where not even the rank is known."""
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return ()
    return tuple(size.get_length() if size.is_static else None for size in shape)


def _refused(artifact: ModelArtifact, error: Exception) -> ModelRefusedError:
    return ModelRefusedError(f"OpenVINO cannot load {artifact.path.name}: {_said(error)}")


def _said(error: Exception) -> str:
    """OpenVINO's message without the places in its source that begin it."""
    lines = str(error).splitlines()
    told = [line for line in lines if not line.startswith(("Exception from src/", "Check '"))]
    return one_line(RuntimeError("\n".join(told))) or one_line(error)
