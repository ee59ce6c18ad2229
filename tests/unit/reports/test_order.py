"""Which cases count as equally fast: never against the intervals that the tables show."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from crossrt.reports.schema.records import Control
from crossrt.reports.tables.headline import headline
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.tables.order import fastest_of, order_of
from crossrt.reports.tables.summary import Summary
from crossrt.reports.verdicts.choice.advice import Budget, advise
from crossrt.reports.verdicts.choice.advice_text import advice_lines
from crossrt.reports.verdicts.choice.pareto import fronts

SCENARIO = (1, 1, "float32")


def with_settings(report, **fields):
    settings = msgspec.structs.replace(report.run.settings, **fields)
    return msgspec.structs.replace(report, run=msgspec.structs.replace(report.run, settings=settings))


@pytest.fixture
def two_rounds(make_report, make_result, make_round, make_evaluation):
    """A run of two rounds, with an A/A replicate that differs by 4%: cases of 21, 80 and 121 µs."""
    many = make_evaluation(samples=20_000)
    report = make_report(
        make_result("fp32@ort-cpu", medians=(79_700, 79_800), evaluation=many),
        make_result("int8-dynamic@tflite", medians=(21_200, 21_500), evaluation=many),
        make_result("int8-qdq@ort-cpu", medians=(120_100, 121_300), evaluation=many),
    )
    rounds = tuple(make_round(index, median) for index, median in enumerate((79_000, 83_500)))
    replicate = Control(kind="replicate", of=report.results[0].case, batch_size=1, threads=1, rounds=rounds)
    return msgspec.structs.replace(report, controls=(replicate,))


def stars(report):
    return {row[0].text: row[1].best for row in Summary(report).latency(SCENARIO).rows}


def test_cases_whose_shown_intervals_lie_apart_are_never_called_indistinguishable(two_rounds):
    assert stars(two_rounds) == {"fp32@ort-cpu": False, "int8-dynamic@tflite": True, "int8-qdq@ort-cpu": False}
    assert "indistinguishable" not in headline(two_rounds)[0]
    assert "undecided" not in headline(two_rounds)[0]
    advice = advise(two_rounds, Budget(drop=0.002))
    assert (advice.chosen.result.variant, advice.tied) == ("int8-dynamic", ())


@pytest.fixture
def vague(make_report, make_result, make_evaluation):
    """Two rounds that differ so much that neither interval says anything."""
    many = make_evaluation(samples=20_000)
    report = make_report(
        make_result("small@tflite", medians=(60_000, 30_000), evaluation=many),
        make_result("large@tflite", medians=(20_000, 30_000), evaluation=many),
        make_result("fp32@ort-cpu", medians=(50_000, 90_000), evaluation=many),
    )
    return with_settings(report, asked_rounds=10, rounds=2)


def test_where_rounds_tell_nothing_nothing_is_marked_and_the_remedy_is_named(vague):
    assert not any(stars(vague).values())
    line = headline(vague)[0]
    assert "large@tflite has the lowest p50" in line
    assert "(undecided: 2 rounds are too few to tell it from the others, more --time would)" in line
    assert "more --rounds would" in headline(with_settings(vague, asked_rounds=2))[0]


def test_what_is_undecided_is_no_tie_for_advice_and_beats_nothing(vague):
    """The smallest file of a tie is shipped: that of a case which may take several times as long must not be."""
    advice = advise(vague, Budget(drop=0.002))
    assert advice.chosen.result.variant == "large"
    assert any(
        "too few rounds to tell it from small@tflite, fp32@ort-cpu" in line
        for line in advice_lines(vague, advice, Budget(drop=0.002))
    )
    assert len(fronts(vague)[0].unbeaten) == 3


def test_one_round_decides_nothing(make_report, make_result):
    report = make_report(make_result(medians=(50_000,)), make_result("int8@tflite", medians=(49_000,)))
    found = fastest_of(Lookup(report), report.results)
    assert (found.marked, len(found.undecided)) == (frozenset(), 1)


@pytest.mark.simulation
@pytest.mark.parametrize("rounds", [2, 3, 5])
def test_equals_are_seldom_told_apart_however_few_the_rounds(make_report, make_result, rounds):
    """About 1.3% of equals are, so that eight of 150 have a chance of one in a thousand."""
    random, trials = np.random.default_rng(rounds), 150
    apart = 0
    for _ in range(trials):
        levels = (50_000 * random.lognormal(0, 0.02, (2, rounds))).astype(int)
        report = make_report(make_result(medians=levels[0]), make_result("int8@tflite", medians=levels[1]))
        apart += order_of(Lookup(report), *report.results) in ("faster", "slower")
    assert apart < 8
