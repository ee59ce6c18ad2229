"""ONNX Runtime on the CPU."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: it opens a database and a thread otherwise

import numpy as np
import onnxruntime

from crossrt.core.artifact import ModelArtifact, ModelFormat, TensorSpec
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.kernels import Kernel, Profile, kind_of
from crossrt.runtimes.protocol import Feeds, Outputs, SessionOptions
from crossrt.runtimes.session import BaseSession

BATCH_DIMENSION = "batch"
_ONLY_ERRORS = 3
_KERNEL_TIME = "_kernel_time"
_CALL = "model_run"
_DTYPES = {"float": "float32", "double": "float64"}


class OrtCpu:
    """ONNX Runtime with its CPU execution provider, all graph optimisations on."""

    name = "ort-cpu"
    formats: tuple[ModelFormat, ...] = ("onnx",)

    def version(self) -> str:
        """Version of onnxruntime."""
        return str(onnxruntime.__version__)

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """ONNX files whose own inputs and outputs can be fed as asked."""
        if artifact.format not in self.formats:
            return f"reads onnx, not {artifact.format}"
        if options.io == "float32" and any(spec.scale is not None for spec in (*artifact.inputs, *artifact.outputs)):
            return "does not convert between float32 and a model's own integers: use native I/O"
        return None

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> OrtSession:
        """Loads an ONNX file with its batch dimension fixed.

        Raises:
            ModelRefusedError: ONNX Runtime cannot load the file.
        """
        return OrtSession(artifact, options)


class OrtSession(BaseSession):
    """An `onnxruntime.InferenceSession` at one batch size."""

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        super().__init__(artifact, options)
        self._names = [spec.name for spec in artifact.outputs]
        session = _load(artifact, _session_options(options))
        _check_inputs(session, self.inputs, artifact)
        self._session: onnxruntime.InferenceSession | None = session
        self._events: list[dict[str, Any]] = []
        self._profiled_calls = 0

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch."""
        session = self._session
        if session is None:
            raise self._closed()
        self._check(feeds)
        return dict(zip(self._names, session.run(self._names, feeds), strict=True))

    def executed_operators(self) -> tuple[str, ...]:
        """Kernels of one profiled run of a second session, so that the profiler never observes a timed one."""
        first = takewhile(lambda event: event["name"] != _CALL, self._profile_events(1))
        return tuple(event["args"]["op_name"] for event in first if _is_kernel(event))

    def profile(self, calls: int) -> Profile:
        """Kernels of a second session, after a call that warms it up. The profiler adds a few microseconds to each."""
        events = self._profile_events(calls)
        runs = [event["dur"] for event in events if event["name"] == _CALL][1:]
        durations: dict[str, list[float]] = {}
        found: dict[str, dict[str, Any]] = {}
        for event in filter(_is_kernel, events):
            durations.setdefault(event["name"], []).append(event["dur"])
            found.setdefault(event["name"], event)
        kernels = tuple(_kernel(event, fmean(durations[name][1:])) for name, event in found.items())
        return Profile(kernels=kernels, call_ns=1000 * fmean(runs))

    def _profile_events(self, calls: int) -> list[dict[str, Any]]:
        """Events of a call that warms up and of `calls` more; those of the last profile where they are enough."""
        if self._session is None:
            raise self._closed()
        if calls > self._profiled_calls:
            self._events, self._profiled_calls = self._profile_anew(calls), calls
        return self._events

    def _profile_anew(self, calls: int) -> list[dict[str, Any]]:
        feeds = {name: np.zeros([size or 1 for size in shape], dtype) for name, dtype, shape in self._expected}
        with tempfile.TemporaryDirectory() as folder:
            options = _session_options(self._options)
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            profiled = _load(self._artifact, options)
            for _ in range(calls + 1):
                profiled.run(self._names, feeds)
            events: list[dict[str, Any]] = json.loads(Path(profiled.end_profiling()).read_text())
        return events

    def close(self) -> None:
        """Drops the native session and its threads."""
        self._session, self._events = None, []


def _is_kernel(event: Mapping[str, Any]) -> bool:
    return str(event["name"]).endswith(_KERNEL_TIME)


def _kernel(event: Mapping[str, Any], duration_us: float) -> Kernel:
    arguments = event["args"]
    dtypes = [_DTYPES.get(name, name) for shape in arguments.get("input_type_shape", ()) for name in shape]
    operator = str(arguments["op_name"])
    return Kernel(
        operator=operator,
        name=str(event["name"]).removesuffix(_KERNEL_TIME),
        kind=kind_of(operator, dtypes),
        dtype=dtypes[0] if dtypes else "none",
        duration_ns=1000 * duration_us,
    )


def _session_options(options: SessionOptions) -> onnxruntime.SessionOptions:
    native = onnxruntime.SessionOptions()
    native.intra_op_num_threads = options.intra_op_threads
    native.inter_op_num_threads = options.inter_op_threads
    if options.inter_op_threads > 1:
        native.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    native.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    native.log_severity_level = _ONLY_ERRORS
    native.add_free_dimension_override_by_name(BATCH_DIMENSION, options.batch_size)
    return native


def _load(artifact: ModelArtifact, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(str(artifact.path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each failure has a class of its own, without a common base
        raise ModelRefusedError(f"ONNX Runtime cannot load {artifact.path.name}: {error}") from error


def _check_inputs(session: onnxruntime.InferenceSession, wanted: Sequence[TensorSpec], artifact: ModelArtifact) -> None:
    """The batch dimension must have become the batch size, which it does only under its own name."""
    found = {value.name: tuple(value.shape) for value in session.get_inputs()}
    if found != {spec.name: spec.shape for spec in wanted}:
        described = {spec.name: spec.shape for spec in wanted}
        raise ModelRefusedError(
            f"{artifact.path.name} takes {found}, and {described} is asked: its batch dimension must be dynamic and"
            f" named {BATCH_DIMENSION!r}, and its manifest must name its inputs"
        )
    outputs = {value.name for value in session.get_outputs()}
    if missing := {spec.name for spec in artifact.outputs} - outputs:
        raise ModelRefusedError(
            f"{artifact.path.name} has no output {', '.join(sorted(missing))}: its manifest is wrong"
        )
