"""Which kinds of kernels each case runs."""

from __future__ import annotations

from typing import Final

from reports.lookup import Lookup
from reports.page.figures import COLORS, MUTED, new_figure, tip
from reports.page.plots.plot import WIDTH_IN, Plot
from reports.schema import Report, Result

ROW_IN: Final = 0.27
KINDS: Final = {
    "integer": COLORS[2],
    "hybrid": COLORS[0],
    "float": COLORS[1],
    "conversion": COLORS[5],
    "layout": MUTED,
}
CAPTION: Final = (
    "Kernels that one call runs. integer: computes on integers; hybrid: on floats with integer weights; conversion:"
    " only quantizes, dequantizes or casts; layout: moves data. A quantized file with float kernels has lost a fusion."
)


def kernels(report: Report) -> Plot | None:
    """A bar for each file and runtime at its smallest batch size; None where no runtime told its kernels."""
    look = Lookup(report)
    counted: dict[str, Result] = {}
    for result in report.results:
        if result.kernels is not None:
            counted.setdefault(look.label(result), result)
    if not counted:
        return None
    figure, axes = new_figure(WIDTH_IN, 1.0 + ROW_IN * len(counted))
    for row, (name, result) in enumerate(counted.items()):
        start = 0
        for kind, color in KINDS.items():
            number = getattr(result.kernels, kind)
            (bar,) = axes.barh(row, number, left=start, height=0.6, color=color, label=None if row else kind)
            if number:
                axes.text(start + number / 2, row, str(number), ha="center", va="center", fontsize=8, color="white")
                tip(bar, f"{name}: {number} {kind}")
            start += number
    axes.set_yticks(range(len(counted)), list(counted))
    axes.set_ylim(len(counted) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_title("Kernels of one call")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.1), ncols=5, borderaxespad=0)
    return Plot(name="kernels", figure=figure, caption=CAPTION)
