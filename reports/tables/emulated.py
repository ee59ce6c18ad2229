"""How cases answer on a processor that this machine does not have, beside how they answer on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.text.cells import Cell, Sheet, Tone, counted, listed, title_of, written

ABSENT: Final = "-"
LEAST_LOSS_DB: Final = 0.5
"""Below it two signal-to-noise ratios say the same."""

LARGEST_ROUNDING: Final = 1e-2
"""Of `||x - x'|| / ||x||` between the two, where native answers are what others are compared with: 40 dB."""

NATIVE: Final = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a report, or a run without one, holds of an emulated processor.

    Attributes:
        rows: The answers.
        definitions: Metrics of the task, and others.
        cautions: Of a run without a report: what speaks against believing it.
    """

    rows: Sequence[EmulatedAnswers]
    definitions: Sequence[MetricDefinition]
    cautions: Sequence[str] = ()

    @property
    def has_failed(self) -> bool:
        """True if a case has no answers there that it should have."""
        return any(row.status == "failed" for row in self.rows)

    @property
    def metric(self) -> MetricDefinition | None:
        """What the task is about."""
        scored = {name for row in self.rows if row.emulated is not None for name in row.emulated.values}
        return next((each for each in self.definitions if each.name in scored), None)


def emulated_sheet(answered: Answered) -> Sheet:
    """Two rows for each file: natively and on the emulated processor; what helps has rows of its own."""
    metric = answered.metric
    title = title_of(metric) if metric else "metric"
    rows = [each for row in answered.rows if row.status == "ok" for each in _rows(row, metric)]
    names = listed(list(dict.fromkeys(row.cpu for row in answered.rows)))
    counts = {row.samples for row in answered.rows if row.status == "ok"}
    many = f", {counted(max(counts), 'sample')}" if len(counts) == 1 else ""
    sheet = Sheet(
        title=f"Answers on an emulated {names} CPU (no AVX-512, no VNNI){many}",
        columns=("case", "CPU", "samples", title, "SQNR dB", "flips", "LSB"),
        rows=tuple(rows),
        dropped_first=("LSB",),
        footer=(_footer(answered.rows),) if rows else (),
    )
    return sheet.without(("samples",)) if len(counts) == 1 else sheet


def _rows(row: EmulatedAnswers, metric: MetricDefinition | None) -> Iterator[tuple[Cell, ...]]:
    for cpu, evaluation in ((NATIVE, row.native), (row.cpu, row.emulated)):
        value = None if evaluation is None or metric is None else evaluation.values.get(metric.name)
        is_native = cpu == NATIVE
        flips = ABSENT if is_native or row.flips is None else f"{row.flips:,}"
        steps = ABSENT if is_native or row.max_steps is None else f"{row.max_steps:.3g}"
        yield (
            Cell(text=label_of(row)),
            Cell(text=cpu),
            Cell(text=f"{row.samples:,}"),
            Cell(text=ABSENT if value is None or metric is None else written(value, metric.format)),
            Cell(text=_sqnr_text(evaluation), tone=None if is_native else _tone(row)),
            Cell(text=flips),
            Cell(text=steps),
        )


def label_of(row: EmulatedAnswers) -> str:
    """The case, and the option that was changed; another file has a name of its own."""
    option = f":{row.cure}" if "=" in row.cure else ""
    return f"{row.variant}@{row.runtime}{option}"


def sqnr(evaluation: Evaluation | None) -> float | None:
    """The signal-to-noise ratio of the worst output; None where there is no difference at all, or no number."""
    if evaluation is None:
        return None
    return min((each.sqnr_db for each in evaluation.outputs if each.sqnr_db is not None), default=None)


def _sqnr_text(evaluation: Evaluation | None) -> str:
    found = sqnr(evaluation)
    if found is not None:
        return f"{found:.1f}"
    is_exact = evaluation is not None and any(each.relative == 0 for each in evaluation.outputs)
    return "exact" if is_exact else ABSENT


def loss_db(row: EmulatedAnswers) -> float:
    """How much lower the signal-to-noise ratio is there; 0 where one of the two has none."""
    native, emulated = sqnr(row.native), sqnr(row.emulated)
    return 0.0 if native is None or emulated is None else native - emulated


def is_worse(row: EmulatedAnswers) -> bool:
    """True if the processor answers noticeably worse; where native answers are the reference, noticeably otherwise."""
    is_other = sqnr(row.native) is None and row.relative is not None and row.relative > LARGEST_ROUNDING
    return row.status == "ok" and (loss_db(row) > LEAST_LOSS_DB or is_other)


def _tone(row: EmulatedAnswers) -> Tone | None:
    return "bad" if is_worse(row) else None


def _footer(rows: Sequence[EmulatedAnswers]) -> str:
    emulators, cpus = (
        listed(list(dict.fromkeys(names))) for names in zip(*((row.emulator, row.cpu) for row in rows), strict=True)
    )
    return (
        f"{cpus}: the same file, runtime and samples under {emulators}, which hides AVX-512 and VNNI: answers, not"
        " times, and not a certificate of any one processor. SQNR: against the reference; flips: samples that get"
        " another class than natively; LSB: largest difference from native in quantization steps of the output."
    )


def emulated_notes(answered: Answered) -> Iterator[str]:
    """What the table comes to: which files lose, and what helps."""
    own = [row for row in answered.rows if not row.cure]
    worse = [row for row in own if is_worse(row)]
    for row in worse:
        yield from _loss(row, [each for each in answered.rows if each.cure])
    fine = [row for row in own if row.status == "ok" and row not in worse]
    if fine:
        answer = "answers" if len(fine) == 1 else "answer"
        yield f"on {fine[0].cpu} {listed(list(map(label_of, fine)))} {answer} within {LEAST_LOSS_DB:g} dB of here"
    for row in answered.rows:
        if row.status != "ok":
            yield f"{label_of(row)} on {row.cpu}: {row.status}: {row.reason}"


def _loss(row: EmulatedAnswers, cures: Sequence[EmulatedAnswers]) -> Iterator[str]:
    flips = "" if row.flips is None else f", and {counted(row.flips, 'sample')} of {row.samples:,} get another class"
    there = sqnr(row.emulated)
    lost = f"has {ABSENT if there is None else f'{there:.1f}'} dB on {row.cpu}"
    lost += f" where it has {_sqnr_text(row.native)} here" if loss_db(row) else " against its own answers here"
    yield (
        f"{label_of(row)} {lost}{flips}: sums of pairs of 8-bit products saturate in"
        " int16 where there is no VNNI (crossrt audit FILE names the layers: int16 pairs)"
    )
    helping = [each for each in cures if each.status == "ok" and (each.case == row.case or "=" not in each.cure)]
    helping = [each for each in helping if not is_worse(each)]
    if helping:
        yield f"what helps there: {'; '.join(map(_helps, helping))}"
    elif row.runtime.startswith("ort-cpu"):
        yield (
            "what may help: session.x64quantprecision=1, or a file with reduce_range or uint8 weights (crossrt"
            " quantize MODEL --recipe int8-qdq-reduced --recipe int8-qdq-u8u8 --calibration DATA)"
        )


def _helps(row: EmulatedAnswers) -> str:
    name, how = (row.cure, "") if "=" in row.cure else (f"the recipe {row.variant}", f"{row.cure}, ")
    return f"{name} ({how}{_sqnr_text(row.emulated)} dB)"
