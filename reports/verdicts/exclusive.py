"""What a report says of the exclusive use of its machine."""

from __future__ import annotations

from collections.abc import Iterator

from crossrt.reports.schema.exclusive import Activity, ExclusiveUse
from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.self_comparison import change_text, differs


def exclusive_notes(report: Report) -> Iterator[str]:
    """One line: what was seen before and after."""
    if (use := report.exclusive) is None:
        return
    compared = ", ".join(
        f"{change_text(found)} {when}"
        for found, when in ((use.aa_before, "before"), (use.aa_after, "after"))
        if found is not None
    )
    watched = ", ".join(
        f"{activity_text(found)} {when}"
        for found, when in ((use.before, "before"), (use.after, "after"))
        if found is not None
    )
    limits = limits_text(use.max_pressure, use.max_steal)
    yield f"exclusive use of the machine: A/A comparison {compared or 'not made'}; {watched}; {limits}"


def limits_text(max_pressure: float, max_steal: float) -> str:
    """`allowed: CPU pressure 5%, stolen time 1%`."""
    return f"allowed: CPU pressure {100 * max_pressure:g}%, stolen time {100 * max_steal:g}%"


def activity_text(found: Activity) -> str:
    """`CPU pressure 1.2% and stolen time 0.0%`."""
    pressure = "CPU pressure not told" if found.pressure is None else f"CPU pressure {found.pressure:.1%}"
    return pressure if found.stolen is None else f"{pressure} and stolen time {found.stolen:.1%}"


def exclusive_cautions(report: Report) -> Iterator[str]:
    """Why it is not proved that the machine was left alone."""
    if (use := report.exclusive) is not None:
        yield from (f"the machine was not left alone: {text}" for text in _disturbances(use))
        if report.run.status == "complete" and (use.aa_before is None or use.aa_after is None):
            yield "exclusive use of the machine is not proved: an A/A comparison could not be made"


def _disturbances(use: ExclusiveUse) -> Iterator[str]:
    if use.aa_after is not None and differs(use.aa_after):
        yield (
            f"after all was measured, {use.aa_after.case} and its A/A replicate, which are equal, differ by"
            f" {change_text(use.aa_after)}. Run again."
        )
    if use.after is not None and use.after.pressure is not None and use.after.pressure > use.max_pressure:
        yield (
            f"afterwards tasks waited for a CPU {use.after.pressure:.1%} of the time, and {use.max_pressure:.1%} is"
            " allowed. Run again."
        )
    if use.stolen is not None and use.stolen > use.max_steal:
        yield (
            f"the hypervisor took {use.stolen:.1%} of a CPU away meanwhile, and {use.max_steal:.1%} is allowed. Run"
            " again."
        )
