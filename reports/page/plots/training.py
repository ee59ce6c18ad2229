"""Curves of a training: loss, and accuracy or error, on the samples that are trained on and on those held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from crossrt.core.artifact import Score, Training
from crossrt.reports.page.figures import COLORS, MUTED, dot, legend_below, new_figure, tip
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot, safe_name
from crossrt.reports.page.ticks import log_ticks
from crossrt.reports.schema.records import Report

HEIGHT_IN: Final = 3.4
HALF_IN: Final = 4.4
LEGEND: Final = ("training", "validation", "float model")
WIDE: Final = 8.0
"""A ratio of the largest to the smallest loss from which on the axis is logarithmic."""

MOST_DOTS: Final = 60
"""Epochs up to which each is a dot with a tip; of more there are lines alone."""

CAPTION: Final = (
    "Epoch 0 is the model before any training. Training curves are means over an epoch, while the weights move and with"
    " dropout, where there is any; validation curves are taken after it, and the large dot is the epoch that was"
    " written. The dashed line is the float model."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A training, and the files that came of it.

    Attributes:
        names: `<model> <variant>` of each.
        training: How they were trained.
    """

    names: tuple[str, ...]
    training: Training

    @property
    def metric(self) -> str:
        """Name of what is scored beside the loss."""
        return self.training.epochs[0].metric


def trainings(report: Report) -> list[Trained]:
    """Each training of a report once, whatever number of files it gave."""
    found: dict[Training, list[str]] = {}
    for each in report.artifacts:
        if each.training is not None and each.training.epochs:
            found.setdefault(each.training, []).append(f"{each.model} {each.variant}")
    return [Trained(names=tuple(dict.fromkeys(names)), training=training) for training, names in found.items()]


def curves(training: Training, title: str = "") -> Figure:
    """Both curves side by side, for a file."""
    figure, left = new_figure(WIDTH_IN, HEIGHT_IN, legend=LEGEND)
    area = left.get_position()
    gap = 0.09
    width = (area.width - gap) / 2
    left.set_position((area.x0, area.y0, width, area.height))
    right = figure.add_axes((area.x0 + width + gap, area.y0, width, area.height))
    _draw(left, training, _loss, "loss")
    _draw(right, training, _metric, training.epochs[0].metric)
    left.set_title(f"{title}: loss" if title else "Loss")
    right.set_title(training.epochs[0].metric.capitalize())
    for line in right.lines:
        line.set_label("_")  # the legend has it already
    legend_below(figure, left)
    return figure


def halves(trained: Trained) -> Iterator[Plot]:
    """Both curves, each in a figure that a narrow screen has room for."""
    for name, take in (("loss", _loss), (trained.metric, _metric)):
        figure, axes = new_figure(HALF_IN, HEIGHT_IN, legend=LEGEND)
        _draw(axes, trained.training, take, name)
        axes.set_title(name.capitalize())
        legend_below(figure, axes)
        yield Plot(name=f"{', '.join(trained.names)}: {name}", figure=figure, caption="")


def whole(report: Report) -> list[Plot]:
    """A figure for each training, for files."""
    return [
        Plot(
            name=f"training-{safe_name('-'.join(each.names))}",
            figure=curves(each.training, each.names[0]),
            caption=CAPTION,
        )
        for each in trainings(report)
    ]


def _loss(score: Score) -> float:
    return score.loss


def _metric(score: Score) -> float:
    return score.metric


def _draw(axes: Axes, training: Training, take: Callable[[Score], float], name: str) -> None:
    is_share = name == "accuracy"
    drawn: list[float] = []
    for series, color in (("train", COLORS[1]), ("validation", COLORS[0])):
        found = [(each.epoch, getattr(each, series)) for each in training.epochs]
        points = [(epoch, take(score)) for epoch, score in found if score is not None]
        label = "training" if series == "train" else series
        _line(axes, points, color, f"{label} {name}", label, is_share=is_share)
        drawn += [value for _, value in points]
    if training.float_score is not None:
        drawn.append(take(training.float_score))
        line = axes.axhline(drawn[-1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="float model")
        tip(line, f"float model: {name} {_text(drawn[-1], is_share=is_share)}")
    _mark_best(axes, training, take, name, is_share=is_share)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _scale(axes, drawn, is_share=is_share)


def _line(
    axes: Axes, points: Sequence[tuple[int, float]], color: str, name: str, label: str, *, is_share: bool
) -> None:
    if not points:
        return
    epochs, values = zip(*points, strict=True)
    (line,) = axes.plot(epochs, values, color=color, linewidth=1.4, label=label)
    tip(line, name)
    if len(points) <= MOST_DOTS:
        for epoch, value in points:
            dot(axes, epoch, value, color, text=f"epoch {epoch}: {name} {_text(value, is_share=is_share)}", size=3)


def _mark_best(axes: Axes, training: Training, take: Callable[[Score], float], name: str, *, is_share: bool) -> None:
    best = next((each for each in training.epochs if each.epoch == training.best), None)
    if best is None or best.validation is None:
        return
    value = take(best.validation)
    text = f"epoch {best.epoch} was written: validation {name} {_text(value, is_share=is_share)}"
    dot(axes, best.epoch, value, COLORS[0], text=text, size=8)


def _scale(axes: Axes, values: Sequence[float], *, is_share: bool) -> None:
    """Shares as percentages; other numbers by factors where they span many."""
    if is_share:
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.6g}%")
    elif values and min(values) > 0 and max(values) > WIDE * min(values):
        axes.set_yscale("log")
        log_ticks(axes.yaxis)


def _text(value: float, *, is_share: bool) -> str:
    return f"{value:.2%}" if is_share else f"{value:.4g}"
