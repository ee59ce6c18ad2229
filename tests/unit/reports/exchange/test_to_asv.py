"""Reports as results of asv, from which asv itself builds its pages and its comparison."""

from __future__ import annotations

import json
import subprocess

import msgspec
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.to_asv import asv_files

FP32, INT8, BAD = "mnist-cnn.fp32@ort-cpu", "mnist-cnn.int8@tflite", "mnist-cnn.bad@tflite"
COMMITTED = ("2026-11-01T10:00:00+00:00", "2026-11-02T10:00:00+00:00")


@pytest.fixture
def git(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    identity = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org", "-c", "commit.gpgsign=false")

    def run(*arguments: str) -> str:
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    return run


@pytest.fixture
def commits(git, tmp_path, monkeypatch) -> list[str]:
    """A repository of two commits, in which the test runs."""
    git("init", "--quiet", "--initial-branch=trunk")
    found = []
    for date in COMMITTED:
        git("commit", "--quiet", "--allow-empty", "--message", "a change", "--date", date)
        found.append(git("rev-parse", "HEAD"))
    monkeypatch.chdir(tmp_path / "project")
    return found


@pytest.fixture
def at():
    """A report as if it had been made at a commit."""

    def place(report, revision, *, run="20261121T074336Z-0001", **environment):
        return msgspec.structs.replace(
            report,
            run=msgspec.structs.replace(report.run, id=run),
            environment=msgspec.structs.replace(
                report.environment, git_revision=revision, git_dirty=False, **environment
            ),
        )

    return place


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "project" / "asv"


@pytest.fixture
def add(folder):
    """Adds reports to the folder and returns what was written."""

    def write(*reports):
        files = asv_files(reports, folder)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return {name: json.loads(text) for name, text in files.items()}

    return write


@pytest.fixture
def slower(make_result, make_report):
    """int8 takes half as long again, bad works now, and fp32 fails."""
    return make_report(
        make_result(status="failed", reason="broke", rounds=(), evaluation=None, memory=None),
        make_result("int8@tflite", medians=(30_000, 31_500, 30_750, 31_050)),
        make_result("bad@tflite", medians=(9_000, 9_100, 9_200, 9_050)),
    )


def results_in(files):
    """The only file of results."""
    (content,) = (content for content in files.values() if "commit_hash" in content)
    return content


def row_of(files, series):
    content = results_in(files)
    row = dict(zip(content["result_columns"], content["results"][series], strict=False))
    (cases,) = row["params"]
    return {case: {name: column(row.get(name), index) for name in row} for index, case in enumerate(cases)}


def column(values, index):
    return values[index] if isinstance(values, list) and index < len(values) else values


def test_asv_publishes_every_case_of_every_commit(commits, mixed, slower, at, add, folder, consumer):
    add(at(mixed, commits[0]), at(slower, commits[1]))
    consumer("asv", "publish", "--config", folder / "asv.conf.json")
    index = json.loads((folder / "html" / "index.json").read_text())
    assert sorted(index["revision_to_hash"].values()) == sorted(commits)
    assert index["benchmarks"]["b1_t1.latency_p50"]["params"] == [[FP32, INT8, BAD]]
    assert index["benchmarks"]["b1_t1.latency_p50"]["unit"] == "seconds"
    (graph,) = (folder / "html" / "graphs").glob("arch-*/**/b1_t1.latency_p50.json")
    (_, before), (_, after) = json.loads(graph.read_text())
    assert before == [pytest.approx(50.87e-6, rel=1e-3), pytest.approx(20.55e-6, rel=1e-3), None]
    assert after == [None, pytest.approx(30.82e-6, rel=1e-3), pytest.approx(9.09e-6, rel=1e-3)]


def test_asv_compares_two_commits(commits, mixed, slower, at, add, folder, consumer):
    add(at(mixed, commits[0]), at(slower, commits[1]))
    printed = consumer("asv", "compare", "--config", folder / "asv.conf.json", *commits)
    lines = {line.split("|")[5].strip(): line for line in printed.splitlines() if line.count("|") == 6}
    worse = lines[f"b1_t1.latency_p50({INT8})"]
    assert worse.startswith("| +")
    assert "20.5±0.2μs" in worse
    assert "1.5" in worse
    assert lines[f"b1_t1.latency_p50({FP32})"].startswith("| !")
    assert "failed" in lines[f"b1_t1.latency_p50({FP32})"]
    assert lines[f"b1_t1.latency_p50({BAD})"].startswith("| *")


def test_times_are_in_seconds_with_rounds_quartiles_and_a_99_percent_interval(commits, mixed, at, add):
    latency = row_of(add(at(mixed, commits[0])), "b1_t1.latency_p50")[FP32]
    metric = next(each for each in mixed.metrics if each.name == "latency_p50_ns" and FP32 in each.case)
    assert latency["result"] == pytest.approx(metric.value * 1e-9)
    assert latency["samples"] == pytest.approx([49.9995e-6, 50.9995e-6, 51.9995e-6, 50.4995e-6])
    assert (latency["stats_number"], latency["stats_repeat"]) == (70, 4)
    assert latency["stats_ci_99_a"] < metric.lower * 1e-9 < latency["result"]
    assert latency["result"] < metric.upper * 1e-9 < latency["stats_ci_99_b"]
    assert latency["stats_q_25"] < latency["result"] < latency["stats_q_75"]


def test_a_single_round_has_no_interval(commits, make_result, make_report, at, add):
    files = add(at(make_report(make_result(medians=(50_000,))), commits[0]))
    latency = row_of(files, "b1_t1.latency_p50")[FP32]
    assert latency["stats_repeat"] == 1
    assert (latency["stats_ci_99_a"], latency["stats_ci_99_b"]) == (None, None)


def test_a_failed_case_has_null_and_a_skipped_one_is_left_out(commits, mixed, at, add):
    rows = row_of(add(at(mixed, commits[0])), "b1_t1.latency_p50")
    assert list(rows) == [FP32, INT8, BAD]
    assert rows[BAD]["result"] is None
    assert rows[BAD]["samples"] is None


def test_a_run_in_which_all_failed_is_a_run_in_which_all_failed(commits, make_result, make_report, at, add):
    failed = make_result("bad@tflite", status="failed", reason="broke", rounds=(), evaluation=None, memory=None)
    content = results_in(add(at(make_report(failed), commits[0])))
    assert content["results"]["b1_t1.latency_p50"][:2] == [None, [[BAD]]]


def test_less_is_better_in_every_series(commits, mixed, at, add):
    files = add(at(mixed, commits[0]))
    names = set(results_in(files)["results"])
    expected = {"load", "first_inference", "latency_p50", "latency_mean", "size", "peak_memory", "max_abs_error"}
    assert names >= {f"b1_t1.{name}" for name in expected}
    assert not names & {"b1_t1.top1", "b1_t1.throughput_per_s", "b1_t1.speedup_p50"}
    values = {(each.case.partition("/")[0], each.name): each.value for each in mixed.metrics}
    assert row_of(files, "b1_t1.one_minus_top1")[FP32]["result"] == pytest.approx(1 - values[FP32, "top1"])
    assert row_of(files, "b1_t1.one_over_speedup_p50")[INT8]["result"] == pytest.approx(1 / values[INT8, "speedup_p50"])


def test_sizes_are_bytes_and_have_no_interval(commits, mixed, at, add):
    files = add(at(mixed, commits[0]))
    assert row_of(files, "b1_t1.size")[FP32]["result"] == 1000
    assert "samples" not in row_of(files, "b1_t1.size")[FP32]
    assert next(c for n, c in files.items() if n.endswith("benchmarks.json"))["b1_t1.size"]["unit"] == "bytes"


def test_scenarios_are_series_of_their_own(commits, make_result, make_report, at, add):
    case = "mnist-cnn.int8-io@tflite/b32/t2/native"
    native = make_result("int8-io@tflite", case=case, batch_size=32, threads=2, io="native")
    report = make_report(native)
    assert "b32_t2_native.latency_p50" in results_in(add(at(report, commits[0])))["results"]
    longer = msgspec.structs.replace(
        report, dimensions={"sequence length": 128, report.artifacts[0].batch_dimension: 32}
    )
    assert "b32_t2_sequence_length128_native.latency_p50" in results_in(add(at(longer, commits[1])))["results"]


def test_metrics_of_own_tasks_are_series_where_less_can_be_better(commits, regression, at, add):
    files = add(at(regression, commits[0]))
    assert row_of(files, "b1_t1.mae")[FP32]["result"] == pytest.approx(0.25)
    benchmarks = next(content for name, content in files.items() if name.endswith("benchmarks.json"))
    assert benchmarks["b1_t1.mae"]["unit"] == "deg_C"
    assert "b1_t1.r2" not in benchmarks


def test_results_are_dated_by_their_commit(commits, mixed, at, add):
    content = results_in(add(at(mixed, commits[0])))
    assert content["commit_hash"] == commits[0]
    assert content["date"] == 1_793_527_200_000  # 2026-11-01T10:00:00Z


def test_a_commit_that_the_repository_lacks_is_dated_by_the_run(commits, mixed, at, add):
    assert results_in(add(at(mixed, "c" * 40)))["date"] == 1_795_247_016_000  # 2026-11-21T07:43:36Z


def test_nothing_that_is_there_is_lost(commits, mixed, slower, at, add, folder):
    first = add(at(mixed, commits[0]))
    configuration = folder / "asv.conf.json"
    configuration.write_text(configuration.read_text().replace('"project": "project"', '"project": "mine"'))
    benchmarks = folder / "results" / "benchmarks.json"
    known = json.loads(benchmarks.read_text())
    benchmarks.write_text(json.dumps({**known, "theirs": {"name": "theirs", "params": [], "param_names": []}}))
    second = add(at(slower, commits[0], run="20261121T080000Z-0002", kernel="7.0.0"))
    assert "asv.conf.json" not in second
    assert '"mine"' in configuration.read_text()
    machine = next(name for name in first if name.endswith("machine.json"))
    assert second[machine] == first[machine]
    assert results_in(second)["params"]["os"] == results_in(first)["params"]["os"]
    assert len(list((folder / "results").glob("*/*-crossrt-py3.11-*.json"))) == 2
    merged = json.loads(benchmarks.read_text())
    assert merged["theirs"] == {"name": "theirs", "params": [], "param_names": []}
    assert merged["b1_t1.latency_p50"]["params"] == [[FP32, INT8, BAD]]


def test_the_same_report_twice_is_one_file(commits, mixed, at, add):
    assert add(at(mixed, commits[0])).keys() - add(at(mixed, commits[0])).keys() == {"asv.conf.json"}


def test_both_sides_of_a_duel_share_a_run_and_are_two_files(commits, make_result, make_report, at, folder):
    sides = [at(make_report(make_result(subject)), commits[0]) for subject in ("fp32@ort-cpu", "int8@tflite")]
    files = asv_files(sides, folder)
    assert sum("commit_hash" in text for text in files.values()) == 2


def test_machines_that_cannot_be_compared_have_names_of_their_own(commits, mixed, at, add):
    files = add(at(mixed, commits[0]), at(mixed, commits[1], usable_cpus=(0,)))
    machines = [content for name, content in files.items() if name.endswith("machine.json")]
    assert len(machines) == 2
    assert all(each["machine"].startswith("AMD-EPYC-") for each in machines)
    assert machines[0] | {"machine": ""} == machines[1] | {"machine": ""}
    assert (machines[0]["cpu"], machines[0]["num_cpu"], machines[0]["arch"]) == ("AMD EPYC", "2", "x86_64")


def test_the_configuration_of_a_project_is_followed(commits, mixed, at, add, folder):
    folder.mkdir()
    (folder / "asv.conf.json").write_text('{\n// mine\n"version": 1, "repo": "..", "results_dir": "elsewhere"}')
    files = add(at(mixed, commits[0]))
    assert all(name.startswith("elsewhere/") for name in files)
    assert results_in(files)["date"] == 1_793_527_200_000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("asv.conf.json", "[1]", "is damaged"),
        ("asv.conf.json", "{", "is damaged"),
        ("asv.conf.json", '{"results_dir": 1}', "has a results_dir or a repo that is not text"),
        ("results/benchmarks.json", "{", "is damaged"),
        ("results/benchmarks.json", '{"version": 3}', "has version 3 of asv's format"),
        ("results/benchmarks.json", '{"version": 2, "b1_t1.load": {}}', "that is not crossrt's"),
        ("results/benchmarks.json", '{"version": 2, "b1_t1.load": {"params": [], "param_names": []}}', "not crossrt's"),
    ],
)
def test_a_folder_that_holds_something_else_is_refused(commits, mixed, at, folder, name, text, message):
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(text)
    with pytest.raises(ReportError, match=message):
        asv_files([at(mixed, commits[0])], folder)
    assert (folder / name).read_text() == text


def test_a_machine_that_is_another_is_refused(commits, mixed, at, add, folder):
    name = next(name for name in add(at(mixed, commits[0])) if name.endswith("machine.json"))
    (folder / name).write_text('{"version": 1, "machine": "other"}')
    with pytest.raises(ReportError, match="describes the machine other"):
        add(at(mixed, commits[1]))


@pytest.mark.parametrize("revision", [None, "abc", "--output=/tmp/x", "../" * 13 + "a"])
def test_a_report_without_a_git_revision_is_refused(commits, mixed, at, folder, revision):
    with pytest.raises(ReportError, match="asv files results under commits"):
        asv_files([at(mixed, revision)], folder)


def test_a_new_project_wants_a_repository(mixed, at, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ReportError, match="run this inside the repository that was measured"):
        asv_files([at(mixed, "c" * 40)], tmp_path / "asv")


def test_a_report_without_a_case_that_was_tried_is_refused(commits, unmeasured, at, folder):
    with pytest.raises(ReportError, match="has no case that was tried"):
        asv_files([at(unmeasured, commits[0])], folder)


def test_names_cannot_leave_the_folder_nor_bring_markup_into_pages(commits, mixed, at, rename, folder):
    hostile = rename(at(mixed, commits[0], run="../../x", cpu_model="../<img src=x>"), "<b>&@x/b1/t1")
    metrics = tuple(msgspec.structs.replace(each, name=f"../{each.name}") for each in hostile.metrics)
    files = asv_files([msgspec.structs.replace(hostile, metrics=metrics)], folder)
    assert not any(".." in name for name in files)
    assert not any(sign in text for name, text in files.items() for sign in "<>&" if name != "asv.conf.json")
