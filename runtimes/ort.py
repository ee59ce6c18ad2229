"""ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from itertools import chain

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: it opens a database and a thread otherwise

import onnxruntime

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.fit import check_fit
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.ort_profile import Event, made_up_feeds, numpy_dtype, operators_of, profile_of, recorded_events
from crossrt.runtimes.protocol import Feeds, Outputs, SessionOptions
from crossrt.runtimes.session import BaseSession, one_line
from crossrt.runtimes.specs import bound_dimensions, unsupported

_ONLY_ERRORS = 3


class OrtCpu:
    """ONNX Runtime with its CPU execution provider, all graph optimisations on."""

    name = "ort-cpu"
    formats: tuple[ModelFormat, ...] = ("onnx",)

    def version(self) -> str:
        """Version of onnxruntime."""
        return str(onnxruntime.__version__)

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """ONNX files whose inputs and outputs numpy can hold, at a batch size that they have."""
        return unsupported(artifact, options, formats=self.formats)

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> OrtSession:
        """Loads an ONNX file with its dynamic dimensions fixed.

        Raises:
            ModelRefusedError: ONNX Runtime cannot load the file, or it is not what the artifact says.
            OptionRefusedError: The batch size cannot be run, or a dimension of an input has no size.
        """
        return OrtSession(artifact, options)


class OrtSession(BaseSession):
    """An `onnxruntime.InferenceSession` at one batch size."""

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        super().__init__(artifact, options)
        self._names = [spec.name for spec in self.outputs]
        names = [spec.name for spec in self.inputs]
        self._into = [(name, each) for name, each in zip(names, self._input_conversions, strict=True) if each]
        self._out_of = [(name, each) for name, each in zip(self._names, self._output_conversions, strict=True) if each]
        session = _load(artifact, _session_options(artifact, options))
        _check_fit(session, self._specs.own_inputs, artifact)
        self._session: onnxruntime.InferenceSession | None = session
        self._last_feeds: Feeds | None = None
        self._events: list[Event] = []
        self._profiled_calls = 0

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch."""
        session = self._session
        if session is None:
            raise self._closed()
        self._check(feeds)
        if self._into:
            feeds = {**feeds, **{name: convert(feeds[name]) for name, convert in self._into}}
        self._last_feeds = feeds
        try:
            found = session.run(self._names, feeds)
        except Exception as error:  # each failure has a class of its own, without a common base
            raise self._failed(error) from error
        outputs = dict(zip(self._names, found, strict=True))
        for name, convert in self._out_of:
            outputs[name] = convert(outputs[name])
        return outputs

    def executed_operators(self) -> tuple[str, ...] | None:
        """Kernels of one profiled run of a second session, so that the profiler never observes a timed one."""
        events = self._profile_events(1)
        return operators_of(events) if events else None

    def profile(self, calls: int) -> Profile | None:
        """Kernels of a second session, after a call that warms it up. The profiler adds a few microseconds to each."""
        events = self._profile_events(calls)
        return profile_of(events) if events else None

    def _profile_events(self, calls: int) -> list[Event]:
        """Events of a call that warms up and of `calls` more; those of the last profile where they are enough.

        They are of the feeds that were run last, or of made-up ones. Empty where the model fails on all of them.

        Raises:
            SessionClosedError: `close` was called before.
        """
        if self._session is None:
            raise self._closed()
        if calls > self._profiled_calls:
            options = _session_options(self._artifact, self._options)
            real = [] if self._last_feeds is None else [self._last_feeds]
            candidates = chain(real, made_up_feeds(self._specs.own_inputs))
            self._events = recorded_events(
                lambda: _load(self._artifact, options), options, self._names, candidates, calls
            )
            self._profiled_calls = calls
        return self._events

    def close(self) -> None:
        """Drops the native session and its threads."""
        self._session, self._last_feeds, self._events = None, None, []


def _session_options(artifact: ModelArtifact, options: SessionOptions) -> onnxruntime.SessionOptions:
    native = onnxruntime.SessionOptions()
    native.intra_op_num_threads = options.intra_op_threads
    native.inter_op_num_threads = options.inter_op_threads
    if options.inter_op_threads > 1:
        native.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    native.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    native.log_severity_level = _ONLY_ERRORS
    for name, value in options.runtime_options.items():
        native.add_session_config_entry(name, value)
    for name, size in bound_dimensions(artifact, options).items():
        native.add_free_dimension_override_by_name(name, size)  # without effect where the file has no such name
    return native


def _load(artifact: ModelArtifact, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(str(artifact.path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each failure has a class of its own, without a common base
        raise ModelRefusedError(f"ONNX Runtime cannot load {artifact.path.name}: {one_line(error)}") from error


def _check_fit(session: onnxruntime.InferenceSession, own: tuple[TensorSpec, ...], artifact: ModelArtifact) -> None:
    """Raises `ModelRefusedError` where the file is not what the artifact says."""
    found = {
        value.name: (numpy_dtype(value.type.removeprefix("tensor(").removesuffix(")")), value.shape)
        for value in session.get_inputs()
    }
    check_fit(artifact, own, found, {value.name: None for value in session.get_outputs()})
