"""Scenarios on real runtimes, in processes: what is recorded, not how fast it was."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.harness.measure.scenarios.asked import read_scenarios
from crossrt.harness.process.page_cache import drop, resident_share
from crossrt.reports.schema.files import read_report
from crossrt.reports.schema.scenarios import ColdStart, MultiStream, Offline, Server

pytestmark = pytest.mark.processes

EVERY = (
    "server:latency=20ms,percentile=50,rate=100",
    "multi-stream:samples=4",
    "offline:max_batch=4,max_threads=1",
    "cold-start",
)


@pytest.fixture
def measured(bench):
    def run(*texts, **changes):
        return bench(scenarios=read_scenarios(texts), is_single_stream=False, effort_rounds=2, time_s=4, **changes)

    return run


def test_every_scenario_is_measured_on_both_runtimes(measured):
    for _ in range(3):  # other work on the machine may keep the server from its rate
        report = measured(*EVERY, only=("fp32",))
        if all(each.status == "ok" for result in report.results for each in result.scenarios):
            break
    assert {result.runtime for result in report.results} == {"ort-cpu", "tflite"}
    for result in report.results:
        server, multi, offline, cold = result.scenarios
        assert [type(each) for each in result.scenarios] == [Server, MultiStream, Offline, ColdStart]
        assert [each.status for each in result.scenarios] == ["ok"] * 4, [each.reason for each in result.scenarios]
        assert all(each.sustained_per_s == 100 for each in server.rounds)
        assert all(0 <= trial.over <= trial.queries > 0 for each in server.rounds for trial in each.trials)
        assert multi.batch_size == 4
        assert all(len(each.latency_ns) >= 2 for each in multi.rounds)
        assert {(point.threads, point.batch_size) for point in offline.rounds[0].points} >= {(1, 1), (1, 2), (1, 4)}
        assert all(each.start_ns > 0 and each.import_ns > 0 and each.load_ns > 0 for each in cold.rounds)
    first = report.results[0]
    assert all(each.replicate for each in first.scenarios)  # A/A
    assert not any(each.replicate for each in report.results[1].scenarios)
    assert len({each.name for each in report.definitions}) == len(report.definitions)


def test_a_rate_that_no_call_could_keep_is_a_failed_row_with_its_reason(measured):
    report = measured("server:latency=100ns", only=("fp32@ort-cpu",))
    (outcome,) = report.results[0].scenarios
    assert outcome.status == "failed"
    assert outcome.reason.startswith("no rate keeps 99% within 100 ns: calls that wait for nothing take")
    assert report.results[0].status == "ok"


def test_a_rate_beyond_what_the_model_can_do_is_a_failed_row_with_its_reason(measured):
    report = measured("server:latency=3ms,percentile=90,rate=5000000", only=("fp32@ort-cpu",))
    (outcome,) = report.results[0].scenarios
    assert outcome.status == "failed"
    assert "5,000,000 queries/s were not held in 2 of 2 rounds" in outcome.reason


def test_a_scenario_says_what_is_wrong_before_anything_runs(crossrt, folder):
    done = crossrt("bench", "--artifacts", folder, "--scenario", "server")
    assert done.returncode == 2
    assert "such as server:latency=10ms" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_sweeps_and_reads_scenarios_from_a_configuration(crossrt, folder, data, tmp_path):
    (tmp_path / "crossrt.toml").write_text(
        f'[bench]\nscenario = ["multi-stream:samples=2"]\nbatch = [1, 2]\ntime = 5\nartifacts = "{folder}"\n'
        f'data = "{data}"\nonly = ["fp32@ort-cpu"]\nrounds = 2\nthreads = "1,2"\n'
    )
    done = crossrt("bench", "--json")
    assert done.returncode == 0, done.stderr
    report = read_report(next((tmp_path / "results").glob("*/report.json")))
    found = [(result.threads, result.batch_size, len(result.scenarios)) for result in report.results]
    assert found == [(1, 1, 1), (1, 2, 0), (2, 1, 0), (2, 2, 0)]


def test_a_dropped_file_leaves_the_page_cache(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(np.zeros(2**20, np.uint8).tobytes())
    assert resident_share([path]) == 1
    drop([path])
    assert resident_share([path]) in (0, 1)  # a file system in memory keeps everything
