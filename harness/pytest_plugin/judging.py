"""A test's reports compared with its baseline, by the code and in the words of `crossrt compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossrt.core.metric import MetricDefinition
from crossrt.harness.errors import HarnessError
from crossrt.harness.pytest_plugin.baselines import Baseline, read_baseline
from crossrt.harness.pytest_plugin.marks import Limit
from crossrt.harness.pytest_plugin.options import Options
from crossrt.harness.run.saved_runs import is_word, report_in
from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.definitions import QUIET
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.comparison.findings import Comparison
from crossrt.reports.verdicts.comparison.notes import RELATIVE
from crossrt.reports.verdicts.comparison.rules import Rule, rules_with
from crossrt.reports.verdicts.comparison.sheets import change_text, explain, headline


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a test stands: paths of baselines are relative to its file, or to the root folder.

    Attributes:
        test: Its id.
        folder: The folder of its file.
        root: The root folder.
    """

    test: str
    folder: Path
    root: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What became of one limit.

    Attributes:
        regressions: Why the test fails, in the words of `crossrt compare`.
        undecided: What could not be decided, or not be compared.
        missing: Why there is nothing to compare with, and how to make it; None where there is.
        saved: Why it is not judged in a session that makes its baseline; None where it is.
        verdicts: A word and the change, by case.
    """

    regressions: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    missing: str | None = None
    saved: str | None = None
    verdicts: tuple[tuple[str, str], ...] = ()


def judge(limit: Limit, reports: Sequence[Report], only: Sequence[str], place: Place, options: Options) -> Judgement:
    """Compares each report of a test with the one that it measured in the same place before.

    Args:
        limit: What is allowed.
        reports: What the test measured, in order.
        only: Patterns of the cases that the test is about; empty for all that it measured.
        place: Where the test stands.
        options: Those of the session.

    Raises:
        CrossrtError: A baseline cannot be read, or the limit does not fit the metric.
    """
    try:
        path = baseline_path(limit, place, options)
    except HarnessError as error:  # of `latest` in a folder without runs
        return Judgement(missing=str(error))
    if path is None:
        if options.save is not None:
            return Judgement(saved=f"{limit}: saved in {options.save} as the baseline to compare with")
        return Judgement(missing="no baseline is named: give against=... or --crossrt-baseline PATH")
    baseline = read_baseline(path, place.test)
    if baseline is None and _is_saved(limit, place, options):
        return Judgement(saved=f"{limit}: saved in {options.save} as the baseline to compare with")
    if baseline is None:
        what = f"{path} holds nothing of this test" if path.exists() else f"there is no baseline {path}"
        return Judgement(missing=f"{what}: make it with pytest --crossrt-save {path}")
    found = [_judged(limit, report, number, baseline, only) for number, report in enumerate(reports)]
    return Judgement(
        regressions=tuple(line for each in found for line in each.regressions),
        undecided=tuple(line for each in found for line in each.undecided),
        verdicts=tuple(each for judgement in found for each in judgement.verdicts),
    )


def _candidates(against: str, place: Place) -> tuple[Path, Path]:
    return place.folder / against, place.root / against


def _is_saved(limit: Limit, place: Place, options: Options) -> bool:
    """True if this session makes the baseline that a limit names."""
    named = [options.baseline] if limit.against is None else _candidates(limit.against, place)
    return options.save is not None and options.save.resolve() in [each.resolve() for each in named if each is not None]


def baseline_path(limit: Limit, place: Place, options: Options) -> Path | None:
    """Where the baseline of a limit is, or would be; None where none is named."""
    if limit.against is None:
        return None if options.baseline is None else _of_word(options.baseline)
    candidates = _candidates(limit.against, place)
    found = next((path for path in candidates if path.exists()), None)
    return found or (_of_word(place.root / limit.against) if is_word(limit.against) else candidates[0])


def _of_word(path: Path) -> Path:
    """The run that `latest` or `previous` stands for in its folder, or the path itself."""
    return report_in(Path(path.name), start=path.parent) if is_word(path.name) else path


def _judged(limit: Limit, report: Report, number: int, baseline: Baseline, only: Sequence[str]) -> Judgement:
    if baseline.is_plain:
        before = baseline.reports[0]
        only = only or [result.case for result in report.results]
    elif number < len(baseline.reports):
        before = baseline.reports[number]
    else:
        return Judgement(undecided=(f"{limit}: measurement {number + 1} of this test is not in the baseline",))
    comparison = compare_reports(before, report, Question(rules=_rules(limit, report), only=only))
    return _outcome(limit, comparison)


def _rules(limit: Limit, report: Report) -> tuple[Rule, ...]:
    """Everything off but what the mark is about."""
    if limit.kind == "limit_regressions":
        return rules_with(limit.margins)
    metric = QUIET if limit.kind == "limit_slowdown" else _metric_of_task(limit, report).name
    return Rule(metrics="*", margin=None), Rule(metrics=metric, margin=limit.share)


def _metric_of_task(limit: Limit, report: Report) -> MetricDefinition:
    """What the task is about; a limit in percentage points is one of a share."""
    scored = {name for each in report.results if each.evaluation is not None for name in each.evaluation.values}
    found = next((each for each in report.definitions if each.name in scored and each.judged_by is not None), None)
    if found is None:
        raise HarnessError(f"{limit}: nothing about accuracy was measured: the report has no metric of a task")
    if (found.unit == "share") != (limit.unit == "pp"):
        example = "0.5pp" if found.unit == "share" else "2%"
        raise HarnessError(f'{limit}: {found.label} is in {found.unit}: write the limit like "{example}"')
    return found


def _outcome(limit: Limit, comparison: Comparison) -> Judgement:
    findings = comparison.findings
    regressions = [each for each in findings if each.is_regression]
    undecided = [each for each in findings if each.verdict == "inconclusive"]
    lines: tuple[str, ...] = ()
    if regressions:
        relative = (each for each in comparison.notes if each.endswith(RELATIVE))
        lines = (f"{limit}: {headline(comparison)}", *explain(regressions), *comparison.incomparable, *relative)
    others = tuple(explain(undecided))
    if limit.kind == "limit_regressions" and findings:
        others = (*others, *comparison.incomparable)
    elif not any(each.metric != "status" for each in findings):
        others = (*others, *_why_nothing(limit, comparison))
    beside = " relative to the reference workload" if any(each.endswith(RELATIVE) for each in comparison.notes) else ""
    verdicts = tuple(
        (each.case, f"{each.word} {change_text(each)}{beside * (each.metric == QUIET)}")
        for each in findings
        if each.change is not None
    )
    return Judgement(regressions=lines, undecided=others, verdicts=verdicts)


def _why_nothing(limit: Limit, comparison: Comparison) -> tuple[str, ...]:
    return comparison.incomparable or (f"{limit}: nothing was judged: no case was measured in both reports",)
