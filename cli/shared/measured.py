"""What becomes of a report that was just measured: where it is kept, what is made of it, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from crossrt.cli.exit_codes import INTERRUPTED
from crossrt.cli.shared.saving import Saved
from crossrt.harness.run.saved_runs import report_in
from crossrt.reports.exchange import ci_files
from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.definitions import ANSWERS
from crossrt.reports.text.patterns import case_matches
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.comparison.findings import Comparison
from crossrt.reports.verdicts.comparison.rules import Rule, check_rules, rules_with

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(slots=True, kw_only=True)
class Measured:
    """A report to come, and what it is compared with.

    Attributes:
        out: Folder of all runs.
        ci: Folder of the files of a CI job, in place of a run's own.
        baseline: Read before anything is measured: it may lie where the new report will.
        rules: Margins that overrule those of the metrics.
        only: What was chosen to be measured: other cases of the baseline have not vanished.
        saved: Where the report is.
    """

    out: Path
    ci: Path | None
    baseline: Report | None
    rules: tuple[Rule, ...]
    only: tuple[str, ...]
    saved: Saved = field(default_factory=Saved)

    @classmethod
    def planned(
        cls, out: Path, ci: Path | None, against: Path | None, margins: Sequence[str], only: tuple[str, ...]
    ) -> Self:
        """Reads the baseline; raises `ReportError` where that cannot be done, or it has no such metric."""
        if against is None and ci is not None and (ci / ci_files.BASELINE).exists():
            against = ci / ci_files.BASELINE
        baseline, rules = None if against is None else read_report(report_in(against)), rules_with(margins)
        if baseline is not None:
            check_rules(rules, (*baseline.definitions, ANSWERS))
        return cls(out=out, ci=ci, baseline=baseline, rules=rules, only=only)

    @property
    def path(self) -> Path:
        """The file that holds the report."""
        return self.saved.path

    def checkpoint(self, report: Report) -> None:
        """Saves what is finished so far; what was made of an earlier report is gone with that."""
        write_report(report, self._place(report))
        if self.ci is not None:
            ci_files.remove_rendered(self.ci)

    def keep(self, report: Report) -> None:
        """Saves it; what was made of an earlier report is gone with that."""
        self.saved.write(report, self._place(report))
        if self.ci is not None:
            ci_files.remove_rendered(self.ci)

    def _place(self, report: Report) -> Path:
        from crossrt.harness.run.bench import report_path

        return self.ci / ci_files.REPORT if self.ci else report_path(self.out, report)

    def finish(self, report: Report, console: Console, *, prints_json: bool = False) -> int:
        """Compares, writes and prints what was asked for; returns the exit code.

        Args:
            report: What was measured.
            console: Where the comparison goes.
            prints_json: Whether standard output holds JSON, so that no line may join it.
        """
        if report.run.status == "interrupted":
            return 1 if report.run.broken_off else INTERRUPTED
        comparison = self._compared(report)
        if comparison is not None:
            _show(comparison, console)
        if self.ci is not None:
            _write(self.ci, report, comparison)
            click.echo(f"verdict: {ci_files.verdict_of(report, comparison)}", err=prints_json)
        if ci_files.has_failed(report) or self.saved.is_elsewhere:
            return 1
        return 0 if comparison is None else comparison.exit_code

    def _compared(self, report: Report) -> Comparison | None:
        if self.baseline is None:
            return None
        is_chosen = any(case_matches(pattern, result) for pattern in self.only for result in report.results)
        question = Question(rules=self.rules, only=self.only if is_chosen else ())
        return compare_reports(self.baseline, report, question)


def _show(comparison: Comparison, console: Console) -> None:
    from crossrt.reports.verdicts.comparison.render import print_comparison

    console.print()
    print_comparison(comparison, console)


def _write(folder: Path, report: Report, comparison: Comparison | None) -> None:
    from crossrt.cli.shared.step_summary import add_to_step_summary
    from crossrt.reports.tables.pull_request import pull_request_comment

    if (problem := ci_files.write_rendered(folder, report, comparison)) is not None:
        click.echo(f"crossrt: {folder / ci_files.PAGE} was not made: {problem}", err=True)
    add_to_step_summary(pull_request_comment(report, comparison))
