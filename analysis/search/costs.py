"""What each node of the float model costs in time, so that a decision can weigh noise against microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median

import onnxruntime

from crossrt.datasets.protocol import Arrays
from crossrt.runtimes.ort.profile import recorded_events

_CALLS = 20
_KERNEL_TIME = "_kernel_time"


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

    found: dict[str, list[float]] = {}
    for event in recorded_events(load, options, [], [dict(feeds)], _CALLS):
        name = str(event["name"])
        if name.endswith(_KERNEL_TIME):
            found.setdefault(name.removesuffix(_KERNEL_TIME), []).append(float(event["dur"]))
    typical = {name: median(durations) for name, durations in found.items()}
    total = sum(typical.values())
    return {name: each / total for name, each in typical.items()} if total else {}
