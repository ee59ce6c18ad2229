"""A report as the file of pyperf, read by pyperf itself."""

from __future__ import annotations

import msgspec
import pyperf
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.to_pyperf import as_pyperf

FP32 = "mnist-cnn.fp32@ort-cpu/b1/t1"


@pytest.fixture
def suite(mixed):
    return pyperf.BenchmarkSuite.loads(as_pyperf(mixed))


def test_there_is_a_benchmark_per_timed_case_and_a_run_per_round(suite):
    assert suite.get_benchmark_names() == [FP32, "mnist-cnn.int8@tflite/b1/t1"]
    assert [benchmark.get_nrun() for benchmark in suite] == [4, 4]


def test_values_are_mean_calls_of_blocks_in_seconds(make_result, make_report, make_round):
    blocks = ((10_000, 20_000, 60_000), (40_000, 40_000, 40_000))
    each = msgspec.structs.replace(make_round(0, 1), blocks_ns=blocks)
    result = make_result(rounds=(each,))
    benchmark = pyperf.BenchmarkSuite.loads(as_pyperf(make_report(result))).get_benchmark(FP32)
    assert benchmark.get_values() == pytest.approx((30e-6, 40e-6))
    assert benchmark.get_loops() == 3
    assert benchmark.get_unit() == "second"


def test_loops_are_left_out_where_blocks_differ(make_result, make_report, make_round):
    rounds = (
        msgspec.structs.replace(make_round(0, 1), blocks_ns=((10_000, 30_000), (40_000,))),
        msgspec.structs.replace(make_round(1, 1), blocks_ns=((10_000, 10_000, 40_000),)),
    )
    benchmark = pyperf.BenchmarkSuite.loads(as_pyperf(make_report(make_result(rounds=rounds)))).get_benchmark(FP32)
    assert benchmark.get_values() == pytest.approx((20e-6, 40e-6, 20e-6))
    assert [run.get_loops() for run in benchmark.get_runs()] == [1, 3]


def test_the_first_call_is_the_warm_up(suite):
    assert suite.get_benchmark(FP32).get_runs()[0].warmups == ((1, pytest.approx(300e-6)),)


def test_metadata_are_under_the_names_of_pyperf(suite, mixed):
    metadata = suite.get_benchmark(FP32).get_metadata()
    assert metadata["cpu_model_name"] == "AMD EPYC"
    assert metadata["cpu_count"] == 2
    assert (metadata["python_implementation"], metadata["python_version"]) == ("cpython", "3.11.7")
    assert metadata["mem_max_rss"] == 70_000_000
    assert metadata["cpu_affinity"] == "1"
    assert metadata["runtime"] == "ort-cpu 1.0"
    assert (metadata["model"], metadata["variant"]) == ("mnist-cnn", "fp32")
    assert (metadata["task"], metadata["dataset"]) == ("classification", "test set")
    assert metadata["date"].startswith(mixed.run.started_at[:10])
    assert None not in metadata.values()


def test_what_is_not_known_is_left_out(make_result, make_report):
    report = make_report(make_result(memory=None, threads=2))
    environment = msgspec.structs.replace(report.environment, git_revision=None, load_average=(), cpu_model=" \n")
    text = as_pyperf(msgspec.structs.replace(report, environment=environment))
    metadata = pyperf.BenchmarkSuite.loads(text).get_benchmark(FP32).get_metadata()
    assert not {"mem_max_rss", "cpu_affinity", "commit_id", "load_avg_1min", "cpu_model_name"} & metadata.keys()


def test_compare_to_finds_the_slower_one(make_result, make_report, tmp_path, consumer):
    for name, factor in (("before", 1), ("after", 2)):
        report = make_report(make_result(medians=[factor * median for median in (50_000, 51_000, 52_000)]))
        (tmp_path / f"{name}.json").write_text(as_pyperf(report))
    printed = consumer("pyperf", "compare_to", "before.json", "after.json")
    assert "51.0 us" in printed
    assert "2.00x slower" in printed


def test_stats_counts_runs_values_and_loops(mixed, tmp_path, consumer):
    (tmp_path / "run.json").write_text(as_pyperf(mixed))
    printed = consumer("pyperf", "stats", "run.json", "-b", FP32)
    assert "Number of run with values: 4" in printed
    assert "Number of warmup per run: 1" in printed
    assert "Total number of values: 280" in printed


def test_a_name_of_several_lines_becomes_one(mixed, rename):
    suite = pyperf.BenchmarkSuite.loads(as_pyperf(rename(mixed, "one\ntwo")))
    assert suite.get_benchmark_names()[0] == "one two"


def test_a_report_without_a_timed_case_is_refused(unmeasured):
    with pytest.raises(ReportError, match="has no timed case"):
        as_pyperf(unmeasured)


def test_calls_that_took_no_time_are_refused(make_result, make_report, make_round):
    result = make_result(rounds=(msgspec.structs.replace(make_round(0, 1), blocks_ns=((0,), (0,))),))
    report = msgspec.structs.replace(make_report(make_result()), results=(result,))
    with pytest.raises(ReportError, match="took 0 ns"):
        as_pyperf(report)
