"""What quantization did inside the files, and where the time of a call goes, as far as a report holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from crossrt.reports.schema.records import Artifact, KernelShares, LayerErrors, Report, Result, TensorError
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.text.cells import Cell, Sheet, counted
from crossrt.reports.text.tensor_names import short_name

MOST_ROWS: Final = 10
"""Rows of the worst tensors, divided among the files."""

KINDS: Final = ("integer", "hybrid", "float", "conversion", "layout")


def worst_tensors(report: Report) -> list[tuple[LayerErrors, TensorError]]:
    """The tensors of each file with the lowest signal-to-noise ratio, the lowest of all first."""
    each_file = max(1, MOST_ROWS // max(1, len(report.layers)))
    found = [(file, tensor) for file in report.layers for tensor in _worst(file.tensors)[:each_file]]
    return sorted(found, key=lambda pair: pair[1].sqnr_db or 0.0)[:MOST_ROWS]


def _worst(tensors: Iterable[TensorError]) -> list[TensorError]:
    """Those with noise, most of it first."""
    return sorted((each for each in tensors if each.sqnr_db is not None), key=lambda each: each.sqnr_db or 0.0)


def layer_sheet(report: Report) -> Sheet:
    """The worst tensors of the files that were diagnosed."""
    files = {artifact.id: artifact for artifact in report.artifacts}
    diagnosed = [files[each.artifact] for each in report.layers if each.artifact in files]
    variants = Counter(artifact.variant for artifact in diagnosed)
    rows = tuple(
        _row(files[file.artifact], tensor, variants) for file, tensor in worst_tensors(report) if file.artifact in files
    )
    samples = max((file.samples for file in report.layers), default=0)
    title = f"Worst tensors of {counted(len(report.layers), 'quantized file')} over {counted(samples, 'sample')}"
    columns = ("tensor", "of", "SQNR dB", "error %", "clipped %")
    dropped = ("clipped %", "error %")
    return Sheet(title=title, columns=columns, rows=rows, footer=(_LEGEND,), dropped_first=dropped, wrapped=("of",))


def _row(file: Artifact, tensor: TensorError, variants: Counter[str]) -> tuple[Cell, ...]:
    """The format is told where two files have one variant."""
    role = "" if tensor.role == "activation" else f" ({tensor.role})"
    cells = (
        short_name(tensor.tensor, file.model) + role,
        file.variant if variants[file.variant] == 1 else f"{file.variant}.{file.format}",
        f"{tensor.sqnr_db:.1f}",
        f"{100 * tensor.relative_error:.2f}",
        f"{100 * tensor.clipped:.3f}",
    )
    return tuple(Cell(text=text) for text in cells)


_LEGEND: Final = (
    "SQNR and error: compared with the float file; clipped: float values beyond the range of the integers. crossrt"
    " diagnose shows every tensor."
)


def kernel_time_sheet(report: Report, look: Lookup) -> Sheet:
    """Where the time of a call goes at the largest batch size, where the profiler's own time weighs least."""
    known = [(result, result.kernel_shares) for result in report.results if result.kernel_shares is not None]
    largest = max((scenario_of(result) for result, _ in known), default=None)
    rows = tuple(_shares(result, shares, look) for result, shares in known if scenario_of(result) == largest)
    title = f"Share of kernel time in %, batch {largest[0] if largest else 1}, under the profiler"
    dropped = ("layout", "hybrid", "kernels µs", "conversion")
    return Sheet(title=title, columns=("case", *KINDS, "kernels µs"), rows=rows, dropped_first=dropped)


def _shares(result: Result, shares: KernelShares, look: Lookup) -> tuple[Cell, ...]:
    parts = (Cell(text=f"{100 * getattr(shares, kind):.1f}" if getattr(shares, kind) else "·") for kind in KINDS)
    return Cell(text=look.label(result)), *parts, Cell(text=f"{shares.kernels_ns / 1000:.1f}")
