"""A report as a few plain tables and notes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.findings import batch_notes, caution_notes, disturbance_notes, graph_notes
from crossrt.reports.tables.latency import latency_sheet
from crossrt.reports.tables.layers import kernel_time_sheet, layer_sheet
from crossrt.reports.tables.lookup import ABSENT, Lookup, Scenario
from crossrt.reports.text.cells import Cell, Sheet, counted, microseconds, percent, share_with_interval

MOST_ROWS_OF_A_REASON = 2
MOST_MEMORY_COLUMNS = 3


class Summary:
    """Looks up metrics of a report and lays them out."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._look = Lookup(report)

    @cached_property
    def scenarios(self) -> list[Scenario]:
        """Batch size, threads and I/O mode of each group of cases, in order."""
        return list(dict.fromkeys(scenario_of(result) for result in self.report.results))

    @property
    def _outer_scenarios(self) -> list[Scenario]:
        """The smallest and the largest of many scenarios: a table has no room for all."""
        return self.scenarios if len(self.scenarios) <= MOST_MEMORY_COLUMNS else [self.scenarios[0], self.scenarios[-1]]

    def headline(self) -> list[str]:
        """What ran where, in a few lines."""
        run, environment = self.report.run, self.report.environment
        settings = run.settings
        versions = ", ".join(
            f"{name.removeprefix('runtime ')} {version}"
            for name, version in environment.packages.items()
            if name.startswith("runtime ")
        )
        pinned = "" if settings.pinned_cpu is None else f", pinned to CPU {settings.pinned_cpu}"
        lines = [
            f"run {run.id}, {run.status}, crossrt {run.crossrt_version}",
            f"{environment.cpu_model}, {len(environment.usable_cpus)} of {environment.logical_cpus} CPUs,"
            f" Linux {environment.kernel}, {environment.python}",
            f"{versions or 'no runtime'}; {counted(settings.rounds, 'round')} of"
            f" {counted(settings.blocks_per_round, 'block')} of calls{pinned},"
            f" seed {settings.seed}",
        ]
        if run.status == "interrupted":
            lines.append("INTERRUPTED: only the rounds that were finished are shown")
        return lines

    def sheets(self) -> list[Sheet]:
        """All tables that have rows."""
        sheets = [
            self.accuracy(),
            *(self.latency(scenario) for scenario in self.scenarios),
            self.startup(),
            kernel_time_sheet(self.report, self._look),
            layer_sheet(self.report),
            self.unmeasured(),
        ]
        return [sheet for sheet in sheets if sheet.rows]

    def notes(self) -> list[str]:
        """What a reader must know to read the tables."""
        baseline = self._look.label_of(self.report.run.settings.baseline)
        notes = [
            "* marks the best of a column; in p50 and digits/s also all that rounds and noise cannot tell from it. ± is"
            f" half of a 95% interval, ×÷ the factor of a wide one; {ABSENT} means not measured, or too few calls.",
            f"speed-up: times faster than {baseline}, paired block by block. Times are end to end, float32 in and out,"
            " unless the case says native.",
            "KB: size of the file. F1: mean over classes. change, agree, max diff: against the Keras model, in points"
            " of top-1, in share of digits with the same answer, and in the largest difference of a logit.",
        ]
        results = self.report.results
        notes += graph_notes(results, self._look.label) + batch_notes(results, self._look.label)
        return notes + disturbance_notes(self.report) + caution_notes(self.report)

    def accuracy(self) -> Sheet:
        """Size and accuracy, once per artifact and runtime: another batch size rarely changes answers, and is noted."""
        results = [result for result in self._first_of_each_subject() if result.status != "skipped"]
        shown = ("size_bytes", "top1", "agreement_fp32")
        sound = [result for result in results if result.status == "ok"]
        best = {name: self._look.extreme(name, sound) for name in shown}
        rows = [
            (
                Cell(text=self._look.label(result)),
                self._look.cell(result, "size_bytes", lambda m: f"{m.value / 1000:.1f}", best),
                self._look.cell(result, "top1", share_with_interval, best),
                Cell(text=self._change(result)),
                self._look.cell(result, "macro_f1", percent, best),
                self._look.cell(result, "agreement_fp32", percent, best),
                self._look.cell(result, "max_abs_error", lambda m: f"{m.value:.2g}", best),
            )
            for result in results
        ]
        columns = ("case", "KB", "top-1 %", "change", "F1 %", "agree %", "max diff")
        return Sheet(title=f"Size and accuracy{self._samples()}", columns=columns, rows=tuple(rows))

    def latency(self, scenario: Scenario) -> Sheet:
        """Steady state of one scenario."""
        return latency_sheet(self._look, scenario)

    def startup(self) -> Sheet:
        """Load, first inference and memory."""
        results = [result for result in self.report.results if result.status == "ok"]
        subjects = list(dict.fromkeys(result.case.partition("/")[0] for result in results))
        by_subject = {
            subject: {scenario_of(r): r for r in results if r.case.partition("/")[0] == subject} for subject in subjects
        }
        rows = [self._startup_row(cases) for cases in by_subject.values()]
        memory = [f"peak MB b{batch_size}" for batch_size, _, _ in self._outer_scenarios]
        columns = ("case", "load ms", "first run µs", *memory)
        batch_size = self.scenarios[0][0] if self.scenarios else 1
        return Sheet(title=f"Start-up (batch {batch_size}) and peak memory", columns=columns, rows=tuple(rows))

    def _startup_row(self, cases: Mapping[Scenario, Result]) -> tuple[Cell, ...]:
        first = next(iter(cases.values()))
        memory = [
            self._look.cell(cases[scenario], "peak_memory_bytes", lambda m: f"{m.value / 1e6:.1f}", {})
            if scenario in cases
            else Cell(text=ABSENT)
            for scenario in self._outer_scenarios
        ]
        return (
            Cell(text=self._look.label(first)),
            self._look.cell(first, "load_ns", lambda m: f"{m.value / 1e6:.2f}", {}),
            self._look.cell(first, "first_run_ns", microseconds, {}),
            *memory,
        )

    def unmeasured(self) -> Sheet:
        """Cases without a result, and why; many of one runtime with one reason share a row."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for result in self.report.results:
            if result.status != "ok":
                reason = result.reason or "no reason is known"
                groups.setdefault((result.runtime, result.status, reason), []).append(result.case)
        rows = [
            (Cell(text=name), Cell(text=status), Cell(text=reason))
            for (runtime, status, reason), cases in groups.items()
            for name in (cases if len(cases) <= MOST_ROWS_OF_A_REASON else [f"{len(cases)} cases on {runtime}"])
        ]
        return Sheet(title="Not measured", columns=("case", "status", "reason"), rows=tuple(rows), is_text=True)

    def _first_of_each_subject(self) -> list[Result]:
        found: dict[str, Result] = {}
        for result in self.report.results:
            subject = result.case.partition("/")[0]
            if subject not in found or (found[subject].accuracy is None and result.accuracy is not None):
                found[subject] = result
        return list(found.values())

    def _samples(self) -> str:
        counts = {result.accuracy.samples for result in self.report.results if result.accuracy}
        return f" on {max(counts):,} test digits, batch {self.scenarios[0][0]}" if counts else ""

    def _change(self, result: Result) -> str:
        accuracy = result.accuracy
        if accuracy is None or accuracy.reference_correct is None:
            return ABSENT
        return f"{100 * (accuracy.correct - accuracy.reference_correct) / accuracy.samples:+.2f}"
