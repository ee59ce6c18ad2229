"""What the tables hold before they are drawn: headline, best marks, rows of cases without result."""

from __future__ import annotations

import io
import math

import msgspec
import pytest
from rich.console import Console

from crossrt.core.metric import MetricDefinition
from crossrt.reports.tables.summary import MOST_NOTES, MOST_ROWS_OF_A_REASON, Summary
from crossrt.reports.tables.terminal import print_report

SINGLE = (1, 1, "float32")


def rows(sheet):
    """Text by case and column; the best of a column ends in an asterisk."""
    return {
        row[0].text: {name: cell.text + "*" * cell.best for name, cell in zip(sheet.columns[1:], row[1:], strict=True)}
        for row in sheet.rows
    }


def test_headline_says_what_ran_where(sample):
    text = "\n".join(Summary(sample).headline())
    for part in (sample.run.id, "complete", sample.environment.cpu_model, "ort-cpu 1.31.1", "tflite 2.3.0", "2 rounds"):
        assert part in text


def test_headline_of_a_complete_run_does_not_speak_of_interruption(sample):
    assert "interrupted" not in "\n".join(Summary(sample).headline()).lower()


def test_headline_of_an_interrupted_run_says_so(sample):
    run = msgspec.structs.replace(sample.run, status="interrupted")
    summary = Summary(msgspec.structs.replace(sample, run=run))
    assert "interrupted" in summary.headline()[1]
    assert summary.warnings()[-1].startswith("INTERRUPTED")


def test_the_model_is_left_out_of_labels_where_there_is_one(sample):
    assert list(rows(Summary(sample).latency(SINGLE))) == ["fp32@ort-cpu", "int8-qdq@ort-cpu", "fp32@tflite"]


def test_the_model_stands_in_labels_where_there_are_several(sample):
    first = sample.results[0]
    other = msgspec.structs.replace(first, model="other", case="other", subject="other.fp32@ort-cpu")
    report = msgspec.structs.replace(sample, results=(*sample.results, other))
    assert "mnist-cnn.fp32@tflite" in rows(Summary(report).latency(SINGLE))


def test_native_cases_say_so(make_result, make_report):
    native = make_result(io="native", case="mnist-cnn.fp32@ort-cpu/b1/t1/native")
    assert list(rows(Summary(make_report(native)).latency((1, 1, "native")))) == ["fp32@ort-cpu/native"]


def test_latency_is_in_microseconds_with_half_of_its_interval(make_result, make_round, make_report):
    rounds = tuple(make_round(index, median, calls=71) for index, median in enumerate((50_000, 50_000)))
    row = rows(Summary(make_report(make_result(rounds=rounds))).latency(SINGLE))["fp32@ort-cpu"]
    assert row["p50 µs"] == "50.0 ±0.0"
    assert row["p90 µs"] == "50.0"
    assert row["samples/s"] == "20,000"


def test_plus_minus_is_half_of_the_interval(make_result, make_report):
    report = make_report(make_result(medians=[50_000, 51_000, 52_000]))
    p50 = next(metric for metric in report.metrics if metric.name == "latency_p50_ns")
    row = rows(Summary(report).latency(SINGLE))["fp32@ort-cpu"]
    assert row["p50 µs"] == f"{p50.value / 1000:.1f} ±{math.ceil((p50.upper - p50.lower) / 200) / 10:.1f}"


def test_a_wide_interval_is_a_factor(make_result, make_report):
    report = make_report(make_result(medians=[50_000, 60_000]))
    p50 = next(metric for metric in report.metrics if metric.name == "latency_p50_ns")
    text, _, factor = rows(Summary(report).latency(SINGLE))["fp32@ort-cpu"]["p50 µs"].partition(" ×÷")
    assert text == "54.8"
    assert float(factor) >= p50.upper / p50.value > float(factor) - 0.1


def test_one_round_has_no_plus_minus(make_result, make_report):
    row = rows(Summary(make_report(make_result(medians=[50_000]))).latency(SINGLE))["fp32@ort-cpu"]
    assert row["p50 µs"] == "50.0"


def test_a_percentile_that_is_not_supported_is_a_dash(sample):
    assert {row["p99 µs"] for row in rows(Summary(sample).latency(SINGLE)).values()} == {"-"}


def test_the_baseline_is_named_in_place_of_its_speedup(sample):
    found = {label: row["speed-up"] for label, row in rows(Summary(sample).latency(SINGLE)).items()}
    assert found["fp32@ort-cpu"] == "baseline"
    assert found["fp32@tflite"].startswith("1.")


def test_all_that_are_indistinguishable_from_the_fastest_are_marked(make_result, make_report):
    report = make_report(
        make_result(medians=[50_000, 51_000, 52_000]),
        make_result("int8-qdq@ort-cpu", medians=[30_000, 31_000, 32_000]),
        make_result("int8-qoperator@ort-cpu", medians=[30_500, 31_500, 31_000]),
    )
    latency = rows(Summary(report).latency(SINGLE))
    for column in ("p50 µs", "samples/s"):
        assert [row[column].endswith("*") for row in latency.values()] == [False, True, True]


def test_a_single_case_is_not_the_best_of_anything(make_result, make_report):
    summary = Summary(make_report(make_result()))
    assert not any(cell.best for sheet in summary.sheets() for row in sheet.rows for cell in row)


def test_the_best_accuracy_and_the_smallest_file_are_marked(make_result, make_report, make_evaluation):
    worse = make_result("int8-qdq@ort-cpu", evaluation=make_evaluation(wrong=40))
    found = rows(Summary(make_report(make_result(), worse)).accuracy())
    assert found["fp32@ort-cpu"]["size KB"] == "1.0*"
    assert found["fp32@ort-cpu"]["top-1 %"].endswith("*")
    assert not found["int8-qdq@ort-cpu"]["top-1 %"].endswith("*")


def test_a_case_that_failed_is_not_the_best_of_anything(make_result, make_report, make_evaluation):
    failed = make_result(status="failed", reason="crashed", rounds=())
    worse = [
        make_result(f"{name}@ort-cpu", evaluation=make_evaluation(wrong=9)) for name in ("int8-qdq", "int8-qoperator")
    ]
    found = rows(Summary(make_report(failed, *worse)).accuracy())
    assert not [text for text in found["fp32@ort-cpu"].values() if text.endswith("*")]


def test_change_is_in_points_from_the_reference(sample):
    found = rows(Summary(sample).accuracy())
    assert found["int8-qdq@ort-cpu"]["change"] == "+0.02 pp"
    assert found["fp32@ort-cpu"]["change"] == "+0.00 pp"


def test_columns_that_need_a_reference_are_absent_without_one(make_result, make_report, make_evaluation):
    result = make_result(evaluation=make_evaluation(reference=False))
    row = rows(Summary(make_report(result)).accuracy())["fp32@ort-cpu"]
    assert list(row) == ["size KB", "top-1 %", "F1 %"]


def test_accuracy_has_one_row_for_all_batch_sizes(make_result, make_report):
    report = make_report(make_result(), make_result(batch_size=32))
    assert list(rows(Summary(report).accuracy())) == ["fp32@ort-cpu"]


def test_accuracy_comes_from_the_batch_size_that_answered(make_result, make_report):
    silent = make_result(status="failed", reason="crashed", rounds=(), evaluation=None, memory=None)
    row = rows(Summary(make_report(silent, make_result(batch_size=32))).accuracy())["fp32@ort-cpu"]
    assert row["top-1 %"].startswith("99.00")


def test_each_batch_size_has_its_own_latency_table(make_result, make_report):
    titles = [sheet.title for sheet in Summary(make_report(make_result(), make_result(batch_size=32))).sheets()]
    assert [title.partition(",")[0] for title in titles if "latency" in title] == ["Batch 1", "Batch 32"]


def test_startup_has_a_memory_column_per_batch_size(make_result, make_report):
    report = make_report(make_result(), make_result(batch_size=32), make_result("int8-qdq@ort-cpu"))
    found = rows(Summary(report).startup())
    assert found["fp32@ort-cpu"] == {
        "model load ms": "1.00",
        "first inference µs": "300.0",
        "peak MB b1": "70.0",
        "peak MB b32": "70.0",
    }
    assert found["int8-qdq@ort-cpu"]["peak MB b32"] == "-"


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_case_without_result_is_a_row_with_its_reason(make_result, make_report, status):
    absent = make_result("int8-qdq@ort-cpu", status=status, reason="the process was killed", rounds=())
    summary = Summary(make_report(make_result(), absent))
    shown = {"failed": "failed", "skipped": "not timed"}  # as it has answers
    assert rows(summary.latency(SINGLE))["int8-qdq@ort-cpu"]["p50 µs"] == shown[status]
    assert rows(summary.unmeasured()) == {
        "int8-qdq@ort-cpu, batch 1": {"status": status, "reason": "the process was killed"}
    }


@pytest.mark.parametrize(("count", "grouped"), [(MOST_ROWS_OF_A_REASON, False), (MOST_ROWS_OF_A_REASON + 1, True)])
def test_many_cases_with_one_reason_share_a_row(make_result, make_report, count, grouped):
    skipped = [make_result(batch_size=size + 1, status="skipped", reason="not installed") for size in range(count)]
    other = make_result("int8@tflite", status="failed", reason="crashed")
    names = (
        [f"{count} cases on ort-cpu"] if grouped else [f"fp32@ort-cpu, batch {result.batch_size}" for result in skipped]
    )
    assert list(rows(Summary(make_report(*skipped, other)).unmeasured())) == [*names, "int8@tflite, batch 1"]


def test_where_there_are_several_numbers_of_threads_a_row_without_result_names_its_own(make_result, make_report):
    absent = make_result(threads=2, status="skipped", reason="no time", rounds=())
    assert list(rows(Summary(make_report(make_result(), absent)).unmeasured())) == ["fp32@ort-cpu, batch 1, t2"]


def test_a_case_without_a_known_reason_says_that(make_result, make_report):
    summary = Summary(make_report(make_result(status="failed", rounds=())))
    assert [row["reason"] for row in rows(summary.unmeasured()).values()] == ["no reason is known"]


def test_a_run_in_which_all_went_well_has_no_table_of_failures(sample):
    assert "Failed and skipped" not in [sheet.title for sheet in Summary(sample).sheets()]


def test_a_run_in_which_nothing_went_well_still_has_its_reasons(make_result, make_report):
    failed = make_result(status="failed", reason="no memory", rounds=(), evaluation=None, memory=None)
    sheets = Summary(make_report(failed)).sheets()
    assert sheets[-1].title == "Failed and skipped"
    assert "Start-up" not in " ".join(sheet.title for sheet in sheets)


def test_a_report_without_any_case_has_no_tables(make_report):
    assert Summary(make_report()).sheets() == []


def test_notes_name_the_baseline(sample):
    assert any("speed-up: over fp32@ort-cpu" in note.lower() for note in Summary(sample).notes())


def test_notes_end_with_what_the_run_found(make_result, make_report, make_evaluation):
    other = make_result(batch_size=32, evaluation=make_evaluation(wrong=5))
    assert any(
        "at batch 1 and 32, of 200 samples, top-1 198 and 195" in note
        for note in Summary(make_report(make_result(), other)).notes()
    )


def test_headline_names_the_model_the_data_the_task_and_the_dimensions(sample):
    report = msgspec.structs.replace(sample, dimensions={"seq": 128})
    assert Summary(report).headline()[0] == (
        "model mnist-cnn (seq=128); data test set (10,000 samples), task classification"
    )


def test_random_inputs_are_said_on_top(sample):
    report = msgspec.structs.replace(sample, data=msgspec.structs.replace(sample.data, is_random=True))
    assert Summary(report).warnings()[0] == "CAUTION: random inputs: nothing about accuracy was measured"
    assert "random inputs" in Summary(report).headline()[0]
    assert "random samples" in Summary(report).accuracy().title


def test_accuracies_that_chance_explains_have_no_star(make_result, make_report, make_evaluation):
    other = make_result("int8-qdq@ort-cpu", evaluation=make_evaluation(wrong=3))
    found = rows(Summary(make_report(make_result(), other)).accuracy())
    assert not any(row["top-1 %"].endswith("*") for row in found.values())


def test_all_that_the_best_accuracy_does_not_beat_share_its_star(make_result, make_report, make_evaluation):
    wrong = {"fp32@ort-cpu": 2, "int8@tflite": 3, "int4@ort-cpu": 60}
    results = [make_result(name, evaluation=make_evaluation(wrong=each)) for name, each in wrong.items()]
    found = rows(Summary(make_report(*results)).accuracy())
    assert [row["top-1 %"].endswith("*") for row in found.values()] == [True, True, False]


def test_columns_follow_from_the_definitions_of_the_task(make_result, make_report, make_numbers):
    definitions = (
        MetricDefinition(name="mae", label="MAE", unit="m", direction="smaller_is_better", paired_test="paired-t"),
    )
    evaluation = msgspec.structs.replace(make_numbers([1.0, 2.0, 3.0]), reference_values={"mae": 1.6})
    found = Summary(make_report(make_result(evaluation=evaluation), definitions=definitions, task="regression"))
    assert found.accuracy().columns == ("case", "size KB", "MAE m", "change")
    row = rows(found.accuracy())["fp32@ort-cpu"]
    assert row["MAE m"].startswith("2 ")
    assert row["change"] == "+25.00%"


def test_notes_are_few_and_say_how_many_more_there_are(make_result, make_report, make_evaluation):
    others = [make_result(batch_size=size, evaluation=make_evaluation(wrong=size)) for size in (4, 8, 16, 24, 32, 64)]
    summary = Summary(make_report(make_result(), *others))
    assert len(summary.notes()) == MOST_NOTES
    assert summary.notes()[-1] == f"{len(summary.notes(None)) - MOST_NOTES + 1} more notes: crossrt show REPORT"


def test_show_prints_the_notes_that_bench_has_no_room_for(make_result, make_report, make_evaluation):
    others = [make_result(batch_size=size, evaluation=make_evaluation(wrong=size)) for size in (4, 8, 16, 24, 32, 64)]
    texts = []
    for most in (MOST_NOTES, None):
        console = Console(width=200, file=io.StringIO(), highlight=False)
        print_report(make_report(make_result(), *others), console, most)
        texts.append(console.file.getvalue())
    assert ["more notes: " in text for text in texts] == [True, False]
    assert [text.count("its answers depend on the batch size") for text in texts] == [3, 6]


def test_the_verdict_comes_last(sample, printed):
    lines = printed(sample).splitlines()
    assert lines[-1] == "3 of 3 cases measured."
    assert any(line.startswith("Batch 1, 1 thread: fp32@tflite is the fastest") for line in lines[-5:])


def test_rounds_that_were_not_made_are_said(sample):
    assert "; 2 rounds of " in Summary(sample).headline()[-1]
    settings = msgspec.structs.replace(sample.run.settings, rounds=10)
    cut = msgspec.structs.replace(sample, run=msgspec.structs.replace(sample.run, settings=settings))
    assert "; 2 of 10 rounds of " in Summary(cut).headline()[-1]


def test_where_nothing_was_scored_no_task_is_named(sample):
    data = msgspec.structs.replace(sample.data, is_random=True)
    assert (
        "random inputs, no answers to compare"
        in Summary(msgspec.structs.replace(sample, task="none", data=data)).headline()[0]
    )
    data = msgspec.structs.replace(sample.data, samples=0)
    report = msgspec.structs.replace(sample, task="none", data=data)
    assert Summary(report).headline()[0].endswith("; no data: only times are measured")


def test_a_reference_agrees_with_itself_without_an_interval(make_result, make_report, make_evaluation):
    reference = make_result(evaluation=make_evaluation(wrong=0))
    other = make_result("int8@ort-cpu", evaluation=make_evaluation(wrong=1))
    definitions = (
        MetricDefinition(
            name="agreement", label="agreement", unit="share", direction="bigger_is_better", format="percent"
        ),
    )
    report = msgspec.structs.replace(make_report(reference, other), reference="fp32 on ort-cpu")
    others = tuple(each for each in report.definitions if each.name not in ("top1", "macro_f1", "agreement"))
    report = msgspec.structs.replace(report, definitions=(*definitions, *others))
    found = rows(Summary(report).accuracy())
    assert found["fp32@ort-cpu"]["agreement %"] == "100.00"
    assert "±" in found["int8@ort-cpu"]["agreement %"]


def test_tables_and_columns_in_which_nothing_stands_are_left_out(make_result, make_report):
    report = make_report(make_result(memory=None, evaluation=None))
    left = ("load_ns", "size_bytes")
    report = msgspec.structs.replace(
        report,
        definitions=tuple(each for each in report.definitions if each.name not in left),
        metrics=tuple(each for each in report.metrics if each.name not in left),
    )
    assert [sheet.title for sheet in Summary(report).sheets()] == [
        "Batch 1, 1 thread: latency of one call",
        "Start-up (batch 1)",
    ]
    assert Summary(report).startup().columns == ("case", "first inference µs")


def test_a_report_without_a_model_file_says_so(make_report):
    assert Summary(make_report()).headline()[0].startswith("no model file; ")


def test_signs_are_explained_only_where_tables_have_them(make_result, make_report):
    alone = Summary(make_report(make_result())).notes()
    assert not any("speed-up" in note or "×÷" in note or note.startswith("*") for note in alone)
    several = Summary(make_report(make_result(), make_result("int8@tflite", medians=[9_000, 40_000, 90_000]))).notes()
    assert any("×÷2" in note for note in several)
    assert any(note.startswith("speed-up: over fp32@ort-cpu") for note in several)


def test_a_long_sentence_hangs_so_that_the_next_one_is_seen(make_result, make_report):
    cautions = ("one thing speaks against this " * 4,)
    report = msgspec.structs.replace(make_report(make_result()), cautions=cautions)
    console = Console(width=60, file=io.StringIO(), highlight=False)
    print_report(report, console)
    first, second, third, *_ = console.file.getvalue().splitlines()
    assert first.startswith("CAUTION: one")
    assert second.startswith("  ")
    assert third.startswith("  ")
    assert all(len(line) <= 60 for line in console.file.getvalue().splitlines())


def test_the_size_of_a_keras_file_is_explained(make_result, make_report):
    report = make_report(make_result())
    keras = tuple(msgspec.structs.replace(each, format="keras") for each in report.artifacts)
    assert not any(".keras" in line for line in Summary(report).accuracy().footer)
    assert any(".keras" in line for line in Summary(msgspec.structs.replace(report, artifacts=keras)).accuracy().footer)
