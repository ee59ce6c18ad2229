"""Wide sweeps with a short `--time`: what is left out, and why."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from crossrt.core.in_python import in_python
from crossrt.harness.evaluate.assess import Assessment
from crossrt.harness.measure.case import Case, Scenario
from crossrt.harness.measure.overtime import beyond
from crossrt.harness.measure.participant import ControlRole, Participant
from crossrt.harness.measure.settings import DEFAULT_EFFORT
from crossrt.harness.run.in_time import TimeLimit, by_scenario
from crossrt.reports.text.progress import Display

START_NS = 400_000_000


class Heard(Display):
    def __init__(self):
        self.remarks = []

    def remark(self, text):
        self.remarks.append(text)

    def step(self, text):
        pass


def case(variant, batch, threads):
    scenario = Scenario(batch_size=batch, threads=threads)
    return Case(model="net", variant=variant, format="onnx", runtime="ort-cpu", scenario=scenario)


@pytest.fixture
def sweep():
    return [case(each, size, threads) for threads in (1, 2) for size in (1, 2, 4) for each in ("fp32", "int8")]


@pytest.fixture
def run(sweep, monkeypatch):
    """Checks all that is let in, at some seconds a case; gives the run's state and what was said."""
    moment = SimpleNamespace(now=0.0)
    monkeypatch.setattr("crossrt.harness.run.in_time.time.monotonic", lambda: moment.now)
    monkeypatch.setattr("crossrt.harness.run.in_time.usable_cpus", lambda: {0, 1})

    def make(time_s, *, checking_s=0.1, failing=()):
        settings = SimpleNamespace(time_s=time_s, scenarios=(), effort=DEFAULT_EFFORT)
        state = SimpleNamespace(settings=settings, cases=sweep, assessments={})
        heard = Heard()
        for group in TimeLimit(state, moment.now).affordable(sweep, heard):
            for each in group:
                moment.now += checking_s
                status = "failed" if each.variant in failing else "ok"
                state.assessments[each.id] = Assessment(status=status, trial_ns=50_000, start_ns=START_NS)
        return state, heard.remarks

    return make


def scenarios(state, status):
    found = [state.assessments[each.id].status == status for each in state.cases]
    return [
        (each.scenario.batch_size, each.scenario.threads)
        for each, has in zip(state.cases, found, strict=True)
        if has and each.variant == "fp32"
    ]


def test_small_batches_come_first_with_every_number_of_threads(sweep):
    found = [(group[0].scenario.batch_size, group[0].scenario.threads) for group in by_scenario(sweep)]

    assert found == [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2)]


def test_with_time_enough_or_without_a_limit_nothing_is_left_out(run):
    for time_s in (60, None):
        state, remarks = run(time_s)

        assert len(scenarios(state, "ok")) == 6
        assert remarks == []


def test_whole_scenarios_are_left_out_and_each_case_is_a_row_with_the_reason(run, sweep):
    state, remarks = run(8)

    kept, out = scenarios(state, "ok"), scenarios(state, "skipped")
    assert kept
    assert out
    assert max(kept) < min(out)
    assert state.assessments.keys() == {each.id for each in sweep}
    reasons = {each.reason for each in state.assessments.values() if each.status == "skipped"}
    (reason,) = reasons
    assert "--time 8 is too short for all, about --time" in reason
    assert f"{2 * len(out)} cases left out" in remarks[0]


def test_the_time_that_is_named_is_enough(run):
    state, _ = run(8)
    reason = next(each.reason for each in state.assessments.values() if each.status == "skipped")
    named = int(reason.partition("about --time ")[2].partition(" ")[0])

    again, _ = run(named)

    assert scenarios(again, "skipped") == []


def test_the_first_scenario_is_measured_whatever_the_time(run):
    state, _ = run(0.1)

    assert scenarios(state, "ok") == [(1, 1)]


def test_what_failed_takes_no_time_of_the_others(run):
    all_well, _ = run(8)
    half, _ = run(8, failing=("int8",))

    assert len(scenarios(half, "ok")) > len(scenarios(all_well, "ok"))


def test_the_reason_has_the_words_of_python_there(run):
    state, _ = run(8)
    reason = next(each.reason for each in state.assessments.values() if each.status == "skipped")

    assert "time=8 is too short for all" in in_python(reason)


def participant(key, batch, threads=1, *, has_subject=True, control=None):
    return Participant(
        key=key,
        subject=object() if has_subject else None,
        threads=threads,
        batch_size=batch,
        calls=8,
        control=control,
    )


@pytest.fixture
def participants():
    reference = participant("workload", 1, has_subject=False, control=ControlRole(kind="reference", of="numpy"))
    return [*(participant(f"{each}/b{size}", size) for size in (4, 1, 2) for each in "abc"), reference]


@pytest.mark.parametrize(
    ("left_s", "out"), [(100, set()), (6.5, {4}), (4, {2, 4}), (0, {2, 4}), (-50, {2, 4})], ids=str
)
def test_after_a_slow_first_round_whole_scenarios_go_and_never_the_first(participants, left_s, out):
    found = beyond(participants, 10.0, left_s)

    assert {each.batch_size for each in found} == out
    assert len(found) == 3 * len(out)
