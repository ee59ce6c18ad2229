"""Reports as one tidy table, in CSV and Parquet."""

from __future__ import annotations

import csv
import io
import sys
from datetime import UTC, datetime
from typing import get_type_hints

import msgspec
import pyarrow
import pytest
from pyarrow import parquet

from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.rows import COLUMNS, Row, rows_of
from crossrt.reports.exchange.to_csv import as_csv
from crossrt.reports.exchange.to_parquet import OPTIONAL, as_parquet

FP32 = "mnist-cnn.fp32@ort-cpu/b1/t1"


def lines_of(*reports):
    return list(csv.DictReader(io.StringIO(as_csv(reports))))


def table_of(*reports):
    return parquet.read_table(io.BytesIO(as_parquet(reports)))


def test_there_is_a_row_per_metric_with_everything_that_tells_it_apart(mixed):
    rows = list(rows_of([mixed]))
    assert len(rows) == len(mixed.metrics)
    row = next(each for each in rows if (each.case, each.metric) == (FP32, "latency_p50_ns"))
    assert (row.run, row.started_at) == (mixed.run.id, datetime(2026, 11, 21, 7, 43, 36, tzinfo=UTC))
    assert (row.model, row.variant, row.format) == ("mnist-cnn", "fp32", "onnx")
    assert (row.runtime, row.runtime_version) == ("ort-cpu", "1.0")
    assert (row.batch_size, row.threads, row.io, row.status) == (1, 1, "float32", "ok")
    assert (row.task, row.dataset) == ("classification", "test set")
    assert (row.unit, row.direction, row.cpu) == ("ns", "smaller_is_better", "AMD EPYC")
    assert (row.git_revision, row.git_dirty) == (mixed.environment.git_revision, True)


def test_a_failed_case_shows_as_failed(mixed):
    (row,) = (each for each in rows_of([mixed]) if each.case == "mnist-cnn.bad@tflite/b1/t1")
    assert (row.metric, row.status, row.runtime_version) == ("size_bytes", "failed", None)


def test_csv_holds_numbers_in_full_and_leaves_cells_empty_where_nothing_is_known(mixed):
    lines = lines_of(mixed)
    for line, metric in zip(
        lines, sorted(mixed.metrics, key=lambda each: list(names(mixed)).index(each.case)), strict=True
    ):
        assert (line["case"], line["metric"], float(line["value"])) == (metric.case, metric.name, metric.value)
        assert line["lower"] == ("" if metric.lower is msgspec.UNSET else repr(metric.lower))
        assert line["upper"] == ("" if metric.upper is msgspec.UNSET else repr(metric.upper))


def names(report):
    return dict.fromkeys(each.case for each in report.results)


def test_csv_has_a_header_and_one_line_per_row(mixed):
    text = as_csv([mixed])
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert len(text.splitlines()) == 1 + len(mixed.metrics)
    assert "nan" not in text.lower()
    assert lines_of(mixed)[0]["started_at"] == "2026-11-21T07:43:36+00:00"
    assert lines_of(mixed)[0]["git_dirty"] == "true"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =cmd|'/c calc'!A0", "\x00=1", "＝1"])  # noqa: RUF001
def test_no_cell_of_csv_is_a_formula(mixed, rename, name):
    (shown,) = {line["case"] for line in lines_of(rename(mixed, name))} - names(mixed).keys()
    assert shown.startswith("'")
    assert shown[1:].strip("\t\x00 ") == name.strip("\t\x00 ")


def test_negative_numbers_and_plain_names_stay_as_they_are(mixed):
    metric = msgspec.structs.replace(mixed.metrics[0], value=-1.5)
    (line,) = lines_of(msgspec.structs.replace(mixed, metrics=(metric,)))
    assert (line["value"], line["case"]) == ("-1.5", FP32)


def test_a_cell_of_several_lines_with_commas_and_quotes_is_one_cell(mixed, rename):
    assert 'a, "b" c' in {line["case"] for line in lines_of(rename(mixed, 'a, "b"\nc'))}


def test_several_runs_follow_each_other(mixed):
    other = msgspec.structs.replace(mixed, run=msgspec.structs.replace(mixed.run, id="later"))
    assert [line["run"] for line in lines_of(mixed, other)] == [mixed.run.id] * len(mixed.metrics) + ["later"] * len(
        mixed.metrics
    )


def test_parquet_has_types(mixed):
    schema = table_of(mixed).schema
    assert schema.names == list(COLUMNS)
    assert schema.field("started_at").type == pyarrow.timestamp("ms", tz="UTC")
    assert schema.field("batch_size").type == pyarrow.int64()
    assert {str(schema.field(name).type) for name in ("value", "lower", "upper")} == {"double"}
    assert schema.field("case").type == pyarrow.string()


def test_parquet_says_null_where_nothing_is_known(mixed):
    rows = table_of(mixed).to_pylist()
    size = next(row for row in rows if row["metric"] == "size_bytes")
    assert (size["value"], size["lower"], size["upper"]) == (1000.0, None, None)
    assert rows == [{name: getattr(row, name) for name in COLUMNS} for row in rows_of([mixed])]


def test_columns_may_be_null_where_a_row_may_lack_them(mixed):
    may_lack = {name for name, hint in get_type_hints(Row).items() if type(None) in getattr(hint, "__args__", ())}
    assert may_lack == OPTIONAL
    assert {field.name for field in table_of(mixed).schema if field.nullable} == OPTIONAL


def test_missing_pyarrow_is_said_with_the_command_that_installs_it(mixed, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ReportError, match=r"pyarrow is not installed: .* install pyarrow"):
        as_parquet([mixed])


@pytest.mark.parametrize("convert", [as_csv, as_parquet])
def test_a_report_without_metrics_is_refused(mixed, unmeasured, convert):
    with pytest.raises(ReportError, match="has no metric of any case"):
        convert([mixed, unmeasured])


@pytest.mark.parametrize("said", ["yesterday", "", "9999-12-31T23:59:59-23:00"])
def test_a_time_that_is_none_is_refused(mixed, said):
    damaged = msgspec.structs.replace(mixed, run=msgspec.structs.replace(mixed.run, started_at=said))
    with pytest.raises(ReportError, match="is not an ISO 8601 time"):
        as_csv([damaged])


def test_metrics_of_own_tasks_are_rows_with_unit_and_direction(regression):
    rows = {row.metric: row for row in rows_of([regression])}
    assert (rows["mae"].unit, rows["mae"].direction, rows["mae"].task) == ("deg C", "smaller_is_better", "regression")
    assert (rows["r2"].value, rows["r2"].direction) == (-0.5, "bigger_is_better")


def test_a_case_without_a_model_name_has_none(mixed):
    nameless = msgspec.structs.replace(mixed.results[0], model="", variant="")
    row = next(iter(rows_of([msgspec.structs.replace(mixed, results=(nameless,))])))
    assert (row.model, row.variant) == (None, None)
