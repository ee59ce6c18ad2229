from __future__ import annotations

import click
import pytest

from crossrt.cli.shared.option_types import SIZES


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("8", (8,)),
        ("1,2,4", (1, 2, 4)),
        ("1..64", (1, 2, 4, 8, 16, 32, 64)),
        ("1..6", (1, 2, 4, 6)),
        ("3..3", (3,)),
        ("1, 8..32", (1, 8, 16, 32)),
        ("2,1..4", (2, 1, 4)),
    ],
)
def test_numbers_lists_and_doublings_are_read(text, sizes):
    assert SIZES.convert(text, None, None) == sizes


@pytest.mark.parametrize("text", ["0", "-1", "1,", "", "a", "1...4", "1.5", "99999999999", "..4"])
def test_what_is_no_number_is_refused_with_what_is_expected(text):
    with pytest.raises(
        click.BadParameter, match=r"is not a valid number above 0, list such as 1,2,4, or range such as"
    ):
        SIZES.convert(text, None, None)


def test_a_range_that_goes_down_is_refused():
    with pytest.raises(click.BadParameter, match=r"goes down: write the smaller number first, as 1\.\.8"):
        SIZES.convert("8..1", None, None)
