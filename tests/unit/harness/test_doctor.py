"""The machine under examination, real and made up."""

from __future__ import annotations

import subprocess
import sys

import pytest

from crossrt.core.control_group import Limit
from crossrt.harness import environment
from crossrt.harness.doctor import activity, frequency, resources
from crossrt.harness.doctor.activity import Sample
from crossrt.harness.doctor.check import read_text
from crossrt.harness.doctor.examine import examine

GIB = 2**30


def sample(**changes) -> Sample:
    return Sample(**{"clock_s": 0.0, "process_ticks": {}, "stolen_ticks": 0, "pressure_us": 0, **changes})


def test_every_check_says_what_was_found_and_required():
    checks = examine()
    assert len(checks) >= 13
    assert len({check.name for check in checks}) == len(checks)
    for check in checks:
        assert check.found
        assert check.required
        assert check.fix or check.outcome != "warn"


def test_a_busy_process_is_named(monkeypatch):
    monkeypatch.setattr(activity, "_MOST_NAMED", 100)  # others may be busier
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            before = Sample.take()
            subprocess.run([sys.executable, "-c", "import time; time.sleep(0.5)"], check=True)
            found = activity.other_processes(before, Sample.take())
        finally:
            busy.kill()
    assert found.outcome == "warn"
    assert f"({busy.pid})" in found.found


@pytest.mark.parametrize(
    ("check", "before", "after", "outcome"),
    [
        (activity.steal, sample(), sample(clock_s=1.0, stolen_ticks=5), "warn"),
        (activity.steal, sample(), sample(clock_s=1.0), "ok"),
        (activity.steal, sample(stolen_ticks=None), sample(clock_s=1.0), "unknown"),
        (activity.pressure, sample(), sample(clock_s=1.0, pressure_us=100_000), "warn"),
        (activity.pressure, sample(), sample(clock_s=1.0, pressure_us=100), "ok"),
        (activity.pressure, sample(pressure_us=None), sample(clock_s=1.0), "unknown"),
    ],
)
def test_counters_are_judged_by_their_growth(check, before, after, outcome):
    assert check(before, after).outcome == outcome


FILES = {
    "cpu0/cpufreq/scaling_governor": "powersave",
    "intel_pstate/no_turbo": "0",
    "cpu0/topology/thread_siblings_list": "0-1",
}


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A made-up `/sys/devices/system/cpu`."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for module in (frequency, resources):
        monkeypatch.setattr(module, "_CPU", tmp_path)
    monkeypatch.setattr(resources, "usable_cpus", lambda: frozenset({0}))
    monkeypatch.setattr(resources, "pinned_cpu", lambda _: 0)
    return tmp_path


def test_what_moves_a_measurement_is_found_with_its_cure(kernel):
    governor, turbo, siblings, cores = (
        frequency.governor(),
        frequency.turbo(),
        resources.siblings(),
        resources.cores(),
    )
    assert (governor.outcome, governor.found) == ("warn", "powersave")
    assert "cpupower" in governor.fix
    assert (turbo.outcome, turbo.found.partition(":")[0]) == ("warn", "on")
    assert "no_turbo" in turbo.fix
    assert (siblings.outcome, siblings.found) == ("warn", "CPU 0 shares its core with CPU 1")
    assert (cores.outcome, cores.found.partition(";")[0]) == ("warn", "1")


def test_a_fit_machine_is_called_so(kernel):
    (kernel / "cpu0/cpufreq/scaling_governor").write_text("performance")
    (kernel / "intel_pstate/no_turbo").write_text("1")
    (kernel / "cpu0/topology/thread_siblings_list").write_text("0")
    assert {frequency.governor().outcome, frequency.turbo().outcome, resources.siblings().outcome} == {"ok"}


def test_what_the_system_does_not_tell_is_unknown(kernel):
    for name in FILES:
        (kernel / name).unlink()
    outcomes = {frequency.governor().outcome, frequency.turbo().outcome, resources.siblings().outcome}
    assert outcomes == {"unknown"}


def test_a_file_that_is_not_there_reads_as_nothing(tmp_path):
    assert read_text(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("limit", "outcome", "found", "recorded"),
    [
        (Limit(smallest=1.5, is_known=True, is_whole=False), "warn", "1.5 CPUs", 1.5),
        (Limit(smallest=None, is_known=True, is_whole=True), "ok", "none", None),
        (Limit(smallest=None, is_known=True, is_whole=False), "unknown", "none within this container", None),
        (Limit(smallest=None, is_known=False, is_whole=False), "unknown", "cannot be read", "unknown"),
    ],
)
def test_the_doctor_and_reports_say_what_is_known_of_a_quota(monkeypatch, limit, outcome, found, recorded):
    for module in (resources, environment):
        monkeypatch.setattr(module, "cpu_limit", lambda: limit)
    check = resources.quota()
    assert check.outcome == outcome
    assert found in check.found
    assert environment.cpu_quota() == recorded


@pytest.mark.parametrize(
    ("limit", "outcome", "found"),
    [
        (
            Limit(smallest=4 * GIB, is_known=True, is_whole=True, left=GIB),
            "warn",
            "1.0 GiB free; the group's limit is 4.0",
        ),
        (Limit(smallest=None, is_known=True, is_whole=True), "ok", "8.0 GiB free; no limit is set"),
        (Limit(smallest=None, is_known=False, is_whole=False), "unknown", "the group's limit cannot be read"),
    ],
)
def test_the_doctor_says_what_is_known_of_memory(monkeypatch, limit, outcome, found):
    monkeypatch.setattr(resources, "memory_limit", lambda: limit)
    monkeypatch.setattr(resources, "_meminfo", lambda _: 8 * GIB)
    check = resources.memory()
    assert check.outcome == outcome
    assert found in check.found
