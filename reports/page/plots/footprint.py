"""Size of the file and peak memory, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossrt.reports.page.figures import COLORS, dot, legend_below, new_figure, shortened, tip
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.tables.lookup import Lookup

ROW_IN: Final = 0.27
GAP: Final = 0.06
CAPTION: Final = (
    "Left: the model file. Right: the peak memory of a fresh process, Python and runtime included, at each"
    " batch size; the hollow mark is the same process before it loaded the model."
)


def footprint(report: Report) -> Plot | None:
    """A row for each file and runtime; None where nothing was measured."""
    look = Lookup(report)
    subjects: dict[str, list[Result]] = {}
    for result in report.results:
        if result.status == "ok" and (result.memory is not None or look.metric(result, "size_bytes")):
            subjects.setdefault(look.label(result), []).append(result)
    if not subjects:
        return None
    names = [shortened(name) for name in subjects]
    batches = sorted({result.batch_size for result in report.results})
    labels = [f"batch {batch}" for batch in batches]
    figure, left = new_figure(WIDTH_IN, 1.1 + ROW_IN * len(subjects), names=names, legend=labels)
    right = _second_half(figure, left)
    for row, (name, results) in enumerate(subjects.items()):
        _size(left, look, row, name, results[0])
        for result in sorted(results, key=lambda result: -result.batch_size):
            _memory(right, row, name, result, _color(result.batch_size, batches))
    left.set_yticks(range(len(subjects)), names)
    left.set_ylim(len(subjects) - 0.5, -0.5)
    left.set_title("Size of the file, KB")
    right.set_title("Peak memory, MB")
    for axes in (left, right):
        axes.grid(visible=False, axis="y")
    for batch, label in zip(batches, labels, strict=True):
        right.plot([], [], "o", color=_color(batch, batches), label=label)
    legend_below(figure, right)
    right.set_xlim(left=0)
    return Plot(name="size-memory", figure=figure, caption=CAPTION)


def _color(batch_size: int, batches: Sequence[int]) -> str:
    """Of a batch size; the first colours are those of runtimes."""
    return COLORS[(3 + batches.index(batch_size)) % len(COLORS)]


def _second_half(figure: Figure, left: Axes) -> Axes:
    """Further axes in the right half of the place of the first, with the same rows."""
    place = left.get_position()
    width = (place.width - GAP) / 2
    left.set_position((place.x0, place.y0, width, place.height))
    right = figure.add_axes((place.x0 + width + GAP, place.y0, width, place.height), sharey=left)
    right.tick_params(labelleft=False)
    return right


def _size(axes: Axes, look: Lookup, row: int, name: str, result: Result) -> None:
    if metric := look.metric(result, "size_bytes"):
        kilobytes = metric.value / 1000
        (bar,) = axes.barh(row, kilobytes, height=0.6, color=COLORS[0])
        axes.annotate(
            f"{kilobytes:,.1f}", (kilobytes, row), (3, 0), textcoords="offset points", va="center", fontsize=8
        )
        tip(bar, f"{name}: {kilobytes:,.1f} KB")


def _memory(axes: Axes, row: int, name: str, result: Result, color: str) -> None:
    if result.memory is None:
        return
    before, peak = result.memory.before_load_bytes / 1e6, result.memory.peak_bytes / 1e6
    axes.plot([before, peak], [row, row], color=color, linewidth=1)
    dot(axes, before, row, color, is_filled=False, size=4)
    dot(axes, peak, row, color, text=f"{name}, batch {result.batch_size}: {peak:.1f} MB")
