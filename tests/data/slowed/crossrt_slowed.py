"""ONNX Runtime with a known slowdown: each call takes so many percent longer than it took by itself.

The runtimes are called `slowed-0`, `slowed-2` and so on; `slowed` reads its percentage from `SLOWED_PERCENT`. All of
them, `slowed-0` too, read the clock around the call and spin afterwards, so they differ in nothing but the injected
part: a call that follows spinning is itself faster by a quarter of a percent than one that follows another call.
"""

import os
from time import perf_counter_ns

from crossrt.runtimes.ort.adapter import OrtCpu, OrtSession

SPINNING = 1.02
"""How much longer than the call itself every call takes, before anything is injected."""


class SlowedSession(OrtSession):
    """Runs the model, then spins for a share of the time that this took."""

    share = 0.0

    def run(self, feeds):
        start = perf_counter_ns()
        outputs = super().run(feeds)
        end = start + (perf_counter_ns() - start) * SPINNING * (1 + self.share)
        while perf_counter_ns() < end:
            pass
        return outputs


class Slowed(OrtCpu):
    """ONNX Runtime whose sessions are slowed."""

    def __init__(self, percent, name=None):
        self.name = name or f"slowed-{percent}"
        self._percent = percent

    def prepare(self, artifact, options):
        session = SlowedSession(artifact, options)
        session.share = self._percent / 100
        return session


def __getattr__(name):
    """`slowed_5` makes the runtime that is 5% slower."""
    if name == "slowed":
        return lambda: Slowed(int(os.environ.get("SLOWED_PERCENT", "0")), "slowed")
    percent = name.removeprefix("slowed_")
    if not percent.isdecimal():
        raise AttributeError(name)
    return lambda: Slowed(int(percent))
