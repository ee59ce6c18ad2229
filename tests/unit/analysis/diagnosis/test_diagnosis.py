"""Diagnoses: the measures of one tensor, and whole files of both formats."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.analysis.audit.affine import TYPES, Affine, affine_from_range, dequantize, quantize
from crossrt.analysis.diagnosis.measure import Measure
from crossrt.analysis.diagnosis.record import BINS, MARGIN_BINS, Diagnosis, DiagnosisJob
from crossrt.analysis.diagnosis.run import diagnose
from crossrt.analysis.diagnosis.weight_only import unpack_weight
from crossrt.analysis.onnx_graph import Graph
from crossrt.core.errors import CrossrtError
from crossrt.datasets.opening import DataRequest
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxFloat16, OnnxStatic, OnnxWeightOnly, TfliteStatic

MODELS = Path(__file__).parents[3] / "data" / "models"
VALUES = np.random.default_rng(0).normal(0, 1, (6, 50)).astype(np.float32)


def affine_of(low, high, dtype="uint8"):
    return affine_from_range(np.float32(low), np.float32(high), TYPES[dtype], is_symmetric=False)


def measured(values, affine, *, dtype="uint8", axis=None, integers=None):
    measure = Measure("x", "activation", dtype, affine, axis, "shipped")
    for part in np.array_split(values, 3):
        found = quantize(part, affine, TYPES[dtype], axis) if integers is None else integers
        measure.add(part, found)
    return measure.result(0)


def test_measures_over_batches_are_those_of_the_formulas():
    affine = affine_of(VALUES.min(), VALUES.max())
    found = measured(VALUES, affine)
    other = dequantize(quantize(VALUES, affine, TYPES["uint8"]), affine).astype(np.float64)
    noise = VALUES.astype(np.float64) - other
    assert found.sqnr_db == pytest.approx(
        10 * np.log10((VALUES.astype(np.float64) ** 2).sum() / (noise**2).sum()), rel=1e-6
    )
    assert found.relative_error == pytest.approx(np.linalg.norm(noise) / np.linalg.norm(VALUES), rel=1e-6)
    norms = np.linalg.norm(VALUES) * np.linalg.norm(other)
    assert found.cosine == pytest.approx((VALUES * other).sum() / norms, rel=1e-6)
    assert found.clipped == 0
    assert found.range_used == pytest.approx(1, abs=0.01)


def test_each_bit_is_worth_six_decibels():
    coarse, fine = (measured(VALUES, affine_of(-4, 4, dtype), dtype=dtype).sqnr_db for dtype in ("uint8", "uint16"))
    assert fine - coarse == pytest.approx(8 * 6.02, abs=0.5)


def test_values_beyond_the_range_are_clipped_and_saturate():
    found = measured(VALUES, affine_of(-1, 1))
    beyond = np.abs(VALUES) > 1 + 1 / 255
    assert found.clipped == pytest.approx(beyond.mean(), abs=0.01)
    assert found.saturated >= found.clipped
    assert found.range_used == pytest.approx((VALUES.max() - VALUES.min()) / 2, rel=0.01)
    outside = sum(found.histogram[:MARGIN_BINS]) + sum(found.histogram[-MARGIN_BINS:])
    assert outside == pytest.approx((np.abs(VALUES) > 1).sum(), abs=3)
    assert sum(found.histogram) == VALUES.size
    assert len(found.histogram) == BINS + 2 * MARGIN_BINS


def test_without_noise_there_is_no_ratio():
    affine = Affine(np.asarray(np.float32(0.5)), np.asarray(0))
    found = measured(np.full((3, 4), 1.5, dtype=np.float32), affine, dtype="int8")
    assert (found.sqnr_db, found.relative_error, found.cosine) == (None, 0.0, pytest.approx(1))


def test_a_tensor_of_zeros_is_no_error():
    found = measured(np.zeros((3, 4), dtype=np.float32), affine_of(-1, 1))
    assert (found.sqnr_db, found.relative_error, found.cosine) == (None, 0.0, 1.0)


def test_channels_are_measured_with_their_own_scales():
    values = VALUES * np.array([[1], [10], [100], [1], [10], [100]], dtype=np.float32)
    per_channel = affine_from_range(values.min(axis=1), values.max(axis=1), TYPES["int8"], is_symmetric=True)
    measure = Measure("w", "weight", "int8", per_channel, 0, "stored")
    measure.add(values, quantize(values, per_channel, TYPES["int8"], 0))
    one = measured(values, affine_of(values.min(), values.max(), "int8"), dtype="int8")
    assert measure.result(0).sqnr_db > one.sqnr_db


@pytest.fixture
def diagnosed(network, quantized, scratch, data):
    """Quantizes a small network and diagnoses the file."""

    def run(made_by, kind="plain", **changes):
        job = job_of(quantized(made_by, kind), network(kind), scratch, data, made_by)
        found = diagnose(dataclasses.replace(job, **changes))
        assert msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(found))), Diagnosis) == found
        return found

    return run


def job_of(path, float_path, scratch, data, recipe=None):
    return DiagnosisJob(
        path=str(path),
        float_path=str(float_path),
        format="onnx" if path.suffix == ".onnx" else "tflite",
        folder=str(scratch),
        data=data,
        samples=150,
        recipe=None if recipe is None else msgspec.to_builtins(recipe),
    )


def output_db(found):
    (output,) = found.outputs
    return output.sqnr_db


def by_name(diagnosis):
    return {each.name: each for each in diagnosis.tensors}


@pytest.mark.parametrize("quant_format", ["qdq", "qoperator"])
def test_an_onnx_file_is_seen_on_the_kernels_that_run(diagnosed, quant_format):
    found = by_name(diagnosed(OnnxStatic(quant_format=quant_format, per_channel=True, reduce_range=True)))
    assert {"nchw", "relu", "logits", "kernel", "dense", "bias"} <= found.keys()
    assert found["relu"].kernels == "shipped"
    assert found["relu"].node == "conv"
    assert found["kernel"].kernels == "stored"
    assert found["relu"].sqnr_db > 25
    assert found["logits"].precise_sqnr_db == pytest.approx(found["logits"].sqnr_db, abs=1)


def test_both_formats_of_one_recipe_tell_the_same(diagnosed):
    found = [
        {name: each.sqnr_db for name, each in by_name(diagnosed(OnnxStatic(quant_format=form))).items()}
        for form in ("qdq", "qoperator")
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6, nan_ok=True)


def test_a_silently_wrong_file_shows_where_it_goes_wrong(diagnosed):
    right = by_name(diagnosed(OnnxStatic(reduce_range=True)))
    wrong = by_name(diagnosed(OnnxStatic(reduce_range=True, calibration_symmetric=True)))
    assert wrong["nchw"].sqnr_db > 30
    assert wrong["relu"].sqnr_db < right["relu"].sqnr_db - 15


def test_wider_activations_have_less_noise(diagnosed):
    narrow, wide = (by_name(diagnosed(OnnxStatic(activation_type=each))) for each in ("uint8", "uint16"))
    assert wide["nchw"].dtype == "uint16"
    assert wide["logits"].sqnr_db > narrow["logits"].sqnr_db


def test_a_dynamic_file_has_its_weights_and_its_logits(diagnosed):
    found = diagnosed(OnnxDynamic())
    assert {each.role for each in found.tensors} == {"weight"}
    assert output_db(found) > 20


def test_a_recipe_without_integers_is_refused(diagnosed):
    with pytest.raises(ExportError, match="onnx-float16 holds no integers"):
        diagnosed(OnnxFloat16())


def test_a_weight_only_file_has_its_weights_and_its_logits(diagnosed):
    few, many = (diagnosed(OnnxWeightOnly(bits=bits)) for bits in (4, 8))
    for found, dtype in ((few, "uint4"), (many, "uint8")):
        (weight,) = found.tensors
        assert (weight.name, weight.role, weight.dtype, weight.kernels) == ("dense", "weight", dtype, "stored")
        assert weight.clipped < 0.02  # of the two ends, one is half a step nearer
    assert many.tensors[0].sqnr_db - few.tensors[0].sqnr_db == pytest.approx(4 * 6.02, abs=2)
    assert output_db(many) > output_db(few) > 10
    assert few.outputs[0].precise_sqnr_db is None


BLOCKS = [
    OnnxWeightOnly(block_size=128),
    OnnxWeightOnly(weight_symmetric=False),
    OnnxWeightOnly(bits=8),
    OnnxWeightOnly(bits=8, weight_symmetric=False, block_size=64),
    OnnxWeightOnly(algorithm="k-quant", weight_symmetric=False),
    OnnxWeightOnly(algorithm="hqq", weight_symmetric=False),
    OnnxWeightOnly(algorithm="gptq", block_size=16),
]


@pytest.mark.parametrize("recipe", BLOCKS, ids=lambda each: f"{each.algorithm}, {each.bits} bits by {each.block_size}")
def test_blocks_are_unpacked_to_what_the_runtime_multiplies_with(quantized, recipe):
    """The product with the unit matrix is the weight; 196 inputs fill no block of these sizes evenly."""
    path = quantized(recipe)
    graph = onnx.load(path).graph
    (node,) = (node for node in graph.node if node.op_type == "MatMulNBits")
    constants = [each for each in graph.initializer if each.name in node.input]
    integers, affine, _ = unpack_weight(Graph.load(path).by_name(node.name))
    unit = onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, [196, 196])
    weight = onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, [196, 10])
    alone = onnx.helper.make_graph([node], "weight", [unit], [weight], constants)
    opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("com.microsoft", 1)]
    model = onnx.helper.make_model(alone, ir_version=10, opset_imports=opsets)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (product,) = session.run(None, {node.input[0]: np.eye(196, dtype=np.float32)})
    np.testing.assert_allclose(dequantize(integers, affine, 0).reshape(10, 196).T, product, atol=1e-5)


MNIST = dataclasses.asdict(DataRequest(reference="mnist", split="test"))


@pytest.mark.parametrize("recipe", [TfliteStatic(io_type="int8", calibration_samples=100), None], ids=["known", "none"])
def test_a_tflite_file_is_seen_on_the_interpreters_own_kernels(scratch, recipe):
    path, original = (MODELS / f"conv.{variant}.tflite" / "model.tflite" for variant in ("int8-io", "fp32"))
    found = diagnose(job_of(path, original, scratch, MNIST, recipe))
    assert {each.kernels for each in found.tensors if each.role == "activation"} == {"simulated"}
    assert [each.role for each in found.tensors].count("weight") == 2
    assert all(each.sqnr_db is None or each.sqnr_db > 20 for each in found.tensors)
    assert found.samples == 150
    assert output_db(found) > 20


@pytest.mark.parametrize(
    "recipe", [OnnxStatic(), OnnxStatic(quant_format="qoperator"), OnnxDynamic(), OnnxWeightOnly()]
)
def test_tensors_are_matched_by_name_without_a_recipe(diagnosed, recipe):
    assert diagnosed(recipe, recipe=None) == diagnosed(recipe)


TWO_INPUTS = [
    helper.make_tensor_value_info("tokens", TensorProto.INT64, ["N", 6]),
    helper.make_tensor_value_info("extra", TensorProto.FLOAT, ["N", 8]),
]


def two_inputs(path):
    """A table of vectors, summed, beside floats; two outputs, one of them an index."""
    generator = np.random.default_rng(0)
    constants = {
        "table": generator.normal(0, 1, (20, 8)).astype(np.float32),
        "dense": generator.normal(0, 1, (8, 5)).astype(np.float32),
        "axes": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["vectors"], name="gather"),
        helper.make_node("ReduceSum", ["vectors", "axes"], ["sum"], name="reduce", keepdims=0),
        helper.make_node("Add", ["sum", "extra"], ["joined"], name="join"),
        helper.make_node("MatMul", ["joined", "dense"], ["scores"], name="matmul"),
        helper.make_node("ArgMax", ["scores"], ["class"], name="argmax", axis=1, keepdims=0),
    ]
    outputs = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 5]),
        helper.make_tensor_value_info("class", TensorProto.INT64, ["N"]),
    ]
    initializers = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "two", TWO_INPUTS, outputs, initializers)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


def test_a_model_with_two_inputs_and_two_outputs(quantized, scratch, tmp_path, fields_of):
    source, generator = two_inputs(tmp_path / "two.onnx"), np.random.default_rng(5)
    data = fields_of(
        tokens=generator.integers(0, 20, (130, 6)), extra=generator.normal(0, 1, (130, 8)).astype(np.float32)
    )
    path = quantized(OnnxStatic(calibration_samples=50), source=source, fields=data)
    found = diagnose(job_of(path, source, scratch, data))
    assert found.samples == 130
    outputs = {each.name: each.sqnr_db for each in found.outputs}
    assert outputs["scores"] > 25
    assert outputs["class"] is None or outputs["class"] > 10
    assert {"joined", "dense"} <= by_name(found).keys()


def clipped_behind_a_pool(path):
    """A Relu behind a MaxPool, which QOperator drops although the range before it holds values below zero."""
    kernel = np.random.default_rng(0).normal(0, 0.4, (4, 1, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["conv"], name="conv"),
        helper.make_node("MaxPool", ["conv"], ["pool"], name="pool", kernel_shape=[2, 2]),
        helper.make_node("Relu", ["pool"], ["out"], name="relu"),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "pool", [image], [out], [numpy_helper.from_array(kernel, "kernel")])
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


@pytest.mark.parametrize(("quant_format", "is_lost"), [("qoperator", True), ("qdq", False)])
def test_a_relu_that_qoperator_loses_behind_a_pool_is_named(
    quantized, scratch, tmp_path, fields_of, quant_format, is_lost
):
    source = clipped_behind_a_pool(tmp_path / "pool.onnx")
    data = fields_of(image=np.random.default_rng(1).normal(0, 1, (60, 1, 8, 8)).astype(np.float32))
    path = quantized(OnnxStatic(quant_format=quant_format, calibration_samples=50), source=source, fields=data)
    found = diagnose(job_of(path, source, scratch, data))
    assert bool(found.causes) == is_lost
    assert all("drops Relu relu behind MaxPool pool" in each and "quant_format = qdq" in each for each in found.causes)
    assert (output_db(found) < 20) == is_lost


def test_outputs_that_are_not_those_of_the_float_model_are_refused(quantized, scratch, tmp_path, data):
    with pytest.raises(CrossrtError):
        diagnose(job_of(quantized(OnnxStatic()), two_inputs(tmp_path / "two.onnx"), scratch, data))
