"""Which file to ship and why it can be trusted, or why none, in one sentence."""

from __future__ import annotations

from pathlib import Path

import msgspec

from crossrt.analysis.search.keeping import Keeping
from crossrt.analysis.search.result import Candidate, Confirmation, SearchReport, Speed
from crossrt.core.metric import MetricDefinition
from crossrt.reports.text.cells import unit_of, written


def loss_text(value: float, metric: MetricDefinition) -> str:
    """`0.12 pp`, or a number in the metric's unit."""
    return f"{100 * value:z.2f} pp" if metric.unit == "share" else f"{value:z.3g}"


def _value(value: float, metric: MetricDefinition) -> str:
    """`99.42%`, or a number with its unit."""
    unit = unit_of(metric)
    return f"{written(value, metric.format)}{unit if unit == '%' else f' {unit}' if unit else ''}"


def speed_text(speed: Speed) -> str:
    """`1.41x as fast as float (95% interval 1.38 to 1.44)`."""
    return f"{speed.ratio:.2f}x as fast as float (95% interval {speed.lower:.2f} to {speed.upper:.2f})"


def speed_doubt(speed: Speed, keeping: Keeping) -> str:
    """Why a speed-up does not keep to the budget."""
    shown = f"its speed-up of {speed.ratio:.2f} [{speed.lower:.2f}, {speed.upper:.2f}]"
    return f"{shown} is not surely {keeping.budget.min_speedup:g} or more"


def found_sentence(report: SearchReport, confirmed: Confirmation, folder: Path, float_value: float) -> str:
    """For a file that keeps to the budget.

    Args:
        report: What was found.
        confirmed: The judgement.
        folder: Where the file is.
        float_value: The float model's metric on the samples kept aside.
    """
    candidate, loss, metric = report.candidate(confirmed.candidate), confirmed.loss, report.metric
    assert candidate is not None
    assert loss is not None
    assert report.file is not None
    share = candidate.size_bytes / report.float_size_bytes
    speed = (
        ""
        if confirmed.speed is None
        else f", it is {speed_text(confirmed.speed)} in {confirmed.speed.rounds} shared rounds"
    )
    return (
        f"Ship {folder / report.file}: on {loss.samples:,} samples that the search never used, {metric.label} is"
        f" {_value(loss.value, metric)} (float: {_value(float_value, metric)}) and the loss is at most"
        f" {loss_text(loss.upper, metric)} with {loss.confidence:.1%} confidence (allowed:"
        f" {loss_text(report.allowed, metric)}){speed}, and has {share:.0%} of its size."
    )


def is_unjudged(report: SearchReport, keeping: Keeping) -> bool:
    """Whether nothing was scored, and something might have been with more time."""
    if any(each.loss is not None for each in report.candidates):
        return False
    waiting = [each for each in report.candidates if each.problem is None and not each.is_hopeless]
    return not report.candidates or any(not keeping.is_slower(each) for each in waiting)


def none_sentence(report: SearchReport, keeping: Keeping, folder: Path) -> str:
    """For a search without a file that keeps to the budget."""
    if not report.candidates:
        return "No verdict: the time was over before anything was tried; give more --time."
    if is_unjudged(report, keeping):
        built = sum(each.problem is None for each in report.candidates)
        files = f"{built} files were built" if built > 1 else "one file was built"
        return (
            f"No verdict: {files}, and the time was over before any of them was scored, which says nothing against"
            " them; give more --time, or fewer samples in --data."
        )
    if (slower := _all_slower(report, keeping)) is not None:
        return slower
    if report.best is None or (best := report.candidate(report.best)) is None:
        return f"Ship the float model: nothing that was tried {_why_nothing(report, keeping)}."
    faster = _slow_one(report, keeping)
    if faster is not None and not keeping.accuracy(best.loss):
        return (
            f"Ship the float model: what keeps to the loss is slower, at best {faster}; --allow-slower lets it count."
        )
    last = next((each for each in reversed(report.confirmations) if each.candidate == best.name), None)
    reasons = list(last.reasons) if last is not None else _misses(best, report, keeping)
    return (
        f"Ship the float model: no file was shown to keep to the budget; nearest is {folder / (report.file or '')}"
        f" ({best.name}), which misses it least, but {'; '.join(reasons) or _why_unconfirmed(report)}."
    )


def _why_unconfirmed(report: SearchReport) -> str:
    if report.confirmations:
        return "others were judged on the samples kept aside, which may be done a few times only"
    left_s = max(report.time_s - report.took_s, 0.0)
    return f"the {left_s:.0f} s that were left would not have sufficed to confirm it: give more with --time"


def _all_slower(report: SearchReport, keeping: Keeping) -> str | None:
    """The main result where whatever was timed is slower than float and may not be; else None."""
    candidates = _with_speeds(report)
    timed = [each for each in candidates if each.speed is not None]
    if not timed or not all(keeping.is_slower(each) for each in timed):
        return None
    best = max(timed, key=lambda each: each.speed.ratio if each.speed is not None else 0.0)
    assert best.speed is not None
    which = f"all {len(timed)} files that were timed are" if len(timed) > 1 else "the one file that was timed is"
    has_accurate = any(keeping.accuracy(each.loss) for each in candidates)
    untimed = sum(keeping.accuracy(each.loss) and each.speed is None for each in candidates)
    more = f"{untimed} more that keep to the loss were" if untimed > 1 else "one more that keeps to the loss was"
    rest = f"; {more} not timed: give more with --time" if untimed else ""
    rest = rest if has_accurate else "; nothing that was scored keeps to the loss either"
    return (
        f"Ship the float model: {which} slower than float on this machine, at best {best.name},"
        f" {speed_text(best.speed)}; --allow-slower lets {'them' if len(timed) > 1 else 'it'} count{rest}."
    )


def _with_speeds(report: SearchReport) -> list[Candidate]:
    """Candidates with the speed that was measured last: some are timed only when they are confirmed."""
    speeds = {each.candidate: each.speed for each in report.confirmations if each.speed is not None}
    return [msgspec.structs.replace(each, speed=speeds.get(each.name, each.speed)) for each in report.candidates]


def _why_nothing(report: SearchReport, keeping: Keeping) -> str:
    if any(keeping.is_slower(each) for each in report.candidates):
        return "and could be scored is as fast as the float file (--allow-slower lets a slower one count)"
    return "could be built and scored"


def _slow_one(report: SearchReport, keeping: Keeping) -> str | None:
    """The fastest of the candidates that are accurate, small enough and slower than float, in words."""
    found = [
        (each.speed.ratio, f"{each.name}, {speed_text(each.speed)}")
        for each in report.candidates
        if each.speed is not None
        and keeping.is_slower(each)
        and keeping.accuracy(each.loss)
        and keeping.size(each.size_bytes)
    ]
    return max(found)[1] if found else None


def _misses(best: Candidate, report: SearchReport, keeping: Keeping) -> list[str]:
    """What speaks against a candidate on the samples of the search."""
    found = []
    if best.loss is not None and not keeping.accuracy(best.loss):
        found.append(
            f"it may lose up to {loss_text(best.loss.upper, report.metric)} of {report.metric.label}"
            f" ({loss_text(report.allowed, report.metric)} are allowed)"
        )
    if not keeping.size(best.size_bytes):
        found.append(f"it has {best.size_bytes / report.float_size_bytes:.0%} of the float file's size")
    if best.speed is not None and not keeping.speed(best.speed):
        found.append(speed_doubt(best.speed, keeping))
    return found
