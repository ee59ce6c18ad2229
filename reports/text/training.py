"""What the user sees of a training: a table that grows by a row an epoch, above a bar; in a log a line an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crossrt.reports.text.progress import Display

Column = tuple[str, str, int]
"""The two lines of its head, and its width."""

_GAP: Final = "  "
_FROM_HERE: Final = 3
"""The first of the columns that a narrow terminal has no room for, after the number, the losses and the metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures:
    """Where an epoch stands: the event `progress` of a training process.

    Attributes:
        epoch: Its number, from 1.
        step: The last step that is done.
        steps: Of an epoch.
        loss: Mean over the samples of the epoch so far.
        metric: Likewise; a share for `accuracy`.
        learning_rate: At this step.
        samples_per_s: In this epoch.
        left_s: Until all epochs are over.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    metric: float
    learning_rate: float
    samples_per_s: float
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFigures:
    """What an epoch came to: the event `epoch` of a training process.

    Attributes:
        epoch: Its number.
        loss: Mean over the samples while they were trained on.
        metric: Likewise; a share for `accuracy`.
        validation_loss: After the epoch; None without validation samples.
        validation_metric: Likewise.
        samples_per_s: In training.
        learning_rate: At its end; None where that is not said.
        left_s: Until all epochs are over; likewise.
        is_best: Whether it is the best so far.
    """

    epoch: int
    loss: float
    metric: float
    validation_loss: float | None = None
    validation_metric: float | None = None
    samples_per_s: float
    learning_rate: float | None = None
    left_s: float | None = None
    is_best: bool = True


class TrainingView:
    """Shows the events of a training process."""

    def __init__(self, display: Display, metric: str, epochs: int) -> None:
        self._display, self._metric, self._epochs = display, metric, epochs
        self._width = display.width
        self._is_headed = False

    def start(self, done: int = 0) -> None:
        """Shows a bar of all epochs, of which an earlier, interrupted run has done so many already."""
        self._display.phase("training", self._epochs)
        for _ in range(done):
            self._display.step()
        self._display.below(Text(f"{_GAP}the first step takes longer: it is compiled", "dim"))

    def follow(self, event: Mapping[str, Any]) -> bool:
        """Shows an event `progress`, `validating` or `epoch`; False for any other."""
        match event["event"]:
            case "progress":
                self._display.below(self._figures(msgspec.convert(event, StepFigures)))
            case "validating":
                self._display.below(Text(f"{_GAP}epoch {event['epoch']} of {self._epochs}: validating", "dim"))
            case "epoch":
                self._epoch(msgspec.convert(event, EpochFigures))
            case _:
                return False
        return True

    def _epoch(self, figures: EpochFigures) -> None:
        if self._width:
            self._row(figures)
        else:
            self._display.row(f"{_GAP}{sentence(figures, self._metric, self._epochs)}")
        self._display.step()

    def _row(self, figures: EpochFigures) -> None:
        if not self._is_headed:
            for line in _head(self._width, self._metric):
                self._display.row(line)
            self._is_headed = True
        cells = _cells(figures, self._metric, self._epochs)
        columns = _columns(self._width, self._metric)
        texts = [f"{text:>{column[2]}}" for text, column in zip(cells, columns, strict=False)]
        best = f"{_GAP}best" if figures.is_best and figures.validation_loss is not None else ""
        self._display.row(f"{_GAP}{_GAP.join(texts)}{best}")

    def _figures(self, figures: StepFigures) -> RenderableType:
        """Two lines: how far the epoch is, and what it comes to so far."""
        bar = Table.grid(padding=(0, 2), expand=True)
        bar.add_column(no_wrap=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        bar.add_column(no_wrap=True)
        bar.add_row(
            f"epoch {figures.epoch} of {self._epochs}",
            ProgressBar(total=figures.steps, completed=figures.step),
            f"step {figures.step:,} of {figures.steps:,}",
            f"{clock(figures.left_s)} left",
        )
        parts = (
            ("loss", f"{figures.loss:.4g}"),
            (_short(self._metric), shown(self._metric, figures.metric)),
            ("lr", f"{figures.learning_rate:.3g}"),
            ("", f"{figures.samples_per_s:,.0f} samples/s"),
        )
        line = Text(no_wrap=True, overflow="ellipsis")
        for place, (name, text) in enumerate(parts):
            line.append("   " if place else "")
            line.append(f"{name} " if name else "", "dim")
            line.append(text)
        return Padding(Group(bar, line), (0, 0, 0, 2))


def sentence(figures: EpochFigures, metric: str, epochs: int) -> str:
    """An epoch in a line that explains itself."""
    parts = [f"loss {figures.loss:.4g}", f"{metric} {shown(metric, figures.metric)}"]
    if figures.validation_loss is not None:
        best = " (best)" if figures.is_best else ""
        parts += [
            f"validation loss {_number(figures.validation_loss)}",
            f"validation {metric} {shown(metric, figures.validation_metric)}{best}",
        ]
    if figures.learning_rate is not None:
        parts.append(f"learning rate {figures.learning_rate:.3g}")
    parts.append(f"{figures.samples_per_s:,.0f} samples/s")
    if figures.left_s is not None and figures.epoch < epochs:
        parts.append(f"{clock(figures.left_s)} left")
    return f"epoch {figures.epoch}/{epochs}: {', '.join(parts)}"


def shown(metric: str, value: float | None) -> str:
    """A metric without its name."""
    if value is None:
        return "unknown"
    return f"{value:.2%}" if metric == "accuracy" else f"{value:.4g}"


def clock(seconds: float) -> str:
    """A duration as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(metric: str) -> str:
    return "MAE" if metric == "mean absolute error" else metric


def _columns(width: int, metric: str) -> list[Column]:
    """Those that a terminal has room for."""
    name = _short(metric)
    wanted = [
        ("", "epoch", 7),
        ("training", "loss", 8),
        ("", name, 8),
        ("validation", "loss", 10),
        ("", name, 8),
        ("learning", "rate", 8),
        ("", "samples/s", 9),
        ("time", "left", 7),
    ]
    while len(wanted) > _FROM_HERE + 2 and sum(each[2] + len(_GAP) for each in wanted) + len("  best") > width:
        wanted.pop()
    return wanted


def _head(width: int, metric: str) -> list[str]:
    columns = _columns(width, metric)
    return [(_GAP + _GAP.join(f"{each[line]:>{each[2]}}" for each in columns)).rstrip() for line in (0, 1)]


def _cells(figures: EpochFigures, metric: str, epochs: int) -> list[str]:
    validated = figures.validation_metric
    return [
        f"{figures.epoch}/{epochs}",
        f"{figures.loss:.4g}",
        shown(metric, figures.metric),
        _number(figures.validation_loss),
        "-" if validated is None else shown(metric, validated),
        "-" if figures.learning_rate is None else f"{figures.learning_rate:.3g}",
        f"{figures.samples_per_s:,.0f}",
        "-" if figures.left_s is None or figures.epoch >= epochs else clock(figures.left_s),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
