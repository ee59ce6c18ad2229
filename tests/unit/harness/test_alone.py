"""When a machine counts as quiet, and what a report says of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from crossrt.cli.main import cli
from crossrt.harness.doctor.activity import Sample
from crossrt.harness.measure.settings import Exclusivity
from crossrt.harness.run import alone
from crossrt.harness.run.alone import activity, begin_alone, problem_of
from crossrt.reports.schema.exclusive import Activity, SelfComparison
from crossrt.reports.statistics.self_comparison import change_text, differs
from crossrt.reports.verdicts.exclusive import exclusive_notes

QUIET = Activity(watched_s=2, pressure=0.01, stolen=0.0)


def sample(clock_s, stolen=None, pressure=None):
    return Sample(clock_s=clock_s, process_ticks={}, stolen_ticks=stolen, pressure_us=pressure)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (QUIET, None),
        (replace(QUIET, pressure=0.2), "tasks waited for a CPU 20.0% of the time, and 5% is allowed"),
        (replace(QUIET, stolen=0.5), "the hypervisor took 50.0% of a CPU away, and 1% is allowed"),
        (replace(QUIET, pressure=None, stolen=None), None),
    ],
)
def test_a_machine_above_a_limit_is_busy(found, told):
    assert problem_of(found, Exclusivity()) == told


def test_activity_is_what_grew_between_two_moments():
    assert activity(sample(10, 0, 1_000_000), sample(12, 0, 2_000_000)).pressure == 0.5
    assert activity(sample(10, 0, 1_000_000), sample(12, 0, 3_000_100)).pressure == 1.0
    assert activity(sample(10), sample(12)) == Activity(watched_s=2, pressure=None, stolen=None)
    assert activity(sample(10, 0), sample(11, 50)).stolen > 0


@pytest.mark.parametrize(
    ("ratios", "is_apart"),
    [
        (((0.001, 0.001), (-0.001, 0.001), (0.0, 0.001)), False),
        (((0.05, 0.001), (0.051, 0.001), (0.049, 0.001)), True),
        (((0.01, 0.0001), (0.01, 0.0001), (0.01, 0.0001)), False),  # known well, and too small to matter
        (((0.5, 0.001),), False),  # one round has no interval
    ],
)
def test_two_equal_things_differ_beyond_their_interval_and_two_percent(ratios, is_apart):
    assert differs(SelfComparison(case="a", ratios=ratios)) == is_apart


def test_a_single_round_is_told_without_an_interval():
    assert change_text(SelfComparison(case="a", ratios=((0.0, 0.001),))) == "+0.0% (no interval)"


def test_limits_are_told_whether_they_are_the_defaults_or_not(monkeypatch):
    told = []
    monkeypatch.setattr(alone, "watched", lambda: QUIET)
    state = SimpleNamespace(settings=SimpleNamespace(exclusive=Exclusivity(max_steal=0.3)), exclusive=None)
    begin_alone(state, SimpleNamespace(doing=lambda _: None, remark=told.append))
    assert told == [
        "  exclusive use: CPU pressure 1.0% and stolen time 0.0%; allowed: CPU pressure 5%, stolen time 30%"
    ]
    (note,) = exclusive_notes(SimpleNamespace(exclusive=state.exclusive))
    assert note.endswith("; CPU pressure 1.0% and stolen time 0.0% before; allowed: CPU pressure 5%, stolen time 30%")


def test_limits_of_exclusive_use_that_is_not_asked_for_are_refused(tmp_path):
    result = CliRunner().invoke(cli, ["bench", "--max-steal", "2%", "--out", str(tmp_path / "out")])

    assert result.exit_code == 2
    assert "--max-steal is a limit of --exclusive: add that" in result.output


@pytest.mark.parametrize("written", ["5%%", "%", "five", ""])
def test_a_limit_that_is_no_percentage_is_quoted_as_it_was_written(written):
    result = CliRunner().invoke(cli, ["bench", "--exclusive", "--max-steal", written])
    assert result.exit_code == 2
    assert f"{written!r} is not a percentage: write it like 2% or 2." in result.output
