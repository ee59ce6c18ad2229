"""Axes that can be read, whatever they show."""

from __future__ import annotations

import re

import pytest

from crossrt.reports.page.figures import legend_below, new_figure, svg_text
from crossrt.reports.page.plots.footprint import footprint
from crossrt.reports.page.plots.tradeoff import tradeoff
from crossrt.reports.page.ticks import MOST_TICKS, LogTicks, log_ticks
from crossrt.reports.verdicts.choice.pareto import fronts


@pytest.mark.parametrize(
    ("low", "high"),
    [(65.1, 65.9), (0.99, 1.02), (30, 90), (800_000, 3_200_000), (7, 60), (0.08, 45), (2, 2e6), (1e-9, 1e12)],
)
def test_a_logarithmic_axis_has_from_three_to_eight_ticks(low, high):
    ticks = LogTicks().tick_values(low, high)
    assert 3 <= len(ticks) <= MOST_TICKS
    assert all(low <= each <= high for each in ticks)


def test_ticks_follow_error_bars_and_are_written_in_full():
    figure, axes = new_figure(9, 4)
    axes.set_xscale("log")
    axes.errorbar([2_000_000], [1], xerr=[[1_999_900], [5_000_000_000]])
    log_ticks(axes.xaxis)
    figure.draw_without_rendering()
    shown = [tick.get_text() for tick in axes.get_xticklabels()]
    assert len(shown) >= 3
    assert "1,000,000" in shown


def test_a_front_with_wide_intervals_has_numbers_on_its_axis(make_result, make_report):
    report = make_report(*(make_result(f"int8@{name}", medians=[9e3, 4e5, 3e6]) for name in ("ort-cpu", "tflite")))
    plot = tradeoff(report, fronts(report)[0])
    plot.figure.draw_without_rendering()
    axes = plot.figure.axes[0]
    low, high = axes.get_xlim()
    assert sum(low <= each <= high for each in axes.get_xticks()) >= 3


def legend_box(figure):
    figure.draw_without_rendering()
    return figure.legends[0].get_window_extent().transformed(figure.transFigure.inverted())


@pytest.mark.parametrize("texts", [["ort-cpu"], [f"a-runtime-with-a-name-{number}" for number in range(9)]])
def test_a_legend_stays_inside_the_figure_and_below_its_axes(texts):
    figure, axes = new_figure(9, 4, legend=texts)
    axes.set_xlabel("ms")
    for text in texts:
        axes.plot([], [], "o", label=text)
    legend_below(figure, axes)
    box = legend_box(figure)
    assert box.x0 >= 0
    assert box.x1 <= 1
    assert box.y1 <= axes.get_position().y0 - 0.3 / figure.get_figheight()


def test_many_batch_sizes_are_all_named(make_result, make_report):
    sizes = [2**power for power in range(9)]
    plot = footprint(make_report(*(make_result("fp32@ort-cpu", batch_size=size) for size in sizes)))
    assert legend_box(plot.figure).x1 <= 1
    assert set(re.findall(r"batch \d+", svg_text(plot.figure))) == {f"batch {size}" for size in sizes}
