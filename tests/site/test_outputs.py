"""What pages show is what commands print: of saved results, and of commands that are run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from generator import outputs, samples  # noqa: E402 - the folder is no package of an installation
from generator.blocks import all_blocks  # noqa: E402

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
        lost = outputs.missing(block, lines, alike)
        assert lost is None, f"{lost!r} is not printed: {outputs.UPDATE}"
        return
    lines = request.getfixturevalue("ran")[block.place]
    alike = outputs.same_words if block.mark == "output, numbers vary" else outputs.nearly
    lost = outputs.missing(block, lines, alike)
    assert lost is None, f"{lost!r} is not printed, but\n{chr(10).join(lines)}"
    if len(outputs.parts(outputs.shown(block))) == 1:
        assert len(outputs.shown(block)) == len(lines), "the page leaves lines out without a mark"


def test_every_sample_is_shown(found):
    shown = {block.command for block in BLOCKS}
    assert found.saved.keys() - shown == {COMPARED}
    assert "crossrt compare before.json after.json" in shown


def test_the_picture_is_that_of_the_saved_report(found):
    report = read_report(found.folder / "reference.json")
    assert samples.PICTURE.read_text(encoding="utf-8") == samples.picture(report), outputs.UPDATE


@pytest.mark.parametrize(
    ("shown", "printed", "is_near", "has_words"),
    [
        ("top-1 98.00 in 1,331.5 KB", "top-1  98.50 in 1,340 KB", True, True),
        ("top-1 98.00", "top-1 90.00", False, True),
        ("top-1 98.00", "top-5 98.00", False, True),
        ("  ▁▂▃|▇  a", "▁▂|▃▇▇ a", True, True),
        ("exact", "different", False, False),
    ],
)
def test_lines_are_compared_by_words_and_numbers(shown, printed, is_near, has_words):
    assert outputs.nearly(shown, printed) == is_near
    assert outputs.same_words(shown, printed) == has_words
