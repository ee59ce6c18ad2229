"""Counters and energy: what can be read, what is missing and why, and what a run keeps of it."""

import os
from functools import partial
from types import SimpleNamespace

import pytest

from crossrt.harness.evidence import call as call_module
from crossrt.harness.evidence.call import missing_evidence, shows_nothing
from crossrt.harness.evidence.counters import PerfError, counter_problem, counts_in, perf_stat
from crossrt.harness.evidence.energy import energy_between, energy_problem, package_meters, read_meters
from crossrt.harness.evidence.report import add_evidence, say_missing_evidence
from crossrt.reports.schema.evidence import Evidence
from crossrt.reports.schema.files import read_report
from crossrt.reports.text.progress import Silent


def test_a_machine_that_shows_nothing_says_so_of_both(machine):
    counters, energy = missing_evidence(machine.path)
    assert counters.startswith("no counters (PMU): this machine shows no event source")
    assert energy == "no energy (RAPL): this machine shows no power meter of its processor"
    assert shows_nothing(machine.path)


def test_counters_that_may_not_be_read_name_the_setting(machine, perf, monkeypatch):
    machine.counters(paranoid=4)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "sudo sysctl kernel.perf_event_paranoid=2 (it is 4)" in counter_problem(machine.path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert counter_problem(machine.path) is None


def test_counters_without_perf_say_how_to_install_it(machine, monkeypatch):
    machine.counters()
    monkeypatch.setenv("PATH", "")
    assert "perf is not installed (Debian: sudo apt install linux-perf" in counter_problem(machine.path)


def test_a_kernel_without_perf_events_says_so(machine, perf):
    machine.counters()
    (machine.path / "proc/sys/kernel/perf_event_paranoid").unlink()
    assert counter_problem(machine.path) == "no counters (PMU): the kernel was built without perf events"


def test_a_meter_that_cannot_be_read_names_the_command(machine):
    machine.meter(0)
    assert "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj" in energy_problem(machine.path)
    machine.meter(0, 5)
    assert energy_problem(machine.path) is None


def test_the_energy_of_all_processors_counts_once(machine):
    machine.meter(0, 100)
    machine.meter(1, 200)
    machine.meter(2, 900, name="psys")
    machine.meter("0:0", 50, name="core")
    assert [each.name for each in package_meters(machine.path)] == ["intel-rapl:0", "intel-rapl:1"]
    before = read_meters(machine.path)
    machine.meter(0, 130)
    machine.meter(1, 205)
    assert energy_between(before, read_meters(machine.path)) == 35


def test_a_meter_that_began_again_counts_on(machine):
    machine.meter(0, 9990)
    before = read_meters(machine.path)
    machine.meter(0, 20)
    assert energy_between(before, read_meters(machine.path)) == 30
    assert energy_between({}, {}) is None
    assert energy_between(before, {}) is None


def test_what_perf_could_not_count_is_missing():
    text = "# started on\n\n<not supported>;;cycles;0;100.00;;\n12;;instructions:u;5;100.00;;\n<not counted>;;x;0;0;;\n"
    assert counts_in(text) == ({"instructions": 12}, True)


def test_two_kinds_of_cores_add_up():
    text = "5;;cpu_core/cycles/;1;50.00;;\n7;;cpu_atom/cycles/;1;50.00;;\n3;;cpu_core/instructions/u;1;50.00;;\n"
    assert counts_in(text) == ({"cycles": 12, "instructions": 3}, True)


@pytest.mark.processes
def test_perf_counts_between_two_orders(perf, tmp_path):
    with perf_stat(os.getpid(), tmp_path) as counters, counters.counting():
        pass
    assert counters.counts == {"instructions": 9_000_000, "cycles": 3_000_000, "cache-misses": 90}


@pytest.mark.processes
def test_a_perf_that_refuses_says_why_in_its_own_words(perf, tmp_path):
    perf("refused")
    refusal = pytest.raises(PerfError, match="Access to performance")
    with perf_stat(os.getpid(), tmp_path) as counters, refusal, counters.counting():
        pass


@pytest.fixture
def shown(monkeypatch, machine):
    """Every part of crossrt sees this machine."""
    for name in ("counter_problem", "energy_problem", "read_meters"):
        monkeypatch.setattr(call_module, name, partial(lambda real, *_: real(machine.path), getattr(call_module, name)))
    monkeypatch.setattr("crossrt.harness.run.bench.add_evidence", partial(add_evidence, root=machine.path))
    return machine


@pytest.mark.processes
def test_a_run_keeps_what_calls_cost(bench, shown, perf, tmp_path):
    shown.counters()
    shown.meter(0, 0)
    perf("user cache-misses")
    report = bench(only=("fp32",), runtimes=("tflite",), effort_rounds=1, has_evidence=True)
    (found,) = report.evidence.calls
    assert found.case == report.results[0].case
    assert found.instructions == 9_000_000 / found.calls
    assert found.instructions == 3 * found.cycles
    assert (found.cache_misses, found.energy_uj, found.is_user_only) == (None, 0, True)
    assert report.evidence.missing == ()
    assert read_report(report.save(tmp_path / "report.json")).evidence == report.evidence


def test_a_run_on_a_machine_that_shows_nothing_keeps_why_and_runs_no_case(machine, tmp_path):
    state = SimpleNamespace(evidence=None)
    add_evidence(state, [object()], tmp_path, Silent(), machine.path)
    assert state.evidence == Evidence(calls=(), missing=missing_evidence(machine.path))


def test_what_a_machine_does_not_show_is_said_before_anything_is_measured(machine):
    told = []
    state = SimpleNamespace(settings=SimpleNamespace(has_evidence=True))
    say_missing_evidence(state, SimpleNamespace(remark=told.append), machine.path)
    assert told == [f"  --evidence: {each}" for each in missing_evidence(machine.path)]
    assert len(told) == 2


@pytest.mark.processes
def test_explain_tells_what_a_call_costs_in_a_line(crossrt, shown, perf, folder):
    shown.counters()
    done = crossrt("explain", folder / "conv.fp32.tflite", COLUMNS="200")
    lines = done.stdout
    assert "a call costs the processor (mean of " in lines
    assert "3.00 instr./cycle" in lines
    assert "no energy (RAPL): this machine shows no power meter" in lines
