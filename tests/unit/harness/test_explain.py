"""What is read from the kernels of a call."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from crossrt.analysis.explanation.record import LostFusion
from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.exporters.recipes.recipe import OnnxStatic, TfliteStatic
from crossrt.exporters.variants import Variant
from crossrt.harness.analyze.explain import Explanation, explanation_lines, kernel_sheet, run_explain, variants_for
from crossrt.harness.analyze.lost_fusions import lost_lines
from crossrt.harness.cli.progress import Silent
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.case import Scenario
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.runtimes.kernels import Kernel, Profile, kind_of

MODELS = Path(__file__).parents[2] / "data" / "models"
INT8 = read_manifest(MODELS / "conv.int8-io.tflite" / "artifact.json", ModelArtifact)
FP32 = read_manifest(MODELS / "conv.fp32.tflite" / "artifact.json", ModelArtifact)


def kernel(operator, *dtypes, us=None, delegate=None):
    dtype, kind = dtypes[0], kind_of(operator, dtypes)
    duration_ns = None if us is None else 1000 * us
    return Kernel(operator=operator, name=operator, kind=kind, dtype=dtype, delegate=delegate, duration_ns=duration_ns)


def explanation(*kernels, call_us=None, recipe=None, twins=(), form="onnx"):
    artifact = FP32
    if recipe is not None:
        record = Variant(name="mine", format=form, recipe=recipe).quantization_record()
        artifact = dataclasses.replace(FP32, quantization=record, format=form)
    profile = Profile(kernels=kernels, call_ns=None if call_us is None else 1000 * call_us)
    return Explanation(artifact=artifact, runtime="ort-cpu", batch_size=1, profile=profile, twins=twins)


@pytest.mark.parametrize(
    ("operator", "dtypes", "kind"),
    [
        ("QLinearConv", ("uint8", "float32"), "integer"),
        ("CONV_2D", ("int8", "int8"), "integer"),
        ("CONV_2D", ("float32", "int8"), "hybrid"),
        ("MatMulNBits", ("float32", "uint8"), "hybrid"),
        ("Conv", ("float32", "float32"), "float"),
        ("QuantizeLinear", ("float32",), "conversion"),
        ("DEQUANTIZE", ("int8",), "conversion"),
        ("Reshape", ("uint8", "int64"), "layout"),
        ("Relu", (), "float"),
    ],
)
def test_kernels_of_all_runtimes_have_one_vocabulary(operator, dtypes, kind):
    assert kind_of(operator, dtypes) == kind


def test_shares_are_of_kernel_time_and_the_rest_is_outside():
    found = explanation(kernel("QLinearConv", "uint8", us=60), kernel("Reshape", "uint8", us=20), call_us=100)
    assert found.share("integer") == pytest.approx(0.75)
    assert found.outside == pytest.approx(0.2)
    assert list(explanation_lines(found)) == [
        "2 kernels: integer 1 (75% of kernel time), layout 1 (25% of kernel time)",
        "outside the kernels, under the profiler: 20% of the call",
    ]


def test_without_times_kernels_are_counted():
    found = explanation(kernel("CONV_2D", "int8", delegate="XNNPACK"), kernel("CONV_2D", "float32"))
    assert (found.share("integer"), found.outside) == (None, None)
    assert list(explanation_lines(found)) == ["2 kernels: integer 1, float 1"]
    assert [cell.text for cell in kernel_sheet(found).rows[0]] == ["CONV_2D", "int8", "integer", "XNNPACK", "-", "-"]


def lost(kind, operator, *reasons, node="layer_1", layer=None):
    return LostFusion(operator=operator, node=node, kind=kind, reasons=reasons, layer=layer)


def test_kernels_in_float_are_named_with_their_reason_and_conversions_counted():
    found = [
        lost("conversion", "DequantizeLinear", "before Gemm layer_1, in float"),
        lost("float", "Gemm", "the recipe leaves out Gemm"),
        lost("float", "Gemm", "the recipe leaves out Gemm", node="layer_2"),
        lost("float", "Add", "one", "two", layer="net_1/sum"),
        lost("float", "Mul"),
        lost("conversion", "QuantizeLinear", "behind Gemm layer_1, in float"),
        lost("conversion", "QuantizeLinear", "integers change their scale"),
    ]
    assert list(lost_lines(found, "net")) == [
        "in float: Gemm layer_1, Gemm layer_2: the recipe leaves out Gemm",
        "in float: Add sum: one; two",
        "in float: Mul layer_1: the graph does not show why",
        "2 conversions: beside kernels in float",
        "1 conversion: integers change their scale",
    ]


def test_without_the_packages_that_read_graphs_kernels_are_still_shown():
    found = explanation(kernel("Gemm", "float32", us=5), recipe=OnnxStatic())
    found = dataclasses.replace(found, unexplained="explanation needs onnx")
    assert list(explanation_lines(found))[-1] == "why kernels compute in float is not known: explanation needs onnx"


def test_of_other_formats_kernels_in_float_are_named_alone():
    found = explanation(kernel("SOFTMAX", "float32"), recipe=TfliteStatic(), form="tflite")
    assert list(explanation_lines(found))[-1] == "in float: SOFTMAX"


def test_nothing_is_said_where_float_was_wanted():
    assert len(list(explanation_lines(explanation(kernel("Conv", "float32", us=5))))) == 1


def test_files_that_come_to_the_same_kernels_are_named():
    found = run_explain(INT8, [INT8, FP32], "tflite", Scenario(batch_size=2, threads=1), Silent())
    assert found.twins == ["int8-io"]
    assert found.counts["integer"] >= 2
    assert "int8-io comes to the same kernels: only its file and its loading differ" in explanation_lines(found)


ORT = RuntimeInfo(name="ort-cpu", version="1", formats=("onnx",))
MINE = """
[recipes.first]
kind = "onnx-static"

[recipes.second]
kind = "tflite-static"
"""


def test_a_shipped_recipe_beyond_the_main_job_is_built_beside_its_variants():
    names = [each.item for each in variants_for("w4@ort-cpu", ORT, None, None)]
    assert names == ["fp32.onnx", "int8-qdq.onnx", "int8-qoperator.onnx", "int8-dynamic.onnx", "w4.onnx"]


def test_a_file_of_recipes_takes_the_place_of_the_shipped_ones(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    names = [each.item for each in variants_for("first@ort-cpu", ORT, None, tmp_path / "mine.toml")]
    assert names == ["fp32.onnx", "first.onnx"]
    with pytest.raises(HarnessError, match="no case 'second@ort-cpu'; there are: fp32@ort-cpu, first@ort-cpu"):
        variants_for("second@ort-cpu", ORT, None, tmp_path / "mine.toml")


def test_of_a_manifest_without_a_recipe_kernels_in_float_are_named_alone():
    found = explanation(kernel("Gemm", "float32", us=5), recipe=OnnxStatic())
    older = dataclasses.replace(found.artifact.quantization, recipe=None)
    found = dataclasses.replace(found, artifact=dataclasses.replace(found.artifact, quantization=older))
    assert list(explanation_lines(found))[-1] == "in float: Gemm"
