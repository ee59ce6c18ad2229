"""What pages show is what commands print: of saved results, and of commands that are run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from generator import outputs, samples  # noqa: E402 - the folder is no package of an installation
from generator.blocks import LEFT_OUT, Block, all_blocks  # noqa: E402

from crossrt.reports.schema.files import read_report  # noqa: E402

BLOCKS = [block for block in all_blocks() if block.mark.startswith("output")]
COMPARED = "crossrt bench own.onnx --data test.npz --runtime slowed --rounds 10"
"""The command of two samples that are shown side by side only."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return outputs.Outputs(tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def ran(found):
    """Lines of the blocks whose commands are run, by place."""
    return {block.place: lines for block, lines in found.of_pages()}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_page_shows_what_is_printed(block, found, request):
    lines = found.of_samples(block)
    if lines is not None:
        alike = outputs.nearly if "history" in block.command else str.__eq__
    else:
        lines = request.getfixturevalue("ran")[block.place]
        alike = outputs.same_words if block.mark == "output, numbers vary" else outputs.nearly
    lost = outputs.missing(block, lines, alike)
    assert lost is None, f"{lost!r} is not printed: {outputs.UPDATE}; printed is\n{chr(10).join(lines)}"
    if LEFT_OUT not in outputs.shown(block):
        assert len(outputs.shown(block)) == len(lines), "the page leaves lines out without a mark"


def test_every_sample_is_shown(found):
    shown = {block.command for block in BLOCKS}
    assert found.saved.keys() - shown == {COMPARED}
    assert "crossrt compare before.json after.json" in shown


def test_the_picture_is_that_of_the_saved_report(found):
    report = read_report(found.folder / samples.PICTURED)
    assert samples.PICTURE.read_text(encoding="utf-8") == samples.picture(report), outputs.UPDATE


@pytest.mark.parametrize(
    ("shown", "printed", "is_near", "has_words"),
    [
        ("top-1 98.00 in 1,331.5 KB", "top-1  98.50 in 1,340 KB", True, True),
        ("top-1 98.00", "top-1 90.00", False, True),
        ("top-1 98.00", "top-5 98.00", False, True),
        ("  ▁▂▃|▇  a", "▁▂|▃▇▇ a", True, True),
        ("=== FAILURES ===", "===== FAILURES =====", True, True),
        ("exact", "different", False, False),
    ],
)
def test_lines_are_compared_by_words_and_numbers(shown, printed, is_near, has_words):
    assert outputs.nearly(shown, printed) == is_near
    assert outputs.same_words(shown, printed) == has_words


OUTPUT = [
    "table 1",
    "case  µs",
    "a     10",
    "b     20",
    "",
    "note",
    "table 2",
    "case  µs",
    "a     11",
    "b     22",
    "end",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$ c\nold\n", ["$ c", *OUTPUT]),
        ("table 1\ncase  µs\na     9\nb     9\n...\n", [*OUTPUT[:4], "..."]),
        ("...\ntable 2\ncase  µs\na     9\nb     20\n...\n", ["...", *OUTPUT[6:10], "..."]),
        ("table 1\n...\ncase  µs\na     9\nb     9\nend\n", ["table 1", "...", *OUTPUT[7:]]),
    ],
)
def test_parts_of_a_block_are_found_in_a_new_output(text, expected):
    block = Block(page=ROOT / "README.md", line=1, language="", mark="output", said="c", text=text)
    assert outputs.updated(block, OUTPUT).splitlines() == expected
