"""Notes on cases that turn out to be the same computation, or that change with the batch size; warnings."""

from __future__ import annotations

import msgspec
import pytest

from crossrt.core.evaluation import ClassDetails, ClassScore
from crossrt.reports.schema.records import Control, Quantization
from crossrt.reports.tables.findings import batch_notes, caution_notes, graph_notes

OPERATORS = ("QuantizeLinear", "QLinearConv", "NhwcMaxPool", "NhwcMaxPool", "QGemm")


def label(result):
    return f"{result.variant}@{result.runtime}"


QUANTIZATION = Quantization(
    scheme="static",
    representation="qdq",
    activation_type="uint8",
    weight_type="int8",
    granularity="per-channel",
    symmetric_activations=False,
    symmetric_weights=True,
    calibration_method="minmax",
    calibration_samples=100,
    calibration_sha256=None,
    io_dtype="float32",
)


@pytest.fixture
def make_pair(make_result, make_evaluation):
    """Makes a QDQ and a QOperator result; the second may have other operators or other outputs."""

    def make(*, batch_size=1, operators=OPERATORS, seed=0, **fields):
        qdq = make_result("one@ort-cpu", batch_size=batch_size, operators=OPERATORS)
        other = {"operators": operators, "evaluation": make_evaluation(seed=seed), **fields}
        return qdq, make_result("two@ort-cpu", batch_size=batch_size, **other)

    return make


@pytest.fixture
def notes_of(make_report):
    """Notes on results, of which those of the variant `one` are QDQ and those of `two` are QOperator files."""

    def make(*results, **changes):
        report = make_report(*results)
        ways = {
            "one": QUANTIZATION,
            "two": msgspec.structs.replace(QUANTIZATION, representation="qoperator", **changes),
        }
        files = tuple(msgspec.structs.replace(each, quantization=ways.get(each.variant)) for each in report.artifacts)
        return graph_notes(msgspec.structs.replace(report, artifacts=files), label)

    return make


def test_same_operators_and_outputs_are_called_one_computation(make_pair, notes_of):
    (note,) = notes_of(*make_pair())
    assert note.startswith("one@ort-cpu and two@ort-cpu at batch 1: the same 5 operators and bit-identical outputs")
    assert "noise" in note


def test_repetitions_of_one_operator_are_counted(make_pair, notes_of):
    (note,) = notes_of(*make_pair())
    assert "QuantizeLinear, QLinearConv, NhwcMaxPool x2, QGemm" in note


def test_same_operators_with_other_outputs_are_not_called_identical(make_pair, notes_of):
    (note,) = notes_of(*make_pair(seed=1))
    assert "at batch 1: the same operators, whose outputs differ by rounding" in note
    assert "bit-identical" not in note


def test_different_operators_are_named(make_pair, notes_of):
    (note,) = notes_of(*make_pair(operators=("QuantizeLinear", "Conv")))
    assert "at batch 1: different graphs" in note
    assert "only the first runs NhwcMaxPool, QGemm, QLinearConv" in note
    assert "only the second Conv" in note


def test_different_numbers_of_the_same_operators_are_counted(make_pair, notes_of):
    (note,) = notes_of(*make_pair(operators=(*OPERATORS, "QGemm")))
    assert "5 and 6 operators of the same kinds" in note


@pytest.mark.parametrize(
    "other", [{}, {"seed": 1}, {"operators": ("Conv",)}], ids=["identical", "other outputs", "other operators"]
)
def test_batch_sizes_share_one_note(make_pair, notes_of, other):
    (note,) = notes_of(*make_pair(**other), *make_pair(batch_size=32, **other))
    assert "at batch 1 and 32" in note


def test_batch_sizes_that_differ_in_more_have_notes_of_their_own(make_pair, notes_of):
    notes = notes_of(*make_pair(), *make_pair(batch_size=32, seed=1))
    assert ["bit-identical" in note for note in notes] == [True, False]


def test_nothing_is_said_where_operators_are_unknown(make_pair, notes_of):
    assert notes_of(*make_pair(operators=None)) == []


def test_nothing_is_said_of_files_that_were_quantized_otherwise(make_pair, notes_of):
    assert notes_of(*make_pair(), granularity="per-tensor") == []
    assert len(notes_of(*make_pair(), recipe={"name": "two"})) == 1


def test_nothing_is_said_of_a_case_without_its_counterpart(make_pair, make_result, notes_of):
    qdq, _ = make_pair()
    assert notes_of(qdq, make_result(operators=OPERATORS)) == []


def test_nothing_is_said_of_cases_that_never_answered(make_pair, notes_of):
    assert notes_of(*make_pair(status="failed", reason="x", evaluation=None)) == []


def test_a_batch_size_that_changes_answers_is_noted(make_result, make_evaluation, make_report):
    report = make_report(make_result(), make_result(batch_size=32, evaluation=make_evaluation(wrong=5)))
    said = "at batch 1 and 32, of 200 samples, top-1 198 and 195, agreement 198 and 195"
    assert batch_notes(report, label) == [f"fp32@ort-cpu: its answers depend on the batch size: {said}"]


def test_a_batch_size_that_changes_nothing_is_not_noted(make_result, make_report):
    assert batch_notes(make_report(make_result(), make_result(batch_size=32)), label) == []


def test_a_run_whose_blocks_were_mostly_hit_is_not_to_be_trusted(make_result, make_report):
    result = make_result()
    hit = tuple(msgspec.structs.replace(each, disturbed_blocks=tuple(range(10))) for each in result.rounds)
    calm, busy = make_report(result), make_report(msgspec.structs.replace(result, rounds=hit))
    assert not any("machine was busy" in note for note in caution_notes(calm))
    blocks = sum(len(each.blocks_ns) for each in hit)
    expected = (
        f"{10 * len(hit):,} of {blocks:,} blocks of calls were hit by other load twice and kept: the machine was busy"
    )
    assert any(expected in note for note in caution_notes(busy))


def test_equals_that_differ_are_a_caution(make_result, make_report, make_round):
    result = make_result(medians=[90_000] * 6)

    def report(replicate_ns: int):
        rounds = tuple(make_round(index, replicate_ns + index) for index in range(6))
        replicate = Control(kind="replicate", of=result.case, batch_size=1, threads=1, rounds=rounds)
        return msgspec.structs.replace(make_report(result), controls=(replicate,))

    assert not any("its A/A replicate" in note for note in caution_notes(report(90_000)))
    assert any("differ by +10.0%: the machine was noisy" in note for note in caution_notes(report(99_000)))


def test_cautions_of_the_report_come_first(make_result, make_report):
    report = msgspec.structs.replace(make_report(make_result()), cautions=("the data overlaps",))
    assert caution_notes(report)[0] == "CAUTION: the data overlaps"


def test_random_inputs_are_a_caution(make_result, make_report):
    report = make_report(make_result())
    report = msgspec.structs.replace(report, data=msgspec.structs.replace(report.data, is_random=True))
    assert caution_notes(report)[0] == "CAUTION: random inputs: nothing about accuracy was measured"


def of_classes(evaluation, supports, *cells):
    scores = tuple(ClassScore(precision=0, recall=0, f1=0, support=each) for each in supports)
    return msgspec.structs.replace(evaluation, classes=ClassDetails(scores=scores, confusion=cells))


@pytest.mark.parametrize(
    ("wrong", "supports", "cells", "text"),
    [
        (150, (50, 150), ((0, 1, 50), (1, 0, 100), (1, 1, 50)), "no more than always answering the most frequent"),
        (50, (50, 150), ((0, 1, 50), (1, 1, 150)), "answers class 1 to every sample"),
        (50, (0, 200), ((1, 1, 150), (1, 0, 50)), "the labels hold a single class"),
        (40, (50, 150), ((0, 1, 40), (0, 0, 10), (1, 1, 150)), None),
    ],
)
def test_a_baseline_near_chance_is_a_caution(make_result, make_report, make_evaluation, wrong, supports, cells, text):
    evaluation = of_classes(make_evaluation(wrong=wrong), supports, *cells)
    cautions = [
        each
        for each in caution_notes(make_report(make_result(evaluation=evaluation)))
        if "says" in each or "sample" in each
    ]
    assert len(cautions) == (text is not None)
    assert all(text in each for each in cautions)


def test_files_that_may_saturate_are_named_on_a_processor_without_vnni(make_result, make_report):
    report = make_report(make_result("int8@ort-cpu"))
    files = tuple(msgspec.structs.replace(each, quantization=QUANTIZATION) for each in report.artifacts)
    report = msgspec.structs.replace(report, artifacts=files)

    def on(*flags, machine="x86_64"):
        environment = msgspec.structs.replace(report.environment, cpu_flags=flags, machine=machine)
        return [
            each for each in caution_notes(msgspec.structs.replace(report, environment=environment)) if "VNNI" in each
        ]

    assert "may saturate in int8" in on("avx2")[0]
    assert on("avx2", "avx512_vnni") == on(machine="aarch64") == []


@pytest.mark.parametrize(
    ("asked", "told", "remedy"),
    [(10, "2 rounds of 10, which is what the time allowed", "more --time."), (2, "(2 rounds)", "more --rounds.")],
)
@pytest.mark.parametrize(("medians", "width"), [((40_000, 44_000), "±64% at the median"), ((40_000, 90_000), "wider")])
def test_wide_intervals_name_what_would_narrow_them(make_result, make_report, asked, told, remedy, medians, width):
    report = make_report(make_result(medians=medians))
    settings = msgspec.structs.replace(report.run.settings, rounds=2, asked_rounds=asked)
    report = msgspec.structs.replace(report, run=msgspec.structs.replace(report.run, settings=settings))
    (line,) = [line for line in caution_notes(report) if "intervals of p50" in line]
    assert told in line
    assert width in line
    assert line.endswith(remedy)
