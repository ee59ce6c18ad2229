"""Scenarios in a report: metrics, tables, plots, comparison, files."""

from __future__ import annotations

import re

import msgspec
import pytest

from crossrt.history.judging.levels import levels_of
from crossrt.reports.exchange.ci_files import has_failed
from crossrt.reports.page.drawing import all_plots
from crossrt.reports.page.report_page import report_page
from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.schema.scenarios import (
    ColdRound,
    ColdStart,
    MultiStream,
    Offline,
    OfflineRound,
    Point,
    QueryRound,
    Server,
    ServerRound,
    Trial,
)
from crossrt.reports.statistics.metrics import derive_metrics
from crossrt.reports.statistics.replicates import replicate_change, replicate_ratio
from crossrt.reports.statistics.scenarios import best_point, scenario_definitions
from crossrt.reports.tables.findings import caution_notes
from crossrt.reports.tables.pull_request import pull_request_comment
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports

SERVER = "server_2ms_p99_per_s"


def server(*rates, latency_ns=2_000_000, **fields):
    def trial(rate, verdict):
        return Trial(
            rate_per_s=rate,
            queries=1056,
            over=1 if verdict == "held" else 400,
            tail_ns=1_900_000,
            busy_ns=70,
            elapsed_ns=100,
            verdict=verdict,
        )

    rounds = tuple(
        ServerRound(index=index, trials=(trial(rate, "held"), trial(1.02 * rate, "not held")), sustained_per_s=rate)
        for index, rate in enumerate(rates)
    )
    told = {"asked": "server:latency=2ms,percentile=99", "rounds": rounds, "replicate": rounds}
    return Server(latency_ns=latency_ns, percentile=99.0, confidence=0.99, **{**told, **fields})


def offline(growth=0.03):
    calls = {(1, 1): 1000, (1, 2): 1200, (1, 4): 2400, (2, 1): 800, (2, 2): 1000, (2, 4): 1990}
    points = tuple(Point(threads=threads, batch_size=size, call_ns=ns) for (threads, size), ns in calls.items())
    return Offline(asked="offline", growth=growth, rounds=tuple(OfflineRound(index=i, points=points) for i in range(2)))


def multi_stream(queries=700):
    rounds = tuple(QueryRound(index=i, latency_ns=tuple(range(10_000, 10_000 + queries))) for i in range(2))
    return MultiStream(asked="multi-stream:samples=8", samples=8, batch_size=4, rounds=rounds, replicate=rounds)


def cold_start():
    rounds = tuple(
        ColdRound(index=i, start_ns=40_000_000, import_ns=30_000_000, load_ns=2_000_000, first_call_ns=100_000)
        for i in range(3)
    )
    return ColdStart(asked="cold-start:cache=warm", cache="warm", rounds=rounds)


@pytest.fixture
def make(make_report, make_result):
    def with_scenarios(*outcomes, **fields):
        result = make_result(scenarios=outcomes)
        report = make_report(result, **fields)
        definitions = (*report.definitions, *scenario_definitions(report.results))
        metrics = derive_metrics(report.results, report.artifacts, report.run.settings.baseline, definitions)
        return msgspec.structs.replace(report, definitions=definitions, metrics=metrics)

    return with_scenarios


def values(report):
    return {each.name: each for each in report.metrics}


def test_every_scenario_has_its_metric_with_an_interval(make):
    found = values(make(server(1000, 1100, 1210), offline(), multi_stream(), cold_start()))
    assert found[SERVER].value == pytest.approx(1100)
    assert found[SERVER].lower < 1100 < found[SERVER].upper
    assert found["offline_per_s"].value == pytest.approx(2 / 1000e-9)
    assert found["multi_stream_8_p50_ns"].value == pytest.approx(10_349.5)
    assert found["cold_start_ns"].value == pytest.approx(72_100_000)
    assert found["cold_start_import_ns"].value == pytest.approx(30_000_000)


def test_a_percentile_is_left_out_where_a_round_has_too_few_queries(make):
    assert "multi_stream_8_p99_ns" in values(make(multi_stream(662)))
    assert "multi_stream_8_p99_ns" not in values(make(multi_stream(661)))


def test_throughput_stops_growing_at_the_smallest_batch_that_is_nearly_the_best():
    best = best_point(offline())
    assert (best.threads, best.batch_size) == (2, 2)  # batch 4 on 2 threads gives 0.5% more
    assert best_point(offline(growth=0.001)).batch_size == 4


def test_other_options_are_another_metric(make):
    report = make(
        server(1000, 1000), server(2000, 2000, latency_ns=5_000_000, asked="server:latency=5ms,percentile=99")
    )
    assert values(report)[SERVER].value == pytest.approx(1000)
    assert values(report)["server_5ms_p99_per_s"].value == pytest.approx(2000)


def test_tables_fit_80_columns_and_say_what_the_numbers_mean(make, printed):
    text = printed(make(server(1000, 1100, 1210), offline(), multi_stream(), cold_start()))
    assert max(map(len, text.splitlines())) <= 80
    for part in (
        "Server: highest rate of random arrivals with 99% answered within 2ms",
        "270,336 queries",
        "Offline: highest throughput",
        "samples/s t1",
        "Multi-stream: latency of a query of 8 samples",
        "2×4",
        "Cold start: process start to first answer, files in the page cache",
    ):
        assert part in " ".join(text.split()), part


def test_a_rate_that_was_not_held_is_a_row_with_its_reason_and_fails_the_job(make, printed):
    report = make(server(status="failed", reason="900 queries/s were not held in 3 of 3 rounds"))
    assert "900 queries/s were not held" in printed(report)
    assert SERVER not in values(report)
    assert has_failed(report)
    assert not has_failed(make(server(1000)))


def test_page_and_comment_show_scenarios(make):
    report = make(server(1000, 1100), offline(), cold_start())
    page = report_page(report)
    assert "highest rate of random arrivals" in page
    assert "Scaling and scenarios" in page
    names = [plot.name for plot in all_plots(report)]
    assert {"offline-fp32_ort-cpu", "server-2ms-p99", "cold-start-warm"} <= set(names)
    assert pull_request_comment(report, None)


@pytest.mark.parametrize(("factor", "verdict"), [(0.3, "worse"), (3.0, "better"), (1.0, "same"), (0.7, "inconclusive")])
def test_compare_judges_a_rate_with_four_verdicts(make, factor, verdict):
    rates = [1000 * (1 + 0.004 * step) for step in range(6)]
    before = make(server(*rates), id="before")
    after = make(server(*(factor * rate for rate in rates)), id="after")
    (finding,) = [each for each in compare_reports(before, after, Question()).findings if each.metric == SERVER]
    assert finding.verdict == verdict
    assert finding.change == pytest.approx(factor - 1, abs=0.01)  # of the rate, not of the time
    assert finding.lower <= finding.change <= finding.upper


def test_compare_does_not_judge_rates_under_different_bounds(make):
    before, after = (
        make(server(1000, 1000), id="before"),
        make(server(10, 10, latency_ns=1_000_000, asked="server:latency=1ms,percentile=99"), id="after"),
    )
    found = compare_reports(before, after, Question()).findings
    assert not [each for each in found if each.metric.startswith("server")]


def test_a_history_keeps_the_level_of_a_rate(make):
    report = make(server(1000, 1000, 1000), cold_start())
    found = {metric for _, metric in levels_of(report)}
    assert {SERVER, "cold_start_ns"} <= found


def test_a_report_is_read_as_it_was_written(make, tmp_path):
    report = make(server(1000, 1100), offline(), multi_stream(), cold_start())
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report


def test_a_report_of_before_scenarios_has_none(sample):
    assert all(result.scenarios == () for result in sample.results)


def test_a_replicate_is_compared_round_by_round():
    assert replicate_ratio(server(1000, 1100)) == pytest.approx(1)
    assert replicate_ratio(server(1000, 1100, replicate=server(900, 990).rounds)) == pytest.approx(1 / 0.9)
    assert replicate_ratio(cold_start()) is None


def test_a_sweep_is_a_table_for_each_case(make_report, make_result, printed):
    results = [
        make_result(
            batch_size=size, threads=threads, case=f"mnist-cnn.fp32@ort-cpu/b{size}/t{threads}", medians=(median,) * 3
        )
        for threads in (1, 2)
        for size, median in ((1, 50_000), (2, 70_000), (4, 90_000))
    ]
    text = printed(make_report(*results))
    assert "fp32@ort-cpu: throughput and latency of one call" in text
    assert "samples/s t1  samples/s t2" in text
    assert re.search(r"batch 4 .* 90\.0 ±", text)
    assert "Batch 1, 1 thread: latency of one call" not in text
    assert max(map(len, text.splitlines())) <= 80
    names = [plot.name for plot in all_plots(make_report(*results))]
    assert "scaling-fp32_ort-cpu" in names


def test_a_replicate_farther_off_than_the_interval_allows_is_a_caution(make, printed):
    slow, own = server(530, 520), server(1000, 1020)
    text = " ".join(printed(make(msgspec.structs.replace(own, replicate=slow.rounds))).split())
    assert "CAUTION: in server:latency=2ms,percentile=99 fp32@ort-cpu and its A/A replicate, which are equal," in text
    assert "differ by -48.0% in rate, more than the interval of its value allows: the machine was noisy." in text
    assert "noise: the rate of the A/A replicate of fp32@ort-cpu differs by -48.0% in the same rounds" in text


@pytest.mark.parametrize("again", [(1080, 1060), (2000, 500)])
def test_a_replicate_as_far_off_as_chance_allows_is_none(make, again):
    own = msgspec.structs.replace(server(*again), replicate=server(1000, 1010).rounds)
    assert replicate_change(own).is_allowed
    assert not any("A/A replicate" in line for line in caution_notes(make(own)))
