"""An A/B comparison in words."""

from __future__ import annotations

import io
import lzma
import math
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from crossrt.reports.schema.files import read_duel
from crossrt.reports.schema.records import Look
from crossrt.reports.statistics.contrasts import Contrast
from crossrt.reports.tables.duel_text import (
    duel_as_markdown,
    duel_lines,
    gate_line,
    headline,
    interval_bar,
    print_duel,
    progress_line,
)
from crossrt.reports.verdicts.duel import ALPHA, Samples, judge_looks, judge_samples

MARGIN = 0.02


def rounds_at(percent, count=10):
    return [Contrast(value=math.log1p(percent / 100) + 0.001 * (-1) ** index, error=0.001) for index in range(count)]


def judged(percent, count=10):
    return judge_samples(Samples(ratio=rounds_at(percent, count), control=rounds_at(0, count)), ALPHA, MARGIN)


@pytest.mark.parametrize(
    ("percent", "text"),
    [
        (25, "A is 1.250 times as fast as B (margin 2%)"),
        (-20, "B is 1.250 times as fast as A (margin 2%)"),
        (0.1, "Same within 2%: the time of B differs from A's by +0.0% to +0.2%"),
        (2.0, "Inconclusive: B is slower, but whether by more than 2% is open"),
    ],
)
def test_the_verdict_is_a_sentence(percent, text):
    assert headline(judged(percent), MARGIN).startswith(text)


def test_too_few_rounds_say_so():
    assert headline(judged(5, 1), MARGIN) == "Inconclusive: too few rounds were finished"


def test_a_verdict_that_did_not_recur_says_so():
    ratio = [*rounds_at(5, 8), *rounds_at(0, 4)]
    found = judge_looks(Samples(ratio=ratio, control=rounds_at(0, 12)), [Look(rounds=8, alpha=ALPHA)], MARGIN)
    assert "did not recur in fresh processes" in headline(found, MARGIN)


def test_the_bar_shows_interval_margin_and_zero():
    bar = interval_bar(judged(0), MARGIN, 33)
    assert (len(bar), bar.count("|"), bar.count("o")) == (35, 2, 1)
    assert bar[1 + 16] == "o"


@pytest.mark.parametrize("percent", [-90, 90, 10_000])
def test_what_is_far_off_stays_within_the_bar(percent):
    bar = interval_bar(judged(percent), MARGIN, 33)
    assert len(bar) == 35
    assert (bar[1] if percent < 0 else bar[33]) in "<>"


def test_the_line_while_it_runs_shows_the_interval():
    assert progress_line(judged(5), MARGIN).startswith("round 10: B / A +4.")
    assert progress_line(judged(5, 1), MARGIN) == "round 1"


@pytest.fixture
def sample(tmp_path):
    """The A/B comparison of the docs."""
    packed = Path(__file__).parents[3] / "docs" / "samples" / "duel.json.xz"
    (tmp_path / "duel.json").write_bytes(lzma.decompress(packed.read_bytes()))
    return read_duel(tmp_path / "duel.json")


def test_an_interval_at_an_absurd_level_is_unbounded_and_no_huge_number(sample):
    alone = msgspec.structs.replace(sample, looks=(Look(rounds=2, alpha=1e-300),))
    text = "\n".join((*duel_lines(alone), gate_line(alone), duel_as_markdown(alone)))
    assert "99% interval 0.0000 to unbounded" in text
    assert "no difference would have been seen 95 times in 100" in text
    assert "too few rounds were finished to say by how much" in text
    assert re.search(r"[0-9]{12}", text) is None


def test_a_side_that_failed_without_a_reason_is_not_said_to_have_the_reason_none(sample):
    failed = msgspec.structs.replace(sample.b.result, status="failed", reason=None)
    found = msgspec.structs.replace(sample, b=msgspec.structs.replace(sample.b, result=failed))
    assert re.fullmatch(r"No verdict: B failed after [0-9]+ rounds", duel_lines(found)[0])


def test_random_inputs_are_a_caution_above_the_verdict(sample):
    console = Console(file=io.StringIO(), width=100)
    print_duel(sample, console)
    assert console.file.getvalue().startswith("CAUTION: random inputs: nothing about accuracy was measured\n")
    fed = msgspec.structs.replace(sample, data=msgspec.structs.replace(sample.data, is_random=False))
    console = Console(file=io.StringIO(), width=100)
    print_duel(fed, console)
    assert "CAUTION" not in console.file.getvalue()


def test_how_far_outputs_that_are_no_classes_differ_is_told(sample):
    assert any(line.endswith("B's outputs differ from A's by 4.9% of their size") for line in duel_lines(sample))
    equal = msgspec.structs.replace(sample, distance=msgspec.structs.replace(sample.distance, relative=0.0))
    assert any(line.split() == ["answers", "the", "same"] for line in duel_lines(equal))
    unknown = msgspec.structs.replace(sample, distance=None)
    assert not any(line.startswith("answers") for line in duel_lines(unknown))


def test_sides_stay_in_columns_in_a_narrow_terminal(sample):
    console = Console(file=io.StringIO(), width=60)
    print_duel(sample, console)
    lines = console.file.getvalue().splitlines()
    side = next(number for number, line in enumerate(lines) if line.startswith("B  "))
    assert " µs  ort-cpu" in lines[side]
    assert lines[side + 1].index("CPython") == lines[side].index("ort-cpu 1.31.1")
