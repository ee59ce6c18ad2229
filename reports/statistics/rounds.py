"""How many rounds a run made, and what would give more of them."""

from __future__ import annotations

from crossrt.reports.schema.records import Report


def rounds_made(report: Report) -> int:
    """Rounds of the case that has the most."""
    return max((len(result.rounds) for result in report.results), default=0)


def is_cut_by_time(report: Report) -> bool:
    """Whether fewer rounds than were asked for were made because the time was over.

    A report that does not say what was asked for counts as cut where a time was given.
    """
    settings = report.run.settings
    if report.run.status == "interrupted":
        return False
    if settings.asked_rounds is None:
        return settings.time_budget_s is not None or rounds_made(report) < settings.rounds
    return rounds_made(report) < settings.asked_rounds


def remedy(report: Report) -> str:
    """What gives more rounds, as a thing to give: `more --time`, `more --rounds` or `a run that is not interrupted`."""
    if report.run.status == "interrupted":
        return "a run that is not interrupted"
    return "more --time" if is_cut_by_time(report) else "more --rounds"
