"""Pairs of cases by each measure, in a matrix or, where that is too wide, as a list."""

from __future__ import annotations

import msgspec
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Distance
from crossrt.reports.tables.agreement import answers_in
from crossrt.reports.tables.agreement_matrix import MOST_PAIRS, agreement_sheet

WIDE = 100


@pytest.fixture
def report(make_report, make_result, make_evaluation):
    """Cases `c0` to `cN`, of which `cN` gets N samples wrong, and what is known of the distance of some pairs."""

    def make(count, **known):
        results = [make_result(f"c{number}@x", evaluation=make_evaluation(wrong=number)) for number in range(count)]
        names = [result.case for result in results]
        found = []
        for pair, (steps, nats, back) in known.items():
            one, other = (names[int(place)] for place in pair.removeprefix("p").split("_"))
            known_of = {"kl_nats": nats, "kl_back_nats": back, "max_steps": steps}
            found.append(Distance(one=one, other=other, relative=0.1 + 20 * nats, **known_of))
        return msgspec.structs.replace(make_report(*results), distances=tuple(found))

    return make


def texts(sheet):
    return [[cell.text for cell in row] for row in sheet.rows]


def sheet_of(report, measure="agreement", width=WIDE, only=()):
    return agreement_sheet(report, answers_in(report, only), measure, width)


def test_the_matrix_has_every_pair_once(report):
    assert texts(sheet_of(report(3))) == [
        ["a  c0@x", "100.00", "", ""],
        ["b  c1@x", "99.50", "100.00", ""],
        ["c  c2@x", "99.00", "99.50", "100.00"],
    ]


def test_steps_are_absent_between_floats(report):
    found = sheet_of(report(3, p0_1=(None, 0, 0), p0_2=(26.04, 0, 0), p1_2=(3.0, 0, 0)), "steps")
    assert texts(found)[1:] == [["b  c1@x", "-", "·", ""], ["c  c2@x", "26.0", "3.0", "·"]]


def test_divergence_of_the_column_from_the_row(report):
    known = report(3, p0_1=(None, 1.24e-5, 2e-5), p0_2=(1.0, 0.0, 4e-12), p1_2=(1.0, 0.25, 3.0))
    assert texts(sheet_of(known, "kl")) == [
        ["a  c0@x", "·", "1.2e-5", "0"],
        ["b  c1@x", "2.0e-5", "·", "2.5e-1"],
        ["c  c2@x", "<1e-9", "3.0", "·"],
    ]


def test_the_order_of_a_pair_in_the_file_does_not_matter(report):
    chosen = answers_in(known := report(2, p0_1=(2.0, 1e-3, 4e-3)), ())
    found = agreement_sheet(known, chosen[::-1], "kl", WIDE)
    assert texts(found) == [["a  c1@x", "·", "4.0e-3"], ["b  c0@x", "1.0e-3", "·"]]


@pytest.mark.parametrize(
    ("measure", "title", "first"),
    [
        ("agreement", "The 8 of 45 pairs that agree least", ["c0@x", "c9@x", "95.50", "-", "-", "-", "-"]),
        (
            "steps",
            "The 8 of 45 pairs that are most steps apart",
            ["c1@x", "c2@x", "99.50", "12", "9.0", "1.0e-3", "2.0e-3"],
        ),
        (
            "relative",
            "The 8 of 45 pairs that differ most",
            ["c1@x", "c2@x", "99.50", "12", "9.0", "1.0e-3", "2.0e-3"],
        ),
        ("kl", "The 8 of 45 pairs that diverge most", ["c3@x", "c4@x", "99.50", "10", "1.0", "0", "5.0e-1"]),
    ],
)
def test_of_too_many_cases_the_farthest_pairs_are_listed_with_all_measures(report, measure, title, first):
    known = report(10, p1_2=(9.0, 0.001, 0.002), p3_4=(1.0, 0, 0.5), p5_6=(None, 0, 0))
    found = sheet_of(known, measure, width=30)
    assert found.title == f"{title} (--only chooses cases)"
    assert len(found.rows) == MOST_PAIRS
    assert texts(found)[0] == first


def test_the_main_jobs_nine_cases_have_room_in_a_log(report):
    assert sheet_of(report(9)).columns == ("case", *"abcdefghi")
    assert sheet_of(report(9), width=60).columns[:2] == ("case", "and")


def test_an_older_report_has_answers_alone(report):
    old = report(3)
    assert sheet_of(old, width=10).columns == ("case", "and", "same answer %")
    for measure in ("relative", "steps", "kl"):
        with pytest.raises(ReportError, match=f"does not hold what {measure} needs: measure it again"):
            sheet_of(old, measure)


def test_relative_errors_are_in_percent_of_the_norm(report):
    assert texts(sheet_of(report(2, p0_1=(None, 0, 0)), "relative"))[1] == ["b  c1@x", "10", "·"]


def test_without_predictions_the_agreement_is_the_one_that_the_run_found(report):
    found = report(2)
    results = tuple(
        msgspec.structs.replace(each, evaluation=msgspec.structs.replace(each.evaluation, predictions=None))
        for each in found.results
    )
    distance = Distance(one=results[0].case, other=results[1].case, agreement=0.875)
    found = msgspec.structs.replace(found, results=results, distances=(distance,))
    assert texts(sheet_of(found))[1][1] == "87.50"
