"""All checks of `crossrt doctor`."""

from __future__ import annotations

import time
from typing import Final

from crossrt.harness.doctor import activity, frequency, resources
from crossrt.harness.doctor.check import Check

OBSERVED_S: Final = 1.0


def examine() -> list[Check]:
    """Looks at the machine, and watches it for a second."""
    before = activity.Sample.take()
    time.sleep(OBSERVED_S)
    after = activity.Sample.take()
    return [
        frequency.governor(),
        frequency.turbo(),
        activity.other_processes(before, after),
        activity.steal(before, after),
        activity.pressure(before, after),
        activity.load(),
        resources.quota(),
        resources.siblings(),
        resources.numa(),
        resources.cores(),
        frequency.clock_source(),
        frequency.clock_cost(),
        resources.memory(),
        resources.swap(),
    ]
