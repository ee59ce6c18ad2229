"""A report as warnings, a few plain tables, notes and a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.accuracy import accuracy_sheet, hollow_notes
from crossrt.reports.tables.emulated import Answered, emulated_notes, emulated_sheet
from crossrt.reports.tables.evidence import evidence_notes, evidence_sheet
from crossrt.reports.tables.findings import batch_notes, caution_notes, disturbance_notes, graph_notes
from crossrt.reports.tables.headline import headline, rounds_text
from crossrt.reports.tables.latency import latency_sheet
from crossrt.reports.tables.layers import kernel_time_sheet, layer_sheet
from crossrt.reports.tables.lookup import ABSENT, Lookup, Scenario
from crossrt.reports.tables.roofline import roofline_sheet, uncounted_notes
from crossrt.reports.tables.scenarios import scenario_sheets
from crossrt.reports.tables.sweep import MOST_SEPARATE, sweep_sheets
from crossrt.reports.text.cells import Cell, Sheet, counted, listed
from crossrt.reports.text.labels import runtime_text
from crossrt.reports.verdicts.exclusive import exclusive_notes

MOST_ROWS_OF_A_REASON: Final = 2
MOST_MEMORY_COLUMNS: Final = 3
MOST_NOTES: Final = 6
NO_TASK: Final = "none"
"""Of a report in which nothing was scored: of callables, or because no case has answered."""


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

    def warnings(self) -> list[str]:
        """What speaks against believing what follows."""
        lines = caution_notes(self.report)
        if self.report.run.status == "interrupted":
            lines.append("INTERRUPTED: only the rounds that were finished are shown")
        return lines

    def headline(self) -> list[str]:
        """What was measured on what data, where and how, in a few lines."""
        run, environment = self.report.run, self.report.environment
        settings = run.settings
        versions = ", ".join(
            runtime_text(name.removeprefix("runtime "), version)
            for name, version in environment.packages.items()
            if name.startswith("runtime ")
        )
        pinned = "" if settings.pinned_cpu is None else f", pinned to CPU {settings.pinned_cpu}"
        return [
            f"{self._subject()}; {self._data()}",
            f"run {run.id}, {run.status}, crossrt {run.crossrt_version}",
            f"{environment.cpu_model}, {len(environment.usable_cpus)} of {environment.logical_cpus} CPUs,"
            f" Linux {environment.kernel}, {environment.python}",
            f"{versions or 'no runtime'}; {rounds_text(self.report)}{pinned}, seed {settings.seed}",
        ]

    def _subject(self) -> str:
        models = dict.fromkeys(artifact.model for artifact in self.report.artifacts)
        if not models:
            return "no model file"
        sizes = [f"{name}={size}" for name, size in self.report.dimensions.items()]
        word = "model" if len(models) == 1 else "models"
        return f"{word} {listed(list(models), 4)}" + (f" ({', '.join(sizes)})" if sizes else "")

    def _data(self) -> str:
        data, task = self.report.data, self.report.task
        if task == NO_TASK and not data.samples:
            return "no data: only times are measured"
        samples = counted(data.samples, "sample") if data.samples else "no samples"
        scored = "no answers to compare" if task == NO_TASK else f"task {task}"
        if data.is_random:
            return f"{samples} of random inputs, {scored}"
        return f"data {data.name} ({samples}), {scored}"

    def verdict(self) -> list[str]:
        """Which case is fastest, and what that costs."""
        return headline(self.report)

    def sheets(self) -> list[Sheet]:
        """All tables that have rows."""
        sheets = [
            self.accuracy(),
            *self._latencies(),
            *scenario_sheets(self._look),
            self.startup(),
            kernel_time_sheet(self.report, self._look),
            layer_sheet(self.report),
            roofline_sheet(self.report),
            evidence_sheet(self.report),
            emulated_sheet(self._emulated),
            self.unmeasured(),
        ]
        return [sheet for sheet in sheets if sheet.rows]

    def _latencies(self) -> list[Sheet]:
        """A table of each scenario; of a sweep over many, one of each case."""
        if len(self.scenarios) <= MOST_SEPARATE:
            return [self.latency(scenario) for scenario in self.scenarios]
        return sweep_sheets(self._look)

    def notes(self, most: int | None = MOST_NOTES) -> list[str]:
        """What a reader must know to read the tables.

        Args:
            most: How many notes there is room for; None gives all.
        """
        notes = [*self._legend(), *self._found()]
        if most is None or len(notes) <= most:
            return notes
        return [*notes[: most - 1], f"{len(notes) - most + 1} more notes: crossrt show REPORT"]

    def _legend(self) -> Iterator[str]:
        """What the signs and columns mean that the tables have."""
        sheets = self.sheets()
        cells = [cell for sheet in sheets if not sheet.is_text for row in sheet.rows for cell in row[1:]]
        signs = (
            ("* best of its column, or statistically indistinguishable from it", any(cell.best for cell in cells)),
            ("± half of a 95% interval", any("±" in cell.text for cell in cells)),
            ("×÷2 from half of the value to twice it", any("×÷" in cell.text for cell in cells)),
            (f"{ABSENT} not measured, or too few calls", any(cell.text == ABSENT for cell in cells)),
        )
        if used := [meaning for meaning, is_used in signs if is_used]:
            yield "; ".join(used)
        compared_times = {each.case for each in self.report.results if each.subject != self._look.baseline}
        if any(metric.name == "speedup_p50" and metric.case in compared_times for metric in self.report.metrics):
            yield (
                f"speed-up: over {self._look.label_of(self._look.baseline)}, paired block by block, end to end;"
                " what is best or indistinguishable, and changes of answers, are judged at 99%"
            )
        columns = {column for sheet in sheets for column in sheet.columns}
        compared = [name for name in ("change", "agreement", "error") if {name, f"{name} %"} & columns]
        if compared and self.report.reference is not None and not self.report.data.is_random:
            yield f"{_and(compared)}: compared with {self.report.reference}"

    @property
    def _emulated(self) -> Answered:
        return Answered(rows=self.report.emulated, definitions=self.report.definitions)

    def _found(self) -> Iterator[str]:
        yield from emulated_notes(self._emulated)
        yield from uncounted_notes(self.report)
        yield from evidence_notes(self.report)
        yield from graph_notes(self.report, self._look.label)
        yield from batch_notes(self.report, self._look.label)
        yield from exclusive_notes(self.report)
        yield from disturbance_notes(self.report)
        yield from hollow_notes({each.id: each.quantization for each in self.report.artifacts})
        yield from (f"left out: {each}" for each in self.report.left_out)

    def accuracy(self) -> Sheet:
        """Size and accuracy, once per artifact and runtime: another batch size rarely changes answers, and is noted."""
        found = self._first_of_each_subject()
        results = [result for result in found if result.status != "skipped" or result.evaluation is not None]
        return accuracy_sheet(self._look, results)

    def latency(self, scenario: Scenario) -> Sheet:
        """Steady state of one scenario."""
        return latency_sheet(self._look, scenario)

    def startup(self) -> Sheet:
        """Model load, first inference and memory."""
        by_subject: dict[str, dict[Scenario, Result]] = {}
        for result in self.report.results:
            if result.status == "ok":
                by_subject.setdefault(result.subject, {})[scenario_of(result)] = result
        memory = [self._memory_title(scenario) for scenario in self._outer_scenarios]
        first, activations = (self._look.title(name) for name in ("first_inference_ns", "activation_bytes"))
        batch_size = self.scenarios[0][0] if self.scenarios else 1
        sheet = Sheet(
            title=f"Start-up (batch {batch_size})",
            columns=("case", self._look.title("load_ns"), first, activations, *memory),
            rows=tuple(self._startup_row(cases) for cases in by_subject.values()),
            dropped_first=(activations, *memory[1:], first),
        ).without_empty(ABSENT)
        has_memory = any(each in sheet.columns for each in memory)
        return replace(sheet, title=f"{sheet.title} and peak memory") if has_memory else sheet

    def _memory_title(self, scenario: Scenario) -> str:
        batch_size, threads, io = scenario
        parts = [f"b{batch_size}"]
        parts += [f"t{threads}"] * (len({each[1] for each in self.scenarios}) > 1)
        parts += ["native"] * (io == "native")
        return f"peak MB {'/'.join(parts)}"

    def _startup_row(self, cases: Mapping[Scenario, Result]) -> tuple[Cell, ...]:
        first = next(iter(cases.values()))
        memory = [
            self._look.cell(cases[scenario], "peak_memory_bytes") if scenario in cases else Cell(text=ABSENT)
            for scenario in self._outer_scenarios
        ]
        others = (self._look.cell(first, name) for name in ("load_ns", "first_inference_ns", "activation_bytes"))
        return Cell(text=self._look.label(first)), *others, *memory

    def unmeasured(self) -> Sheet:
        """Cases without a result, and why; many of one runtime with one reason share a row."""
        groups: dict[tuple[str, str, str], list[Result]] = {}
        for result in self.report.results:
            if result.status != "ok":
                reason = result.reason or "no reason is known"
                groups.setdefault((result.runtime, result.status, reason), []).append(result)
        rows = [
            (Cell(text=name), Cell(text=status), Cell(text=reason))
            for (runtime, status, reason), results in groups.items()
            for name in self._names(runtime, results)
        ]
        return Sheet(title="Failed and skipped", columns=("case", "status", "reason"), rows=tuple(rows), is_text=True)

    def _names(self, runtime: str, results: Sequence[Result]) -> list[str]:
        if len(results) > MOST_ROWS_OF_A_REASON:
            return [f"{len(results)} cases on {runtime}"]
        several = len({each[1] for each in self.scenarios} | {result.threads for result in self.report.results}) > 1
        return [
            f"{self._look.label(result)}, batch {result.batch_size}" + f", t{result.threads}" * several
            for result in results
        ]

    def _first_of_each_subject(self) -> list[Result]:
        found: dict[str, Result] = {}
        for result in self.report.results:
            known = found.get(result.subject)
            if known is None or (known.evaluation is None and result.evaluation is not None):
                found[result.subject] = result
        return list(found.values())


def _and(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
