"""A report for programs and notebooks."""

from __future__ import annotations

import sys

import msgspec
import pandas
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import read_report


def test_iterating_over_a_report_gives_each_case_with_its_metrics(sample):
    rows = list(sample)
    assert [row.case for row in rows] == [result.case for result in sample.results]
    first = rows[0]
    expected = {metric.name: metric.value for metric in sample.metrics if metric.case == first.case}
    assert first.metrics == expected
    lower, upper = first.intervals["latency_p50_ns"]
    assert lower <= first.metrics["latency_p50_ns"] <= upper


def test_a_report_is_as_long_as_its_rows_and_shows_in_one_line(sample):
    assert len(sample) == len(list(sample))
    text = repr(sample)
    assert text == str(sample)
    assert text.startswith("<Report of ")
    assert f": {len(sample)} cases, " in text
    assert len(text) < 200


def test_a_report_without_cases_is_still_one(sample):
    empty = msgspec.structs.replace(sample, results=())
    assert empty
    assert (len(empty), list(empty)) == (0, [])
    assert repr(empty) == "<Report of nothing: 0 cases, 0 measured, complete>"


def test_a_metric_has_an_interval_or_none(sample):
    metric = next(each for each in sample.metrics if each.name == "latency_p50_ns")
    assert metric.interval == (metric.lower, metric.upper)
    assert msgspec.structs.replace(metric, lower=msgspec.UNSET, upper=msgspec.UNSET).interval is None


def test_a_data_frame_has_a_row_for_each_case(sample):
    frame = sample.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["case"]) == [result.case for result in sample.results]
    assert frame["latency_p50_ns"].notna().any()


def test_without_pandas_the_error_says_how_to_install_it(sample, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ReportError, match="install pandas"):
        sample.to_dataframe()


def test_a_notebook_shows_tables_in_which_no_text_is_markup(sample):
    run = msgspec.structs.replace(sample.run, crossrt_version="<script>alert(1)</script>")
    text = msgspec.structs.replace(sample, run=run)._repr_html_()
    assert "<table>" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_report_is_saved_and_read_again(sample, tmp_path):
    path = sample.save(tmp_path / "report.json")
    assert read_report(path).metrics == sample.metrics
