"""Benchmark quantized models across inference runtimes, with numbers that can be believed.

    report = crossrt.bench("my.onnx", data="test.npz")
    for row in report:
        print(row.case, row.metrics["latency_p50_ns"])

Everything that crossrt raises is a `CrossrtError`. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossrt.analysis.bisection.record import BisectionReport
    from crossrt.analysis.search.result import SearchReport
    from crossrt.bisecting import bisect_runtime
    from crossrt.core.errors import CrossrtError
    from crossrt.exporters.inspection import Inspection
    from crossrt.harness.qat.request import ExportedPair, Trained
    from crossrt.measuring import bench, duel
    from crossrt.quantizing import Quantized, quantize
    from crossrt.reading import compare, inspect, load_report
    from crossrt.reports.schema.records import Duel, Report
    from crossrt.reports.verdicts.comparison.findings import Comparison
    from crossrt.searching import search
    from crossrt.training import export_quantized, qat, quantization_aware

__all__ = [
    "BisectionReport",
    "Comparison",
    "CrossrtError",
    "Duel",
    "ExportedPair",
    "Inspection",
    "Quantized",
    "Report",
    "SearchReport",
    "Trained",
    "bench",
    "bisect_runtime",
    "compare",
    "duel",
    "export_quantized",
    "inspect",
    "load_report",
    "qat",
    "quantization_aware",
    "quantize",
    "search",
]

_HOMES = {
    "BisectionReport": "crossrt.analysis.bisection.record",
    "Comparison": "crossrt.reports.verdicts.comparison.findings",
    "CrossrtError": "crossrt.core.errors",
    "Duel": "crossrt.reports.schema.records",
    "ExportedPair": "crossrt.harness.qat.request",
    "Inspection": "crossrt.exporters.inspection",
    "Quantized": "crossrt.quantizing",
    "Report": "crossrt.reports.schema.records",
    "SearchReport": "crossrt.analysis.search.result",
    "Trained": "crossrt.harness.qat.request",
    "bench": "crossrt.measuring",
    "bisect_runtime": "crossrt.bisecting",
    "compare": "crossrt.reading",
    "duel": "crossrt.measuring",
    "export_quantized": "crossrt.training",
    "inspect": "crossrt.reading",
    "load_report": "crossrt.reading",
    "qat": "crossrt.training",
    "quantization_aware": "crossrt.training",
    "quantize": "crossrt.quantizing",
    "search": "crossrt.searching",
}


def __getattr__(name: str) -> object:
    """Imports a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("crossrt")
    if name not in __all__:
        raise AttributeError(f"module 'crossrt' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
