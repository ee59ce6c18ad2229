"""A search as tables: the front that was found, what each unit does, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from crossrt.analysis.search.result import REPORT, Candidate, SearchReport
from crossrt.analysis.search.sentence import loss_text
from crossrt.analysis.search.unit_names import UnitNames
from crossrt.reports.tables.terminal import print_cautions, print_sheet
from crossrt.reports.text.cells import Cell, Sheet, Tone, title_of, unit_of, written
from crossrt.reports.text.printable import printable

MOST_UNITS: Final = 12
PLOT: Final = "search"
SPEED, VERDICT = "speed-up", "verdict"
_OF_SPEED: Final = "speed-up: float time over its own in shared rounds, with a 95% interval."


def front_of(report: SearchReport) -> set[str]:
    """Names of the candidates that no other beats in bound of the loss, speed-up and size at once."""
    known = [each for each in report.candidates if each.loss is not None and each.problem is None]
    return {each.name for each in known if not any(_beats(other, each) for other in known)}


def _beats(one: Candidate, other: Candidate) -> bool:
    mine, theirs = _measures(one), _measures(other)
    return mine != theirs and all(a >= b for a, b in zip(mine, theirs, strict=True))


def _measures(each: Candidate) -> tuple[float, float, float]:
    """Bigger is better in all of them; what was not timed beats nothing in speed."""
    assert each.loss is not None
    return -each.loss.upper, each.speed.ratio if each.speed is not None else 0.0, -float(each.size_bytes)


def candidates_sheet(report: SearchReport) -> Sheet:
    """Scored candidates: the front first, then the others, each fastest first; then what was not scored."""
    front, metric, names = front_of(report), report.metric, UnitNames(report)

    def order(each: Candidate) -> tuple[bool, bool, float, float]:
        speed = each.speed.ratio if each.speed is not None else 0.0
        return (each.loss is None, each.name not in front, -speed, each.loss.upper if each.loss is not None else 0.0)

    unit = "pp " if metric.unit == "share" else f"{unit_of(metric)} ".lstrip()
    rows = tuple(_row(each, report, front, names) for each in sorted(report.candidates, key=order))
    return Sheet(
        title=f"Candidates, on {report.search_samples:,} samples; {loss_text(report.allowed, metric)} may be lost",
        columns=("candidate", title_of(metric), "loss", "bound", SPEED, "size %", "SQNR dB", VERDICT),
        rows=rows,
        dropped_first=("SQNR dB", title_of(metric), "loss", "size %"),
        wrapped=("candidate", VERDICT),
        kept=("bound", VERDICT),
        footer=(
            f"loss: {unit}below float; bound: its upper confidence bound, one-sided, 97.5%.",
            _OF_SPEED,
            "front: no other candidate is better in bound, speed-up or size without being worse in another.",
            *_saved_note(report),
            *names.legend(),
        ),
        about=((_OF_SPEED, (SPEED,)),),
    )


def _saved_note(report: SearchReport) -> Iterator[str]:
    if report.best is not None and report.file is not None:
        yield f"*: saved as {report.file}"


def _row(each: Candidate, report: SearchReport, front: set[str], names: UnitNames) -> tuple[Cell, ...]:
    metric, loss, speed = report.metric, each.loss, each.speed
    size = f"{100 * each.size_bytes / report.float_size_bytes:.0f}" if each.size_bytes else "-"
    is_within = loss is not None and loss.upper <= report.allowed
    tone: Tone | None = None if loss is None else "good" if is_within else "bad"
    verdict = _verdict(each, front, is_within=is_within)
    return (
        Cell(text=f"{names.candidate(each)}{' *' if each.name == report.best else ''}"),
        Cell(text="-" if loss is None else written(loss.value, metric.format)),
        Cell(text="-" if loss is None else _number(loss.loss, report)),
        Cell(text="-" if loss is None else _number(loss.upper, report), tone=tone),
        Cell(text="-" if speed is None else f"{speed.ratio:.2f} [{speed.lower:.2f}, {speed.upper:.2f}]"),
        Cell(text=size),
        Cell(
            text=("exact" if each.size_bytes and not each.problem else "-")
            if each.sqnr_db is None
            else f"{each.sqnr_db:.1f}"
        ),
        Cell(text=verdict),
    )


def _number(value: float, report: SearchReport) -> str:
    return f"{100 * value:z.2f}" if report.metric.unit == "share" else f"{value:z.3g}"


def _verdict(each: Candidate, front: set[str], *, is_within: bool) -> str:
    if each.problem is not None:
        return f"failed: {printable(each.problem)[:120]}"
    if each.loss is None:
        return "not scored: too noisy" if each.is_hopeless else "not scored"
    where = ["front"] if each.name in front else []
    return ", ".join([*where, "within the loss" if is_within else "loses too much"])


def sensitivity_sheet(report: SearchReport) -> Sheet:
    """Units that add most noise, the worst first."""
    found, names = report.candidate(report.best) if report.best is not None else None, UnitNames(report)
    marks = {} if found is None else dict.fromkeys(found.channel_units, "per channel")
    marks |= {} if found is None else dict.fromkeys(found.wide_units, "16-bit")
    marks |= {} if found is None else dict.fromkeys(found.float_units, "float")
    rows = tuple(
        (
            Cell(text=names.unit(each.unit.name)),
            Cell(text=each.unit.op_type),
            Cell(text="-" if each.sqnr_db is None else f"{each.sqnr_db:.1f}"),
            Cell(text=f"{100 * each.unit.time_share:.1f}"),
            Cell(text=f"{each.unit.weight_bytes / 1000:,.1f}"),
            Cell(text=marks.get(each.unit.name, "int8")),
        )
        for each in report.sensitivities[:MOST_UNITS]
    )
    more = len(report.sensitivities) - MOST_UNITS
    sheet = Sheet(
        title="Sensitivity: one unit quantized, all others in float",
        columns=("unit", "operator", "outputs dB", "float time %", "weights KB", "in the best file"),
        rows=rows,
        footer=(*((f"and {more} more in {REPORT}",) if more > 0 else ()), *names.groups()),
        is_text=True,
    )
    return sheet if found is not None else sheet.without(("in the best file",))


def confirmations_sheet(report: SearchReport) -> Sheet:
    """What was judged on the samples kept aside."""
    metric, rows, names = report.metric, [], UnitNames(report)
    for each in report.confirmations:
        loss, speed = each.loss, each.speed
        rows.append(
            (
                Cell(text=each.candidate if (of := report.candidate(each.candidate)) is None else names.candidate(of)),
                Cell(text="-" if loss is None else written(loss.value, metric.format)),
                Cell(text="-" if loss is None else loss_text(loss.upper, metric)),
                Cell(text="-" if speed is None else f"{speed.ratio:.2f} [{speed.lower:.2f}, {speed.upper:.2f}]"),
                Cell(text="passes" if each.passes else "fails", tone="good" if each.passes else "bad"),
            )
        )
    return Sheet(
        title=f"Verdict, on {report.held_out_samples:,} samples that the search never used, and in fresh rounds",
        columns=("candidate", title_of(metric), "loss at most", SPEED, VERDICT),
        rows=tuple(rows),
        dropped_first=(title_of(metric),),
        wrapped=("candidate",),
        kept=("loss at most", VERDICT),
    )


def print_found(report: SearchReport, console: Console, *, draws: bool) -> None:
    """Tables, then the sentence."""
    print_cautions(report.cautions, console)
    sheets: Sequence[Sheet] = (candidates_sheet(report), sensitivity_sheet(report), confirmations_sheet(report))
    for place, sheet in enumerate(each for each in sheets if each.rows):
        if place:
            console.print()
        print_sheet(sheet, console)
    for each in report.confirmations:
        for reason in each.reasons:
            console.print(f"{printable(each.candidate)}: {printable(reason)}", markup=False)
    if report.candidates:
        console.print()
    console.print(printable(report.sentence), style="bold", markup=False, soft_wrap=not draws)


def notes_of(report: SearchReport, folder: Path) -> Iterator[str]:
    """What was cut, and where everything is."""
    for note in report.notes:
        yield f"note  {printable(note)}"
    beside = [name for name in (f"{PLOT}.svg", f"{PLOT}.png") if (folder / name).is_file()]
    plot = f", plot {folder / beside[0]}" if beside else ""
    yield f"{report.took_s:.0f} of {report.time_s:.0f} s; report {folder / REPORT}{plot}"
