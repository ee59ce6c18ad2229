"""The list of formats, and what is refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

import crossrt.reports.exchange
from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.registry import FORMATS, check_request, convert

FOLDER = Path(crossrt.reports.exchange.__file__).parent


def test_the_names_are_those_that_scripts_rely_on():
    assert list(FORMATS) == [
        *("asv", "bencher", "csv", "github-action-benchmark", "junit", "parquet", "pyperf", "pytest-benchmark"),
    ]


def test_every_module_of_a_format_is_listed():
    assert {each.source.partition(":")[0] for each in FORMATS.values()} == {
        path.stem for path in FOLDER.glob("to_*.py")
    }


def test_every_line_fits_a_terminal_of_80_columns():
    assert max(len(each.summary) for each in FORMATS.values()) <= 80 - 2 - 24 - 1


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.makes != "additions"])
def test_a_format_makes_what_it_says(mixed, tmp_path, name):
    kinds = {"text": str, "binary": bytes, "folder": dict}
    assert isinstance(convert(name, [mixed], tmp_path), kinds[FORMATS[name].makes])


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if not each.holds_runs])
def test_a_format_of_one_run_refuses_two(mixed, tmp_path, name):
    with pytest.raises(ReportError, match="holds one run, and 2 reports were given: asv, csv, parquet hold several"):
        convert(name, [mixed, mixed], tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("asv", "asv makes several files: name their folder with --out"),
        ("github-action-benchmark", "makes several files: name their folder with --out"),
        ("parquet", "parquet is not text: name a file with --out"),
    ],
)
def test_what_cannot_be_printed_wants_out(name, message):
    with pytest.raises(ReportError, match=message):
        check_request(name, 1, has_out=False)
    check_request(name, 1, has_out=True)
