"""The worst tensors and the shares of kernel time, where a report holds them."""

from __future__ import annotations

import json

import msgspec
import pytest

from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.schema.records import KernelShares, LayerErrors, TensorError
from crossrt.reports.tables.layers import KINDS, MOST_ROWS, kernel_time_sheet, layer_sheet
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.tables.summary import Summary
from crossrt.reports.text.markdown import report_as_markdown


def tensor(name, sqnr_db, role="activation") -> TensorError:
    shares = {"relative_error": 0.0731, "cosine": 0.99, "saturated": 0.5, "clipped": 0.00012}
    return TensorError(tensor=name, role=role, dtype="uint8", sqnr_db=sqnr_db, **shares)


def layers(item, *tensors) -> LayerErrors:
    return LayerErrors(artifact=f"mnist-cnn.{item}", samples=1_000, tensors=tensors)


@pytest.fixture
def report(make_report, make_result):
    def make(*found):
        made = make_report(make_result())
        files = [made.artifacts[0]]
        for each in found:
            variant, _, form = each.artifact.removeprefix("mnist-cnn.").rpartition(".")
            if each.artifact != files[0].id:
                files.append(msgspec.structs.replace(files[0], id=each.artifact, variant=variant, format=form))
        return msgspec.structs.replace(made, artifacts=tuple(files), layers=found)

    return make


def texts(sheet):
    return [[cell.text for cell in row] for row in sheet.rows]


def test_the_noisiest_tensor_comes_first_and_an_exact_one_never(report):
    one = layers("int8.onnx", tensor("mnist-cnn_1/a:0", 30.0), tensor("b", None))
    other = layers("w4.onnx", tensor("mnist-cnn_1/w", 12.34, "weight"))
    assert texts(layer_sheet(report(one, other))) == [
        ["w (weight)", "w4", "12.3", "7.31", "0.012"],
        ["a", "int8", "30.0", "7.31", "0.012"],
    ]


def test_each_file_has_its_share_of_the_rows(report):
    bad = layers("bad.onnx", *(tensor(f"t{number}", float(number)) for number in range(20)))
    good = layers("good.onnx", *(tensor(f"g{number}", 50.0 + number) for number in range(20)))
    files = [row[1] for row in texts(layer_sheet(report(bad, good)))]
    assert files == ["bad"] * 5 + ["good"] * 5


def test_the_format_is_told_where_two_files_have_one_variant(report):
    found = report(*(layers(f"int8-dynamic.{form}", tensor("t", 9.0)) for form in ("onnx", "tflite")))
    assert [row[1] for row in texts(layer_sheet(found))] == ["int8-dynamic.onnx", "int8-dynamic.tflite"]


def test_of_many_files_the_worst_are_shown(report):
    found = report(*(layers(f"v{number:02}.onnx", tensor("t", 60.0 - number)) for number in range(15)))
    sheet = layer_sheet(found)
    assert sheet.title.startswith("Worst tensors of 15 quantized files over 1,000 samples")
    assert [row[1] for row in texts(sheet)] == [f"v{number:02}" for number in range(14, 14 - MOST_ROWS, -1)]


def test_a_report_without_diagnoses_has_neither_table(make_report, make_result):
    titles = " ".join(sheet.title for sheet in Summary(make_report(make_result())).sheets())
    assert "Worst tensors" not in titles
    assert "kernel time" not in titles


def shares(**parts) -> KernelShares:
    return KernelShares(kernels_ns=12_345, **{**dict.fromkeys(KINDS, 0.0), **parts})


def test_kernel_time_is_shown_at_the_largest_batch_size(make_report, make_result):
    results = [make_result(batch_size=size, kernel_shares=shares(float=0.75, layout=0.25)) for size in (1, 32)]
    found = make_report(*results, make_result("fp32@tflite", batch_size=32))
    sheet = kernel_time_sheet(found, Lookup(found))
    assert "batch 32" in sheet.title
    assert texts(sheet) == [["fp32@ort-cpu", "·", "·", "75.0", "·", "25.0", "12.3"]]


def test_both_are_saved_read_and_rendered(make_report, make_result, printed, tmp_path):
    results = make_report(make_result(kernel_shares=shares(integer=1.0)))
    made = msgspec.structs.replace(results, layers=(layers("fp32.onnx", tensor("|weird|", 3.0)),))
    write_report(made, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["layers"][0]["samples"] == 1_000
    found = read_report(tmp_path / "report.json")
    assert found == made
    text = printed(found)
    assert "Worst tensors of 1 quantized file" in text
    assert max(map(len, text.splitlines())) <= 80
    assert r"\|weird\|" in report_as_markdown(found)
