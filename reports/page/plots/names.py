"""Names of points, right of the axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np
from matplotlib.axes import Axes

LEAST_GAP: Final = 0.065
"""Between two names, as a share of the height."""
LINES_END: Final = 1.015
"""Where lines to names end, as a share of the width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A point that gets a name.

    Attributes:
        x: In numbers of the axes, as is `y`.
        y: See `x`.
        name: What is written.
        color: Of the name and of the line to the point.
    """

    x: float
    y: float
    name: str
    color: str


def name_points(axes: Axes, points: Sequence[Named]) -> None:
    """Names right of the axes, each with a line to its point; the limits of the axes are final from here on."""
    if not points:
        return
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    places = [axes.transAxes.inverted().transform(axes.transData.transform((each.x, each.y))) for each in points]
    box = axes.get_window_extent()
    rows = label_rows([(float(x), float(y)) for x, y in places], box.width / box.height)
    for each, (x, y), row in zip(points, places, rows, strict=True):
        ends = ([x, LINES_END], [y, row])
        axes.plot(*ends, color=each.color, linewidth=0.7, alpha=0.5, transform=axes.transAxes, clip_on=False, zorder=0)
        axes.text(
            LINES_END + 0.005, row, each.name, transform=axes.transAxes, va="center", fontsize=8, color=each.color
        )


def label_rows(points: Sequence[tuple[float, float]], aspect: float) -> list[float]:
    """The height of each point's name, so that no two of the lines to them cross.

    Two lines that cross become shorter in total where they exchange their rows, by the triangle inequality, so none do
    where the total length is the least.

    Args:
        points: Places in the axes, as shares of their width and height.
        aspect: Width over height of the axes.
    """
    from scipy.optimize import linear_sum_assignment  # its import takes long, and only this needs it

    places = np.array(points)
    rows = np.array(spread(sorted(places[:, 1], reverse=True)))
    lengths = np.hypot((LINES_END - places[:, :1]) * aspect, places[:, 1:] - rows)
    return [float(each) for each in rows[linear_sum_assignment(lengths)[1]]]


def spread(wanted: Sequence[float]) -> list[float]:
    """Places from top to bottom, as near as can be to those asked for, none closer than the least gap.

    Places of least squares: neighbours that are too close become a group around its mean.
    """
    gap = min(LEAST_GAP, 1 / max(len(wanted) - 1, 1))
    groups: list[list[float]] = []
    for place, each in enumerate(wanted):
        groups.append([each + place * gap])
        while len(groups) > 1 and fmean(groups[-2]) < fmean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    level = [fmean(group) for group in groups for _ in group]
    places = [each - place * gap for place, each in enumerate(level)]
    lowest = [(len(places) - 1 - place) * gap for place in range(len(places))]
    return [min(max(each, low), 1 - place * gap) for place, (each, low) in enumerate(zip(places, lowest, strict=True))]
