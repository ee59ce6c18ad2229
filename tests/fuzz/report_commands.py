"""Every command that reads reports, on reports that anybody may have written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

TO = ("asv", "bencher", "csv", "github-action-benchmark", "junit", "parquet", "pyperf", "pytest-benchmark")
FOLDERS = ("asv", "github-action-benchmark")
QUICK = ("show", "compare", "pareto", "advise", "csv")
"""Names of those that draw nothing and start nothing, for many mutants."""


def report_commands(report: Path, other: Path, out: Path) -> Iterator[tuple[str, list[str]]]:
    """A name and the arguments of each; `other` is a sound report to compare with."""
    history = ["--history", str(out / "history.sqlite")]
    one, two = str(report), str(other)
    yield "show", ["show", one]
    yield "show-json", ["show", one, "--format", "json"]
    yield "show-markdown", ["show", one, "--format", "markdown"]
    yield "show-pytest-benchmark", ["show", one, "--format", "pytest-benchmark"]
    yield "show-details", ["show", one, "--case", ""]
    yield "pareto", ["pareto", one]
    yield "advise", ["advise", one]
    for style in ("table", "markdown", "json", "junit"):
        yield "compare" if style == "table" else f"compare-{style}", ["compare", two, one, "--format", style]
    yield "compare-itself", ["compare", one, one]
    yield "markdown", ["report", one, "--markdown"]
    yield "html", ["report", one, "--html", str(out / "page.html")]
    yield "html-two", ["report", two, one, "--html", str(out / "changes.html")]
    yield "png", ["report", one, "--png", str(out / "png")]
    yield "svg", ["report", one, "--svg", str(out / "svg")]
    for name in TO:
        wanted = ["--out", str(out / name)] if name in (*FOLDERS, "parquet") else []
        yield name, ["report", one, "--to", name, *wanted]
    yield "history-add", ["history", "add", two, one, *history]
    yield "history-list", ["history", "list", *history]
    yield "history-trend", ["history", "trend", "latency_p50_ns", *history]
    yield "history-trend-page", ["history", "trend", "latency_p50_ns", "--html", str(out / "trend.html"), *history]
    yield "history-gate", ["history", "gate", one, *history]
    yield "history-export", ["history", "export", *history]
    yield "history-export-jsonl", ["history", "export", "--format", "jsonl", *history]
