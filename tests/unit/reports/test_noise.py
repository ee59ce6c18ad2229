"""What a run's own controls say: the noise line, the overhead floor, the count of disturbed blocks."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from crossrt.reports.schema.records import Control, Round
from crossrt.reports.statistics.noise import disturbances, floors_of, noise_of
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
            first_run_ns=1,
            latency_ns=tuple((layout * np.ones(BLOCKS * CALLS)).astype(int).tolist()),
            repeated_blocks=index % 2,
            disturbed_blocks=(3,) if index == 1 else (),
        )
        for index, layout in enumerate(level_ns * random.lognormal(0, spread, count))
    )


def control(kind, of, rounds):
    return Control(kind=kind, of=of, batch_size=1, threads=1, calls_per_block=CALLS, rounds=rounds)


@pytest.fixture
def report(make_result, make_report):
    results = [
        make_result(subject, rounds=rounds_at(level, seed), calls_per_block=CALLS)
        for subject, level, seed in (
            ("fp32@ort-cpu", 50_000, 1),
            ("int8@ort-cpu", 49_900, 2),
            ("int8@tflite", 25_000, 3),
        )
    ]
    controls = (
        control("twin", results[0].case, rounds_at(50_000, 4)),
        control("floor", "ort-cpu", rounds_at(5_000, 5, count=3)),
        control("anchor", "numpy", rounds_at(40_000, 6)),
    )
    return msgspec.structs.replace(make_report(*results), controls=controls)


def test_noise_is_what_a_case_and_its_twin_differ_by(report):
    noise = noise_of(report, SCENARIO)
    assert noise.case == "mnist-cnn.fp32@ort-cpu/b1/t1"
    assert noise.ratio.lower < 0 < noise.ratio.upper
    assert 0.005 < noise.smallest_difference < 0.05
    assert noise.smallest_difference == pytest.approx(math.expm1(noise.ratio.resolution()))


def test_a_run_without_a_twin_has_no_noise_line(report):
    assert noise_of(msgspec.structs.replace(report, controls=()), SCENARIO) is None
    assert noise_of(report, (32, 1, "float32")) is None


def test_one_round_tells_no_noise(make_result, make_report):
    result = make_result(rounds=rounds_at(50_000, 1, count=1), calls_per_block=CALLS)
    report = make_report(result)
    twin = control("twin", result.case, rounds_at(50_000, 2, count=1))
    assert noise_of(msgspec.structs.replace(report, controls=(twin,)), SCENARIO) is None


def test_lines_stand_under_the_table(report, printed):
    text = " ".join(printed(report).split())
    assert "noise: fp32@ort-cpu timed twice in the same rounds differs by" in text
    assert "beside the runtime's fastest case): ort-cpu 5.0 µs, 10% of int8@ort-cpu" in text


def test_a_difference_below_the_noise_is_neither_best_nor_coloured(report):
    sheet = Summary(report).latency(SCENARIO)
    speedups = {row[0].text: row[5] for row in sheet.rows}
    assert speedups["int8@tflite"].tone == "good"
    assert speedups["int8@ort-cpu"].tone is None


def test_what_noise_cannot_tell_from_the_fastest_shares_its_star(make_result, make_report):
    """The rounds of the two differ in the same direction every time, but the run's twins differ by as much."""
    fast = make_result(rounds=rounds_at(50_000, 1), calls_per_block=CALLS)
    slow = make_result(
        "int8@ort-cpu",
        calls_per_block=CALLS,
        rounds=tuple(
            msgspec.structs.replace(each, latency_ns=tuple(int(ns * 1.001) for ns in each.latency_ns))
            for each in fast.rounds
        ),
    )
    report = make_report(fast, slow)
    stars = lambda found: {row[0].text: row[1].best for row in Summary(found).latency(SCENARIO).rows}  # noqa: E731
    assert stars(report) == {"fp32@ort-cpu": True, "int8@ort-cpu": False}
    twin = control("twin", fast.case, rounds_at(50_000, 7))
    assert stars(msgspec.structs.replace(report, controls=(twin,))) == {"fp32@ort-cpu": True, "int8@ort-cpu": True}


def test_floors_belong_to_their_runtime_and_scenario(report):
    assert floors_of(report, SCENARIO)["ort-cpu"].value == pytest.approx(5_000, rel=0.02)
    assert floors_of(report, (32, 1, "float32")) == {}


def test_disturbed_blocks_are_counted_over_cases_and_controls(report):
    blocks, repeated, kept = disturbances(report)
    assert blocks == (5 * 10 + 3) * report.run.settings.blocks_per_round
    assert (repeated, kept) == (5 * 5 + 1, 6)
    assert any(note.startswith(f"{repeated} of") for note in Summary(report).notes())
