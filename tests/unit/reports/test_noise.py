"""What a run's own controls say: the noise line, the call overhead, the count of disturbed blocks."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from crossrt.reports.schema.records import Control, Round
from crossrt.reports.statistics.noise import call_overheads, disturbances, noise_of
from crossrt.reports.tables.summary import Summary

SCENARIO = (1, 1, "float32")
BLOCKS, CALLS = 12, 10


def rounds_at(level_ns, seed, *, count=10, spread=0.01):
    random = np.random.default_rng(seed)
    return tuple(
        Round(
            index=index,
            position=0,
            load_ns=1,
            first_inference_ns=1,
            blocks_ns=(tuple((layout * np.ones(CALLS)).astype(int).tolist()),) * BLOCKS,
            repeated_blocks=index % 2,
            disturbed_blocks=(3,) if index == 1 else (),
        )
        for index, layout in enumerate(level_ns * random.lognormal(0, spread, count))
    )


def control(kind, of, rounds):
    return Control(kind=kind, of=of, batch_size=1, threads=1, rounds=rounds)


@pytest.fixture
def report(make_result, make_report):
    results = [
        make_result(subject, rounds=rounds_at(level, seed))
        for subject, level, seed in (
            ("fp32@ort-cpu", 50_000, 1),
            ("int8@ort-cpu", 49_900, 2),
            ("int8@tflite", 25_000, 3),
        )
    ]
    controls = (
        control("replicate", results[0].case, rounds_at(50_000, 4)),
        control("noop", "ort-cpu", rounds_at(5_000, 5, count=3)),
        control("reference", "numpy", rounds_at(40_000, 6)),
    )
    return msgspec.structs.replace(make_report(*results), controls=controls)


def test_noise_is_what_a_case_and_its_replicate_differ_by(report):
    noise = noise_of(report, SCENARIO)
    assert noise.case == "mnist-cnn.fp32@ort-cpu/b1/t1"
    assert noise.ratio.lower < 0 < noise.ratio.upper
    assert 0.005 < noise.smallest_difference < 0.05
    assert noise.smallest_difference == pytest.approx(math.expm1(noise.ratio.resolution()))


def test_a_run_without_a_replicate_has_no_noise_line(report):
    assert noise_of(msgspec.structs.replace(report, controls=()), SCENARIO) is None
    assert noise_of(report, (32, 1, "float32")) is None


def test_one_round_tells_no_noise(make_result, make_report):
    result = make_result(rounds=rounds_at(50_000, 1, count=1))
    report = make_report(result)
    replicate = control("replicate", result.case, rounds_at(50_000, 2, count=1))
    assert noise_of(msgspec.structs.replace(report, controls=(replicate,)), SCENARIO) is None


def test_lines_stand_under_the_table(report, printed):
    text = " ".join(printed(report).split())
    assert "noise: the A/A replicate of fp32@ort-cpu differs by" in text
    assert "call overhead (no-op model): ort-cpu 5.0 µs, 10% of int8@ort-cpu" in text


def test_percentages_that_say_nothing_are_not_shown(report, printed):
    replicate = control("replicate", report.results[0].case, rounds_at(50_000, 4, count=2, spread=0.5))
    first = msgspec.structs.replace(report.results[0], rounds=report.results[0].rounds[:2])
    few = msgspec.structs.replace(
        report, results=(first, *report.results[1:]), controls=(replicate, *report.controls[1:])
    )
    text = " ".join(printed(few).split())
    assert "what takes twice as long as fp32@ort-cpu may not be marked" in text
    assert "A/A replicate of" not in text


def test_a_difference_below_the_noise_is_neither_best_nor_coloured(report):
    sheet = Summary(report).latency(SCENARIO)
    speedups = {row[0].text: row[5] for row in sheet.rows}
    assert speedups["int8@tflite"].tone == "good"
    assert speedups["int8@ort-cpu"].tone is None


def test_what_noise_cannot_distinguish_from_the_fastest_shares_its_star(make_result, make_report):
    """The rounds of the two differ in the same direction every time, but the run's replicates differ by as much."""
    fast = make_result(rounds=rounds_at(50_000, 1))
    slow = make_result(
        "int8@ort-cpu",
        rounds=tuple(
            msgspec.structs.replace(
                each, blocks_ns=tuple(tuple(int(ns * 1.001) for ns in calls) for calls in each.blocks_ns)
            )
            for each in fast.rounds
        ),
    )
    report = make_report(fast, slow)
    stars = lambda found: {row[0].text: row[1].best for row in Summary(found).latency(SCENARIO).rows}  # noqa: E731
    assert stars(report) == {"fp32@ort-cpu": True, "int8@ort-cpu": False}
    replicate = control("replicate", fast.case, rounds_at(50_000, 7))
    assert stars(msgspec.structs.replace(report, controls=(replicate,))) == {"fp32@ort-cpu": True, "int8@ort-cpu": True}


def test_call_overheads_belong_to_their_runtime_and_scenario(report):
    assert call_overheads(report, SCENARIO)["ort-cpu"].value == pytest.approx(5_000, rel=0.02)
    assert call_overheads(report, (32, 1, "float32")) == {}


def test_disturbed_blocks_are_counted_over_cases_and_controls(report):
    blocks, repeated, kept = disturbances(report)
    assert blocks == (5 * 10 + 3) * BLOCKS
    assert (repeated, kept) == (5 * 5 + 1, 6)
    assert any(note.startswith(f"{repeated} of") for note in Summary(report).notes())
