"""ONNX Runtime on the CPU."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: it opens a database and a thread otherwise

import onnxruntime

from exporters.artifact import ModelArtifact, ModelFormat
from runtimes.errors import ModelRefusedError
from runtimes.feeds import refusal
from runtimes.protocol import Feeds, Outputs, SessionOptions
from runtimes.session import BaseSession

BATCH_DIMENSION = "batch"
_ONLY_ERRORS = 3


class OrtCpu:
    """ONNX Runtime with its CPU execution provider, all graph optimisations on."""

    name = "ort-cpu"
    formats: tuple[ModelFormat, ...] = ("onnx",)

    def version(self) -> str:
        """Version of onnxruntime."""
        return str(onnxruntime.__version__)

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:  # noqa: ARG002
        """ONNX files only."""
        return None if artifact.format in self.formats else f"reads onnx, not {artifact.format}"

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
        self._session: onnxruntime.InferenceSession | None = _load(artifact, _session_options(options))

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch; ONNX Runtime itself checks names, dtypes and shapes."""
        try:
            return dict(zip(self._names, self._session.run(self._names, feeds), strict=True))  # type: ignore[union-attr]
        except Exception as error:
            if self._session is None:
                raise self._closed() from None
            raise refusal(feeds, self.inputs) or error from error

    def executed_operators(self) -> tuple[str, ...]:
        """Kernels of one profiled run of a second session, so that the profiler never observes a timed one."""
        feeds = {spec.name: _zeros(spec.shape, spec.dtype) for spec in self.inputs}
        with tempfile.TemporaryDirectory() as folder:
            options = _session_options(self._options)
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            profiled = _load(self._artifact, options)
            profiled.run(self._names, feeds)
            events = json.loads(Path(profiled.end_profiling()).read_text())
        return tuple(event["args"]["op_name"] for event in events if event["name"].endswith("_kernel_time"))

    def close(self) -> None:
        """Drops the native session and its threads."""
        self._session = None


def _session_options(options: SessionOptions) -> onnxruntime.SessionOptions:
    native = onnxruntime.SessionOptions()
    native.intra_op_num_threads = options.intra_op_threads
    native.inter_op_num_threads = options.inter_op_threads
    native.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    native.log_severity_level = _ONLY_ERRORS
    native.add_free_dimension_override_by_name(BATCH_DIMENSION, options.batch_size)
    return native


def _load(artifact: ModelArtifact, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(str(artifact.path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each failure has a class of its own, without a common base
        raise ModelRefusedError(f"ONNX Runtime cannot load {artifact.path.name}: {error}") from error


def _zeros(shape: tuple[int | None, ...], dtype: str) -> object:
    import numpy as np

    return np.zeros([size or 1 for size in shape], dtype)
