"""The front of a search as a figure: bound of the loss against speed-up, with the size in the names."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from crossrt.analysis.search.result import Candidate, SearchReport
from crossrt.analysis.search.tables import PLOT, front_of
from crossrt.harness.search.ledger import write_atomically
from crossrt.reports.text.cells import unit_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW_IN = 0.16
"""Height of a candidate's name."""


def write_plot(report: SearchReport, folder: Path) -> None:
    """Writes `search.svg` and `search.png` into a folder; nothing without matplotlib, or without two numbers."""
    if any(importlib.util.find_spec(name) is None for name in ("matplotlib", "markupsafe")):
        return
    from crossrt.reports.page.figures import png_bytes, svg_text

    if (figure := drawn_front(report)) is None:
        return
    write_atomically(folder / f"{PLOT}.svg", svg_text(figure).encode())
    write_atomically(folder / f"{PLOT}.png", png_bytes(figure))


def drawn_front(report: SearchReport) -> Figure | None:
    """The figure; None where no candidate has both numbers."""
    timed = [each for each in report.candidates if each.loss is not None and each.speed is not None]
    return _drawn(report, timed) if timed else None


def _drawn(report: SearchReport, timed: list[Candidate]) -> Figure:
    from crossrt.reports.page.figures import COLORS, MUTED, dot, new_figure, shortened
    from crossrt.reports.page.plots.names import Named, name_points

    scale = 100 if report.metric.unit == "share" else 1
    unit = "pp" if report.metric.unit == "share" else unit_of(report.metric)
    front = front_of(report)
    names = {
        each.name: f"{shortened(each.name)}, {each.size_bytes / report.float_size_bytes:.0%} of size" for each in timed
    }
    figure, axes = new_figure(9.0, max(4.2, 0.9 + ROW_IN * len(names)), beside=list(names.values()))
    axes.set_title(f"{report.model}: candidates on {report.search_samples:,} samples")
    axes.set_xlabel("speed-up over float")
    axes.set_ylabel(f"loss of {report.metric.label} at most, {unit}".strip(", "))
    points: list[Named] = []
    for place, each in enumerate(sorted(timed, key=lambda each: -_upper(each))):
        assert each.speed is not None
        color = COLORS[place % len(COLORS)]
        x, y = each.speed.ratio, scale * _upper(each)
        axes.plot([each.speed.lower, each.speed.upper], [y, y], color=color, linewidth=0.8)
        dot(axes, x, y, color, is_filled=each.name in front, text=names[each.name], size=6.5)
        points.append(Named(x=x, y=y, name=names[each.name], color=color))
    axes.axhline(scale * report.allowed, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    least = report.budget.min_speedup
    axes.axvline(least if least is not None else 1.0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    name_points(axes, points)
    return figure


def _upper(each: Candidate) -> float:
    assert each.loss is not None
    return each.loss.upper
