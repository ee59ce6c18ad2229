"""Which kinds of kernels each case runs, and where the time of a call goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes

from crossrt.reports.page.figures import COLORS, MUTED, PAPER, legend_below, new_figure, shortened, tip
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.tables.layers import KINDS
from crossrt.reports.tables.lookup import Lookup

ROW_IN: Final = 0.27
_COLORS: Final = dict(zip(KINDS, (COLORS[2], COLORS[0], COLORS[1], COLORS[5], MUTED), strict=True))
_LEAST_WRITTEN: Final = 0.04
"""A part of the whole axis below which its number has no room."""

CAPTION: Final = (
    "Kernels that one call runs. integer: computes on integers; hybrid: on floats with integer weights; conversion:"
    " only quantizes, dequantizes or casts; layout: moves data. A statically quantized file with float kernels has"
    " unfused operators; dynamic, weight-only and float16 ones are meant to have some."
)
SHARES: Final = (
    "Share of each kind in the time of the kernels at the largest batch size, for runtimes with a profiler. Its own"
    " time weighs on small kernels, and one look is not a measurement: two equal files may differ by percentage points."
)


def kernels(report: Report) -> Plot | None:
    """A bar for each file and runtime at its smallest batch size; None where no runtime reported its kernels."""
    look = Lookup(report)
    found = _first_of_each(look, [result for result in report.results if result.kernels is not None])
    counts = {name: [getattr(result.kernels, kind) for kind in KINDS] for name, result in found.items()}
    return _bars("kernels", "Kernels of one call", CAPTION, counts, str)


def kernel_time(report: Report) -> Plot | None:
    """A bar for each file and runtime at its largest batch size; None where nothing was profiled."""
    look = Lookup(report)
    timed = [result for result in report.results if result.kernel_shares is not None]
    found = _first_of_each(look, sorted(timed, key=lambda result: -result.batch_size))
    shares = {name: [100 * getattr(result.kernel_shares, kind) for kind in KINDS] for name, result in found.items()}
    return _bars("kernel-time", "Share of kernel time, %", SHARES, shares, lambda share: f"{share:.0f}")


def _first_of_each(look: Lookup, results: Sequence[Result]) -> dict[str, Result]:
    found: dict[str, Result] = {}
    for result in results:
        found.setdefault(look.label(result), result)
    return found


def _bars(
    name: str, title: str, caption: str, parts: Mapping[str, Sequence[float]], text: Callable[[float], str]
) -> Plot | None:
    if not parts:
        return None
    names = [shortened(case) for case in parts]
    figure, axes = new_figure(WIDTH_IN, 1.2 + ROW_IN * len(parts), names=names, legend=KINDS)
    longest = max(sum(numbers) for numbers in parts.values())
    for row, (case, numbers) in enumerate(parts.items()):
        _bar(axes, row, case, numbers, text, longest)
    axes.set_yticks(range(len(parts)), names)
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_title(title)
    legend_below(figure, axes)
    return Plot(name=name, figure=figure, caption=caption)


def _bar(
    axes: Axes, row: int, case: str, numbers: Sequence[float], text: Callable[[float], str], longest: float
) -> None:
    start = 0.0
    for kind, number in zip(KINDS, numbers, strict=True):
        (part,) = axes.barh(row, number, left=start, height=0.6, color=_COLORS[kind], label=None if row else kind)
        if number:
            tip(part, f"{case}: {text(number)} {kind}")
        if number > _LEAST_WRITTEN * longest:
            axes.text(start + number / 2, row, text(number), ha="center", va="center", fontsize=8, color=PAPER)
        start += number
