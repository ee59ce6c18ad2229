"""The comment on a pull request."""

from __future__ import annotations

import re

import msgspec
import pytest

from crossrt.reports.schema.records import Control
from crossrt.reports.tables.pull_request import MARK, MOST_CHARACTERS, Block, pull_request_comment
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports


@pytest.fixture
def regression(make_result, make_report):
    """A report of a case that became twice as slow, and what a comparison says of it."""
    before = make_report(make_result(medians=[30_000, 30_100, 29_900] * 3), id="before")
    after = make_report(make_result(medians=[60_000, 60_100, 59_900] * 3), id="after")
    return after, compare_reports(before, after, Question())


def test_verdict_comes_first_then_what_changed_then_the_rest_folded(regression):
    text = pull_request_comment(*regression)
    lines = text.splitlines()
    assert lines[0] == MARK
    assert lines[1].startswith("### crossrt: 1 regression in 1 case")
    table = text.index("| case | metric |")
    assert table < text.index("<details>")
    assert "slower \\> 5%" in text[table : text.index("<details>")]


def test_every_fold_is_closed(regression):
    text = pull_request_comment(*regression)
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>") > 3


def test_report_alone_has_its_headline(sample):
    text = pull_request_comment(sample)
    assert re.match(rf"{MARK}\n### crossrt: Batch 1, 1 thread: .* is the fastest", text)
    assert "Size and accuracy" in text


def test_noise_stands_unfolded(make_result, make_report, make_round):
    result = make_result(medians=[90_000, 90_100, 89_900])
    rounds = tuple(make_round(index, 90_000) for index in range(3))
    twin = Control(kind="replicate", of=result.case, batch_size=1, threads=1, rounds=rounds)
    text = pull_request_comment(msgspec.structs.replace(make_report(result), controls=(twin,)))
    unfolded = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    assert "noise: the A/A replicate of fp32@ort-cpu differs by" in unfolded


@pytest.mark.parametrize("cases", [300, 800])
def test_however_many_cases_the_comment_is_short_enough(make_result, make_report, cases):
    results = [
        make_result(f"int8-{number:04}@ort-cpu", status="failed", reason=f"<b>|{number}" + 600 * "x", rounds=())
        for number in range(cases)
    ]
    text = pull_request_comment(make_report(make_result(), *results))
    assert MOST_CHARACTERS * 0.5 < len(text) <= MOST_CHARACTERS
    assert text.count("<details>") == text.count("</details>")
    assert re.search(r"\d+ lines left out", text)


def test_text_of_a_report_is_not_markup(make_result, make_report):
    failed = make_result("int8-qdq@ort-cpu", status="failed", reason="</details><script> | [a](b)", rounds=())
    text = pull_request_comment(make_report(make_result(), failed))
    assert "</details><script>" not in text
    assert text.count("</details>") == text.count("<details>")


def test_block_without_room_for_a_line_is_left_out_whole():
    block = Block(head=("<details>",), body=("1234567890", "x"), tail=("</details>",))
    assert block.fitted(20) == []
    assert block.fitted(33) == ["<details>", "1234567890", "</details>"]
    assert block.fitted(100) == ["<details>", "1234567890", "x", "</details>"]
