"""What ONNX Runtime's profiler records of calls of one session."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.kernels import Kernel, Profile, kind_of
from crossrt.runtimes.protocol import Feeds

Event = dict[str, Any]

_KERNEL_TIME = "_kernel_time"
_CALL = "model_run"
_DTYPES: Final = {"float": "float32", "double": "float64", "string": "str"}
_CONTAINERS = frozenset(("If", "Loop", "Scan"))
"""Operators that run a graph of their own: its kernels are recorded too, and their time is within the container's."""


def numpy_dtype(name: str) -> str:
    """What numpy calls ONNX Runtime's `float`."""
    return _DTYPES.get(name, name)


def recorded_events(
    load: Callable[[], Any], options: Any, outputs: Sequence[str], candidates: Iterable[Feeds], calls: int
) -> list[Event]:
    """Events of a call that warms up and of `calls` more, of a session that is loaded for this.

    Args:
        load: Loads a session with `options`.
        options: The session options, which are set to profile.
        outputs: Names of the outputs to compute.
        candidates: Feeds as the file takes them: the first on which the model does not fail are used.
        calls: How many calls are recorded after the first.

    Returns:
        No event where the model fails on all candidates.
    """
    options.enable_profiling = True
    for feeds in candidates:
        with tempfile.TemporaryDirectory() as folder:
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = load()
            try:
                for _ in range(calls + 1):
                    session.run(outputs, feeds)
            except Exception:  # noqa: S112 - some feeds are a guess: the model may refuse them
                continue
            finally:
                written = session.end_profiling()
            events: list[Event] = json.loads(Path(written).read_text())
            return events
    return []


def made_up_feeds(inputs: Sequence[TensorSpec]) -> Iterator[Feeds]:
    """Ones, then zeros, for a model that fails on ones, such as on an index that is out of range."""
    for value in (1, 0):
        yield {spec.name: _filled(spec, value) for spec in inputs}


def _filled(spec: TensorSpec, value: int) -> NDArray[Any]:
    return np.full([size for size in spec.shape if isinstance(size, int)], value, spec.dtype)


def operators_of(events: Sequence[Event]) -> tuple[str, ...]:
    """Types of the kernels of the first call, in order."""
    return tuple(event["args"]["op_name"] for event in kernel_events(events))


def kernel_events(events: Sequence[Event]) -> list[Event]:
    """Events of the kernels of the first call, in order."""
    return list(_kernel_events(takewhile(lambda event: event["name"] != _CALL, events)))


def profile_of(events: Sequence[Event]) -> Profile:
    """Kernels of all calls but the first, in order; one that runs several times a call has the sum of its times."""
    first_call = next(index for index, event in enumerate(events) if event["name"] == _CALL)
    later = events[first_call + 1 :]
    runs = [event["dur"] for event in later if event["name"] == _CALL]
    total_us: dict[str, float] = {}
    found: dict[str, Event] = {}
    for event in _kernel_events(later):
        total_us[event["name"]] = total_us.get(event["name"], 0) + event["dur"]
        found.setdefault(event["name"], event)
    kernels = tuple(_kernel(event, total_us[name] / len(runs)) for name, event in found.items())
    return Profile(kernels=kernels, call_ns=1000 * fmean(runs))


def _kernel_events(events: Iterator[Event] | Sequence[Event]) -> Iterator[Event]:
    return (
        event
        for event in events
        if str(event["name"]).endswith(_KERNEL_TIME) and event["args"]["op_name"] not in _CONTAINERS
    )


def _kernel(event: Event, duration_us: float) -> Kernel:
    arguments = event["args"]
    dtypes = [numpy_dtype(name) for shape in arguments.get("input_type_shape", ()) for name in shape]
    operator = str(arguments["op_name"])
    return Kernel(
        operator=operator,
        name=str(event["name"]).removesuffix(_KERNEL_TIME),
        kind=kind_of(operator, dtypes),
        dtype=dtypes[0] if dtypes else "none",
        duration_ns=1000 * duration_us,
    )
