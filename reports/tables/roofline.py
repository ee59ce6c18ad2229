"""Which share of the machine's limits calls and kernels reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from crossrt.reports.schema.records import Report
from crossrt.reports.schema.roofline import Limits
from crossrt.reports.statistics.roofline import Point, attainable, is_bound_by_memory, peak_of, point_of
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.text.cells import Cell, Sheet, counted, listed

COLUMNS: Final = ("MMAC", "KB", "GOP/s", "% of peak", "% of roof", "roof")
NAMES: Final = {"float32": "fp32", "bfloat16": "bf16", "int8": "int8"}


def points_of(report: Report) -> list[tuple[str, str, Point]]:
    """Name, runtime and place of each case that was timed and counted; of several batch sizes, the name says which."""
    if report.roofline is None:
        return []
    look, work = Lookup(report), {each.artifact: each for each in report.roofline.work}
    several = len({result.batch_size for result in report.results}) > 1
    found = []
    for result in report.results:
        latency = look.metric(result, "latency_p50_ns")
        if latency is not None and (done := work.get(result.artifact)) is not None and done.macs:
            name = look.label(result) + (f" b{result.batch_size}" if several else "")
            found.append((name, result.runtime, point_of(done, result.batch_size, latency.value / 1e9)))
    return found


def roofline_sheet(report: Report) -> Sheet:
    """Each case that was timed; no rows where nothing was counted."""
    limits = report.roofline.limits if report.roofline else None
    points = points_of(report)
    rows = tuple((Cell(text=name), *point_cells(limits, point)) for name, _, point in points) if limits else ()
    footer = tuple(limit_lines(limits)) if limits and rows else ()
    return Sheet(
        title="How near to the limits of this machine",
        columns=("case", *COLUMNS),
        rows=rows,
        dropped_first=("KB", "MMAC", "% of roof"),
        footer=footer,
    )


def point_cells(limits: Limits, point: Point) -> tuple[Cell, ...]:
    """What a point is in numbers, in the order of `COLUMNS`."""
    peak, roof, by_memory = peak_of(limits, point.dtype), attainable(limits, point), is_bound_by_memory(limits, point)
    tops = (peak.ops_per_s if peak else None, roof)
    shares = [None if each is None else 100 * point.ops_per_s / each for each in tops]
    bound = "no peak" if by_memory is None else "memory" if by_memory else NAMES[point.dtype]
    texts = (
        f"{point.ops / 2e6:,.3g}" if point.ops < 2e9 else f"{point.ops / 2e6:,.0f}",
        f"{point.bytes / 1000:,.1f}",
        f"{point.ops_per_s / 1e9:,.1f}",
        *(ABSENT if share is None else f"{share:.1f}" for share in shares),
        bound,
    )
    return tuple(Cell(text=text) for text in texts)


def limit_lines(limits: Limits) -> Iterator[str]:
    """The limits themselves, and how to read the shares."""
    peaks = [f"{NAMES[each.dtype]} {each.ops_per_s / 1e9:,.0f} GOP/s ({each.by})" for each in limits.peaks]
    yield (
        f"limits with {counted(limits.threads, 'thread')}: {listed(peaks)}; memory"
        f" {limits.bandwidth_bytes_per_s / 1e9:,.1f} GB/s (numpy copy)"
    )
    yield (
        "MMAC: millions of multiply-accumulates of convolutions and matrix products, 2 operations each; KB: weights,"
        " inputs and outputs once; roof: the lower of the peak and of what memory can feed"
    )
    if limits.missing:
        yield f"not measured: {'; '.join(limits.missing)}"


def uncounted_notes(report: Report) -> Iterator[str]:
    """Files with operators whose work is not known: their shares are too low."""
    for each in report.roofline.work if report.roofline else ():
        if each.uncounted:
            yield f"{each.artifact}: the work of {listed(each.uncounted)} is not counted, so its shares are too low"


def kernel_rows(
    limits: Limits, kernels: Sequence[tuple[str, str, float, Point | None]]
) -> tuple[tuple[Cell, ...], ...]:
    """Rows of kernels: operator, what it computes on, time in nanoseconds, and its place where it has MACs."""
    rows = []
    for operator, kind, duration_ns, point in kernels:
        cells = point_cells(limits, point) if point is not None else (Cell(text=ABSENT),) * len(COLUMNS)
        rows.append((Cell(text=operator), Cell(text=kind), Cell(text=f"{duration_ns / 1000:,.1f}"), *cells))
    return tuple(rows)
