"""Are there samples enough for a budget to be shown to hold at all?"""

from __future__ import annotations

from math import ceil

from crossrt.harness.errors import HarnessError
from crossrt.harness.search.scoring import ALPHA, Scorer
from crossrt.reports.statistics.paired import tango_interval


def check_enough(part: Scorer, allowed: float, held_out: float) -> None:
    """Even a file that answers all samples alike must be able to keep to the budget.

    Args:
        part: The samples that were chosen on, or those kept aside.
        allowed: The loss that is allowed, in the metric's unit.
        held_out: Share of all samples that is kept aside.

    Raises:
        HarnessError: The part is too small; says how many samples would do.
    """
    if (least := part.least_upper(ALPHA)) <= allowed:
        return
    needed = part.samples
    while needed < 10**8 and _tango_floor(needed) > allowed:
        needed = int(needed * 1.1) + 1
    raise HarnessError(
        f"with {part.samples:,} samples in one of its two parts even a file that answers all of them like the float"
        f" model may lose up to {100 * least:.2f} pp, as far as anybody can tell, and {100 * allowed:g} pp are"
        f" allowed: give about {ceil(needed / min(held_out, 1 - held_out)):,} samples in --data, of which each part"
        f" gets {needed:,} or more, or a larger --max-drop"
    )


def _tango_floor(samples: int) -> float:
    return -tango_interval(0, 0, samples, ALPHA)[0]
