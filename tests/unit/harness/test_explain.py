"""What is read from the kernels of a call."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest

from crossrt.analysis.explanation.record import UnfusedOperator
from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.datasets.opening import DataRequest
from crossrt.exporters.recipes.recipe import OnnxStatic, TfliteStatic
from crossrt.harness.analyze.explain import (
    Explanation,
    chosen_file,
    explanation_lines,
    kernel_sheet,
    run_explain,
    session_options,
)
from crossrt.harness.analyze.unfused_operators import unfused_lines
from crossrt.harness.build.project import resolve
from crossrt.harness.build.variant_files import VariantFiles, known_variants
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.reports.text.progress import Silent
from crossrt.runtimes.kernels import Kernel, Profile, kind_of

MODELS = Path(__file__).parents[2] / "data" / "models"
INT8 = read_manifest(MODELS / "conv.int8-io.tflite" / "artifact.json", ModelArtifact)
FP32 = read_manifest(MODELS / "conv.fp32.tflite" / "artifact.json", ModelArtifact)


def kernel(operator, *dtypes, us=None, delegate=None):
    dtype, kind = dtypes[0], kind_of(operator, dtypes)
    duration_ns = None if us is None else 1000 * us
    return Kernel(operator=operator, name=operator, kind=kind, dtype=dtype, delegate=delegate, duration_ns=duration_ns)


def explanation(*kernels, call_us=None, recipe=None, form="onnx"):
    artifact = FP32
    if recipe is not None:
        record = dataclasses.replace(recipe.quantization(), recipe=msgspec.to_builtins(recipe))
        artifact = dataclasses.replace(FP32, quantization=record, format=form)
    profile = Profile(kernels=kernels, call_ns=None if call_us is None else 1000 * call_us)
    return Explanation(artifact=artifact, runtime="ort-cpu", batch_size=1, profile=profile)


@pytest.mark.parametrize(
    ("operator", "dtypes", "kind"),
    [
        ("QLinearConv", ("uint8", "float32"), "integer"),
        ("CONV_2D", ("int8", "int8"), "integer"),
        ("CONV_2D", ("float32", "int8"), "hybrid"),
        ("MatMulNBits", ("float32", "uint8"), "hybrid"),
        ("MatMulNBits", ("float32", "float32"), "hybrid"),  # packed beforehand: the profiler lists scales alone
        ("DynamicQuantizeMatMul", ("float32", "float32"), "hybrid"),
        ("DynamicQuantizeMatMul", ("float32",), "hybrid"),
        ("DynamicQuantizeLSTM", ("float32", "float32"), "hybrid"),
        ("MatMulIntegerToFloat", ("uint8", "float32", "float32"), "integer"),
        ("MatMulIntegerToFloat", ("float32", "float32"), "integer"),
        ("MatMulInteger", (), "integer"),
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
    assert list(explanation_lines(found)) == [
        "2 kernels: integer 1, float 1",
        f"{found.runtime} has no profiler here: it tells which kernels run, not how long they take",
    ]
    assert [cell.text for cell in kernel_sheet(found).rows[0]] == ["CONV_2D", "int8", "integer", "XNNPACK"]


def unfused(kind, operator, *reasons, node="layer_1", layer=None):
    return UnfusedOperator(operator=operator, node=node, kind=kind, reasons=reasons, layer=layer)


def test_kernels_in_float_are_named_with_their_reason_and_conversions_counted():
    found = [
        unfused("conversion", "DequantizeLinear", "before Gemm layer_1, in float"),
        unfused("float", "Gemm", "the recipe leaves out Gemm"),
        unfused("float", "Gemm", "the recipe leaves out Gemm", node="layer_2"),
        unfused("float", "Add", "one", "two", layer="net_1/sum"),
        unfused("float", "Mul"),
        unfused("conversion", "QuantizeLinear", "behind Gemm layer_1, in float"),
        unfused("conversion", "QuantizeLinear", "integers change their scale"),
    ]
    assert list(unfused_lines(found, "net")) == [
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


def test_nothing_is_said_where_float_was_asked_for():
    assert len(list(explanation_lines(explanation(kernel("Conv", "float32", us=5))))) == 1


def options(artifact, dimensions=None):
    return session_options(artifact, None, dimensions or {}, 2, 1)


def test_files_that_come_to_the_same_kernels_are_named(tmp_path):
    found = run_explain(INT8, [INT8, FP32], "tflite", options(INT8), tmp_path, Silent())
    assert found.alike == ["int8-io"]
    assert found.counts["integer"] >= 2
    assert "int8-io comes to the same kernels: only its file and its loading differ" in explanation_lines(found)


@pytest.fixture
def damaged(tmp_path):
    path = tmp_path / "damaged.tflite"
    path.write_bytes(INT8.path.read_bytes()[:-2500])
    return dataclasses.replace(INT8, variant="damaged", path=path)


def test_a_file_that_the_runtime_refuses_is_one_clear_line(tmp_path, damaged):
    with pytest.raises(HarnessError, match=r"tflite cannot run conv.damaged.tflite: loading the model: LiteRT cannot"):
        run_explain(damaged, [], "tflite", options(damaged), tmp_path, Silent())


def test_a_file_beside_it_that_the_runtime_refuses_is_a_remark(tmp_path, damaged, remarks):
    found = run_explain(INT8, [damaged], "tflite", options(INT8), tmp_path, remarks)
    assert found.alike == []
    assert "not compared: tflite cannot run conv.damaged.tflite" in remarks.texts[0]


def test_a_dimension_without_a_size_is_asked_for(tmp_path):
    spec = dataclasses.replace(INT8.inputs[0], shape=("batch", "seq"), dtype="float32", scale=None, zero_point=None)
    model = dataclasses.replace(INT8, inputs=(spec,))
    assert options(model, {"seq": 7}).dimensions == {"seq": 7}


TFLITE = RuntimeInfo(name="tflite", version="1", formats=("tflite",))
MINE = """
[recipes.first]
kind = "onnx-dynamic"

[recipes.second]
kind = "tflite-dynamic"
"""


def project_of(path, **fields):
    return resolve(Subject(models=(path,), calibration=DataRequest(reference="random"), **fields))


def test_a_shipped_recipe_beyond_the_main_job_is_built_beside_its_variants():
    project = project_of(MODELS / "conv.fp32.onnx" / "model.onnx")
    names = [each.item for each in known_variants(project, None, "w4")]
    assert names == ["int8-qdq.onnx", "int8-qoperator.onnx", "int8-dynamic.onnx", "w4.onnx"]


def test_a_file_of_recipes_takes_the_place_of_the_shipped_ones(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    project = project_of(MODELS / "conv.fp32.onnx" / "model.onnx")
    assert [each.item for each in known_variants(project, tmp_path / "mine.toml")] == ["first.onnx"]


def test_a_case_that_is_not_there_names_those_that_are():
    files = VariantFiles(files=[INT8, FP32], problems={"conv.w4.tflite": "it is damaged"})
    assert chosen_file("fp32", TFLITE, files) is FP32
    with pytest.raises(HarnessError, match="int9@tflite is not a case; available: int8-io@tflite, fp32@tflite"):
        chosen_file("int9", TFLITE, files)
    with pytest.raises(HarnessError, match=r"conv.w4.tflite cannot be used: it is damaged"):
        chosen_file("w4", TFLITE, files)


def test_on_a_runtime_that_is_not_ours_kernels_in_float_are_named_alone():
    found = explanation(kernel("Gemm", "float32", us=5), recipe=OnnxStatic())
    older = dataclasses.replace(found.artifact.quantization, recipe=None)
    artifact = dataclasses.replace(found.artifact, quantization=older)
    found = dataclasses.replace(found, artifact=artifact, runtime="another")
    assert list(explanation_lines(found))[-1] == "in float: Gemm"
