"""`crossrt.inspect`, `crossrt.load_report` and `crossrt.compare`: what is read from files, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossrt.exporters.inspection import Inspection
    from crossrt.reports.schema.records import Report
    from crossrt.reports.verdicts.comparison.findings import Comparison


def inspect(model: str | Path, *, allow_h5: bool = False) -> Inspection:
    """What a model file takes and gives; raises `CrossrtError` where it cannot be used."""
    from crossrt.harness.build.inspecting import inspect_model
    from crossrt.harness.build.project import model_path
    from crossrt.harness.run.arguments import path_in
    from crossrt.harness.run.given import python_words

    with python_words():
        return inspect_model(model_path(path_in("model", model)), allow_h5=allow_h5)


def load_report(path: str | Path) -> Report:
    """A saved report, of this version or an older one; raises `CrossrtError` where there is none.

    Args:
        path: A file, the folder of a run, or `latest` or `previous`: the newest run in `results`, the one before it.
    """
    from crossrt.harness.run.arguments import path_in
    from crossrt.harness.run.saved_runs import report_in
    from crossrt.reports.schema.files import read_report

    return read_report(report_in(path_in("path", path)))


def compare(
    baseline: Report | str | Path,
    current: Report | str | Path,
    *,
    margins: Sequence[str] = (),
    only: Sequence[str] = (),
) -> Comparison:
    """Did anything become worse? Findings with four-valued verdicts; `exit_code` is 1 where something did.

    Args:
        baseline: A report or where it is saved, as for `load_report`.
        current: What is judged.
        margins: `[CASES:]METRIC=PERCENT`, as on the command line.
        only: Patterns that select cases.

    Raises:
        CrossrtError: A report cannot be read, or a margin is not understood.
    """
    from crossrt.harness.run.arguments import names_in
    from crossrt.harness.run.given import python_words
    from crossrt.reports.schema.records import Report
    from crossrt.reports.verdicts.comparison.basis import Question
    from crossrt.reports.verdicts.comparison.compare import compare_reports
    from crossrt.reports.verdicts.comparison.rules import rules_with

    before, after = (each if isinstance(each, Report) else load_report(each) for each in (baseline, current))
    with python_words():
        question = Question(rules=rules_with(names_in("margins", margins)), only=names_in("only", only))
        return compare_reports(before, after, question)
