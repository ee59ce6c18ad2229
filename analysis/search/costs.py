"""What each node of the float model costs in time, so that a decision can weigh noise against microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from crossrt.datasets.protocol import Arrays
from crossrt.runtimes.ort_profile import profile_of, recorded_events

_CALLS = 20


def time_shares(prepared: Path, feeds: Arrays, threads: int) -> Mapping[str, float]:
    """Share of the kernel time by name of the node; empty where the profiler tells nothing.

    Only basic optimizations run, so that kernels keep the names of nodes. The shares rank units against each other;
    what a candidate really takes is measured.

    Args:
        prepared: The float model as the quantizer sees it.
        feeds: One call.
        threads: Threads per operator.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC

    def load() -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(str(prepared), sess_options=options, providers=["CPUExecutionProvider"])

    events = recorded_events(load, options, [], [dict(feeds)], _CALLS)
    if not events:
        return {}
    kernels = profile_of(events).kernels
    durations = {each.name: each.duration_ns or 0.0 for each in kernels}
    total = sum(durations.values())
    return {name: duration / total for name, duration in durations.items()} if total else {}
