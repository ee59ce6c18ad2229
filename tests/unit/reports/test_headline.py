"""The first sentences of a report."""

from __future__ import annotations

from crossrt.reports.tables.headline import headline


def test_fastest_case_is_named_with_its_price(make_result, make_report):
    report = make_report(
        make_result(medians=[90_000, 90_500, 89_500]),
        make_result("int8-qdq@ort-cpu", medians=[30_000, 30_100, 29_900]),
    )
    first, counts = headline(report)
    assert first.startswith("Batch 1: int8-qdq@ort-cpu is the fastest, 30.0 µs a call; 3.00 [")
    assert "times as fast as fp32@ort-cpu, top-1 +0.00 points [+0.00, +0.00]." in first
    assert counts == "2 of 2 cases measured."


def test_cases_that_cannot_be_told_apart_share_the_place(make_result, make_report):
    rounds = [30_000, 31_000, 29_000, 30_500]
    report = make_report(make_result(medians=rounds), make_result("int8-qdq@ort-cpu", medians=rounds[::-1]))
    assert "not told from" in headline(report)[0]


def test_failures_and_interruptions_are_told(make_result, make_report):
    failed = make_result("int8-qdq@ort-cpu", status="failed", reason="crashed", rounds=())
    report = make_report(make_result(), failed, status="interrupted")
    assert headline(report)[-1].startswith("1 of 2 cases measured, 1 failed; the run was interrupted")


def test_every_batch_size_has_its_fastest(make_result, make_report):
    report = make_report(make_result(), make_result(batch_size=32))
    assert [line.partition(":")[0] for line in headline(report)[:2]] == ["Batch 1", "Batch 32"]


def test_nothing_measured_is_said_plainly(make_result, make_report):
    report = make_report(make_result(status="skipped", reason="not installed", rounds=()))
    assert headline(report) == ["0 of 1 case measured, 1 skipped."]
