"""How a comparison's times changed, with intervals and margins."""

from __future__ import annotations

from typing import Final

from crossrt.reports.page.figures import COLORS, GRID, INK, MUTED, dot, new_figure, shortened
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding
from crossrt.reports.verdicts.comparison.sheets import metric_label

ROW_IN: Final = 0.3
MOST_ROWS: Final = 60
FARTHEST: Final = 2.0
TONES: Final = {"worse": COLORS[1], "better": COLORS[2], "same": COLORS[0], "inconclusive": MUTED}
CAPTION: Final = (
    "Current over baseline, in percent; right of 0 is slower. Bars are intervals that hold for all times at once; the"
    " small upright line is the margin. A case fails where its whole bar lies beyond the margin."
)


def changes(comparison: Comparison) -> Plot | None:
    """A row for each judged time, the worst first; None where none was judged."""
    timed = [each for each in comparison.findings if each.unit == "ns" and each.change is not None]
    if not timed:
        return None
    shown = timed[:MOST_ROWS]
    labels = [f"{shortened(_name(each))}  {metric_label(each)}: {each.word}" for each in shown]
    figure, axes = new_figure(WIDTH_IN, 0.95 + ROW_IN * len(shown), names=labels)
    axes.axvline(0, color=INK, linewidth=1)
    for row, finding in enumerate(shown):
        change, lower, upper = (_percent(each) for each in (finding.change, finding.lower, finding.upper))
        color = TONES[finding.verdict]
        axes.plot([lower, upper], [row, row], color=color, linewidth=2.2, solid_capstyle="butt")
        if finding.margin is not None:
            axes.plot([100 * finding.margin] * 2, [row - 0.35, row + 0.35], color=MUTED, linewidth=1.2)
        dot(axes, change, row, color, text=_tip(finding, _name(finding)))
    axes.set_yticks(range(len(shown)), labels)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=GRID)
    axes.set_xlabel("change, %")
    left_out = f" The {len(shown)} worst of {len(timed)} are shown." if len(shown) < len(timed) else ""
    return Plot(name="changes", figure=figure, caption=CAPTION + left_out)


def _name(finding: Finding) -> str:
    return finding.name or finding.case


def _percent(share: float | None) -> float:
    return 100 * min(max(share or 0.0, -FARTHEST), FARTHEST)


def _tip(finding: Finding, name: str) -> str:
    change, lower, upper = (f"{_percent(each):+z.1f}" for each in (finding.change, finding.lower, finding.upper))
    return f"{name}: {change}% [{lower}, {upper}]"
