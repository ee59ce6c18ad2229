"""Audits of real files: the scheme explains every scale, and whatever was altered is found."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.analysis.audit.inferring import inferred_recipe
from crossrt.analysis.audit.record import AuditJob
from crossrt.analysis.audit.run import audit
from crossrt.datasets.opening import DataRequest
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxFloat16, OnnxStatic, TfliteStatic

MODELS = Path(__file__).parents[3] / "data" / "models"
SAMPLES = 200


@pytest.fixture
def audited(network, quantized, scratch, data):
    """Quantizes a small network, alters the file if asked to, and audits it."""

    def run(made_by, kind="plain", alter=None, **changes):
        path = quantized(made_by, kind)
        if alter is not None:
            model = onnx.load(path)
            alter({each.name: each for each in model.graph.initializer})
            onnx.save(model, path)
        job = job_of(path, scratch, float_path=network(kind), recipe=made_by, data=data)
        return {each.name: each for each in audit(dataclasses.replace(job, **changes)).tensors}

    return run


def job_of(path, scratch, *, float_path=None, recipe=None, data=None):
    return AuditJob(
        path=str(path),
        format="onnx" if path.suffix == ".onnx" else "tflite",
        folder=str(scratch),
        float_path=None if float_path is None else str(float_path),
        recipe=None if recipe is None else msgspec.to_builtins(recipe),
        data=data,
    )


def changed(name, change):
    """Alters one array of a file."""

    def alter(arrays):
        values = numpy_helper.to_array(arrays[name])
        arrays[name].CopyFrom(numpy_helper.from_array(change(values).astype(values.dtype), name))

    return alter


STATIC = [
    OnnxStatic(calibration_samples=SAMPLES, **fields)
    for fields in (
        {},
        {"per_channel": True},
        {"activation_symmetric": True},
        {"activation_type": "int8", "activation_symmetric": True, "per_channel": True},
        {"weight_type": "uint8", "weight_symmetric": False},
        {"reduce_range": True, "per_channel": True},
        {"activation_type": "uint16"},
        {"weight_type": "int4"},
        {"quant_format": "qoperator", "per_channel": True},
        {"quant_format": "qoperator", "weight_type": "uint8", "weight_symmetric": False},
        {"calibration_symmetric": True},
        {"calibrate_method": "moving-average"},
        {"calibrate_method": "entropy"},
        {"calibrate_method": "percentile"},
        {"calibrate_method": "mse"},
        {"weight_ranges": "percentile", "per_channel": True},
    )
]


@pytest.mark.parametrize("kind", ["plain", "branched"])
@pytest.mark.parametrize("recipe", STATIC, ids=str)
def test_every_scale_of_the_quantizer_is_explained_to_the_last_bit(audited, recipe, kind):
    found = audited(recipe, kind)
    assert {each.role for each in found.values()} == {"activation", "weight", "bias"}
    assert {name: (each.verdict, each.reason) for name, each in found.items() if each.verdict != "exact"} == {}
    assert all(each.wrong_integers in (0, None) for each in found.values())


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"weight_rounding": "gpfq", "weight_type": "int4"}, {"kernel", "dense"}),
        ({"bias_correction": True, "weight_type": "int4"}, {"bias", "offset"}),
    ],
)
def test_integers_that_a_method_chose_are_told_and_are_no_error(audited, fields, names):
    found = audited(OnnxStatic(calibration_samples=SAMPLES, **fields))
    assert {each.verdict for each in found.values()} == {"exact"}
    said = {name for name, each in found.items() if each.reason and "the recipe asks for others" in each.reason}
    assert said
    assert said <= names, found


def test_dynamic_files_have_weights_alone(audited):
    found = audited(OnnxDynamic())
    assert {each.role for each in found.values()} == {"weight"}
    assert {each.verdict for each in found.values()} == {"exact"}


def test_a_folded_relu_is_named(audited):
    found = audited(OnnxStatic(quant_format="qoperator", calibration_samples=SAMPLES))
    assert found["conv"].reason == "range of the Relu folded into it"


def test_reduced_range_is_named(audited):
    assert audited(OnnxStatic(reduce_range=True, calibration_samples=SAMPLES))["kernel"].reason == "reduced range"


@pytest.mark.parametrize(
    ("alter", "name", "said"),
    [
        (changed("relu_scale", lambda scale: scale * np.float32(1.01)), "relu", None),
        (changed("relu_zero_point", lambda zero: zero + 1), "relu", None),
        (changed("kernel_scale", lambda scale: scale * np.float32(1.01)), "kernel", None),
        (changed("kernel_quantized", lambda q: q + (np.arange(q.size) == 3).reshape(q.shape)), "kernel", "1 integers"),
        (changed("bias_quantized", lambda q: q + 1), "bias", "4 integers"),
        (changed("bias_quantized_scale", lambda scale: scale * np.float32(1.01)), "bias", None),
    ],
    ids=["scale", "zero point", "weight scale", "weight", "bias", "bias scale"],
)
def test_whatever_was_altered_is_found(audited, alter, name, said):
    found = audited(OnnxStatic(calibration_samples=SAMPLES), alter=alter)[name]
    assert found.verdict == "different"
    assert (said is None) == (found.reason is None)
    assert said is None or found.reason.startswith(said)


def test_a_difference_in_the_last_bits_is_rounding(audited):
    alter = changed("relu_scale", lambda scale: np.nextafter(scale, np.float32(1)))
    assert audited(OnnxStatic(calibration_samples=SAMPLES), alter=alter)["relu"].verdict == "rounding"


def test_other_samples_than_those_of_the_calibration_are_noticed(audited):
    other = msgspec.to_builtins(OnnxStatic(calibration_samples=20, calibration_seed=7))
    rows = audited(OnnxStatic(calibration_samples=20), recipe=other)
    found = {name: each.verdict for name, each in rows.items()}
    assert found["logits"] == "different"
    assert found["kernel"] == "exact"


@pytest.mark.parametrize(
    "made_by",
    [
        OnnxStatic(calibration_samples=SAMPLES, per_channel=True),
        OnnxStatic(calibration_samples=SAMPLES, quant_format="qoperator", calibrate_method="entropy"),
    ],
)
def test_without_data_a_recipe_is_compared_as_far_as_it_does_not_follow_from_them(made_by, network, quantized, scratch):
    found = audit(job_of(quantized(made_by), scratch, float_path=network(), recipe=made_by))
    verdicts = {each.name: each.verdict for each in found.tensors}
    assert verdicts["kernel"] == "exact"
    assert verdicts["logits"] == "stored"
    assert "different" not in verdicts.values()
    assert "scales of activations are not checked" in found.not_compared
    assert found.kind is None


def test_without_data_nothing_is_compared_where_methods_changed_the_weights(network, quantized, scratch):
    recipe = OnnxStatic(calibration_samples=SAMPLES)
    corrected = OnnxStatic(calibration_samples=SAMPLES, bias_correction=True)
    found = audit(job_of(quantized(recipe), scratch, float_path=network(), recipe=corrected))
    assert {each.verdict for each in found.tensors} == {"stored"}
    assert "need the calibration data" in found.not_compared


def test_what_needs_the_float_file_is_not_checked_without_it(quantized, scratch):
    recipe = OnnxStatic(calibration_samples=SAMPLES)
    checks = {each.name: each for each in audit(job_of(quantized(recipe), scratch, recipe=recipe)).checks}
    assert checks["float file's weights"].severity == "not checked"
    assert checks["float file's weights"].text == "needs the float file (--float FLOAT_FILE)"


def operands(path, nodes, constants):
    """A network of operators with constant operands over two inputs, in float."""
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 4, 4]),
        helper.make_tensor_value_info("scalar", TensorProto.FLOAT, ["N", 3, 1, 1]),
    ]
    out = [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    initializers = [numpy_helper.from_array(np.asarray(values, np.float32), name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "operands", inputs, out, initializers)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


KERNEL = np.random.default_rng(1).normal(0, 0.4, (5, 3, 3, 3))
RESCALED = (
    [
        helper.make_node("Mul", ["x", "factor"], ["scaled"], name="mul"),
        helper.make_node("Add", ["scaled", "offset"], ["moved"], name="add"),
        helper.make_node("Mul", ["moved", "scalar"], ["weighted"], name="by_input"),
        helper.make_node("Conv", ["weighted", "kernel"], ["conv"], name="conv"),
        helper.make_node("Sigmoid", ["conv"], ["gate"], name="sigmoid"),
        helper.make_node("Mul", ["gate", "gamma"], ["normal"], name="gamma_mul"),
        helper.make_node("Add", ["normal", "beta"], ["out"], name="beta_add"),
    ],
    {
        "factor": 0.5,
        "offset": 0.25,
        "kernel": KERNEL,
        "gamma": np.linspace(-1, 2, 5).reshape(1, 5, 1, 1),
        "beta": np.linspace(0.1, 0.4, 5).reshape(1, 5, 1, 1),
    },
)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"per_channel": True},
        {"reduce_range": True},
        {"activation_symmetric": True},
        {"activation_type": "int8", "activation_symmetric": True},
        {"activation_type": "int8", "weight_type": "int8"},
        {"quant_format": "qoperator"},
        {"quant_format": "qoperator", "reduce_range": True},
        {"quant_format": "qoperator", "weight_type": "uint8", "weight_symmetric": False},
        {"quant_format": "qoperator", "activation_type": "int8", "activation_symmetric": True},
    ],
    ids=str,
)
def test_constant_operands_follow_the_rule_of_activations(quantized, scratch, tmp_path, fields_of, fields):
    path = operands(tmp_path / "operands.onnx", *RESCALED)
    generator = np.random.default_rng(3)
    x = generator.normal(0, 1, (60, 3, 4, 4)).astype(np.float32)
    data = fields_of(x=x, scalar=generator.random((60, 3, 1, 1), dtype=np.float32))
    recipe = OnnxStatic(calibration_samples=40, **fields)
    file = quantized(recipe, source=path, fields=data)
    found = {
        each.name: each for each in audit(job_of(file, scratch, float_path=path, recipe=recipe, data=data)).tensors
    }
    assert {"factor", "offset", "gamma", "beta", "kernel"} <= found.keys()
    assert {name: each.verdict for name, each in found.items() if each.verdict not in ("exact", "rounding")} == {}
    assert found["kernel"].reason in (None, "reduced range")
    assert found["factor"].reason in ("constant operand: rule of activations", "reduced range")


INFERRED = [
    OnnxStatic(calibration_samples=400, **fields)
    for fields in (
        {},
        {"per_channel": True},
        {"activation_type": "int8", "activation_symmetric": True},
        {"weight_type": "uint8", "weight_symmetric": False},
        {"reduce_range": True, "per_channel": True},
        {"quant_format": "qoperator", "per_channel": True},
    )
] + [OnnxDynamic(), OnnxDynamic(weight_type="int8", weight_symmetric=True, per_channel=True)]


@pytest.mark.parametrize("recipe", INFERRED, ids=str)
def test_a_recipe_is_read_from_the_file_where_no_manifest_names_it(network, quantized, scratch, data, recipe):
    path = quantized(recipe)
    found = inferred_recipe(path, "onnx")
    assert msgspec.structs.replace(found, **_samples(found)) == msgspec.structs.replace(recipe, **_samples(recipe))
    audited = audit(job_of(path, scratch, float_path=network(), data=data))
    assert {each.name: each.verdict for each in audited.tensors if each.verdict != "exact"} == {}
    assert audited.inferred is not None
    assert recipe.__struct_config__.tag in audited.inferred


def _samples(recipe):
    return {"calibration_samples": 1} if isinstance(recipe, OnnxStatic) else {}


def test_the_recipe_of_a_tflite_file_is_read_from_it(scratch):
    job = dataclasses.replace(tflite_job(scratch, 100), recipe=None)
    found = audit(job)
    assert {each.verdict for each in found.tensors} <= {"exact", "rounding"}
    assert "tflite-static, activation_type int8" in found.inferred


def test_a_float_file_has_the_marks_of_no_recipe(network, scratch, data):
    found = audit(job_of(network(), scratch, float_path=network(), data=data))
    assert "no quantized activations" in found.not_compared
    assert {each.name for each in found.checks if each.severity == "wrong"} == {"quantized weights"}


@pytest.mark.parametrize("quant_format", ["qdq", "qoperator"])
def test_without_a_recipe_a_file_is_read(quantized, scratch, quant_format):
    found = audit(job_of(quantized(OnnxStatic(quant_format=quant_format, per_channel=True)), scratch))
    assert {each.verdict for each in found.tensors} == {"stored"}
    assert {"kernel", "dense", "nchw"} <= {each.name for each in found.tensors}
    checks = {each.name: each for each in found.checks}
    assert [each for each in checks.values() if each.severity in ("caution", "wrong")] == []
    assert checks["quantized weights"].text == "100.0% of the bytes of weights are integers"
    assert "2 per channel" in checks["weights"].text


def test_a_file_with_a_recipe_is_checked_as_well(quantized, network, scratch, data):
    recipe = OnnxStatic(calibration_samples=SAMPLES)
    path = quantized(recipe)
    job = job_of(path, scratch, float_path=network(), recipe=recipe, data=data)
    assert [each for each in audit(job).checks if each.severity in ("caution", "wrong")] == []
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(500, np.float32), "left"))
    onnx.save(model, path)
    found = audit(job)
    assert {each.verdict for each in found.tensors} == {"exact"}
    assert [each.name for each in found.checks if each.severity in ("caution", "wrong")] == ["unused values"]


def test_of_a_file_with_custom_operators_the_rest_is_read(quantized, network, scratch):
    path = quantized(OnnxStatic(per_channel=True))
    model = onnx.load(path)
    result = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Gate", [result], ["gated"], domain="com.acme"))
    model.graph.output[0].name = "gated"
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    onnx.save(model, path)
    found = audit(job_of(path, scratch, float_path=network()))
    checks = {each.name: each for each in found.checks}
    assert checks["loads"].severity == "note"
    assert checks["loads"].text == "needs a library of its own for com.acme:Gate, which no check looks at"
    assert "com.acme:Gate needs a library of its own" in found.not_compared
    assert checks["bias scales"].severity == "ok"


def test_a_wrong_bias_scale_is_found_without_a_recipe(quantized, scratch):
    path = quantized(OnnxStatic())
    model = onnx.load(path)
    arrays = {each.name: each for each in model.graph.initializer}
    changed("bias_quantized_scale", lambda scale: scale * np.float32(1.5))(arrays)
    changed("nchw_scale", lambda scale: scale * np.float32(0))(arrays)
    onnx.save(model, path)
    checks = {each.name: each for each in audit(job_of(path, scratch)).checks}
    assert checks["bias scales"].severity == "wrong"
    assert "bias" in checks["bias scales"].text
    assert checks["scales"].text == "zero or negative: nchw"


def test_a_file_with_too_few_scales_is_audited_beside_its_float_file_as_well(quantized, network, scratch):
    path = quantized(OnnxStatic(per_channel=True))
    model = onnx.load(path)
    for each in model.graph.initializer:
        if each.name in ("kernel_scale", "kernel_zero_point"):
            each.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(each)[:-1], each.name))
    onnx.save(model, path)
    found = audit(job_of(path, scratch, float_path=network()))
    assert {each.name: each.severity for each in found.checks}["scales"] == "wrong"
    assert "as the file contradicts itself" in found.not_compared


def test_a_float_file_has_no_quantized_weights(network, scratch):
    checks = {each.name: each for each in audit(job_of(network(), scratch)).checks}
    assert checks["quantized weights"].severity == "wrong"
    assert checks["float weights"].text.startswith("left in the file: ")


def test_weights_and_scales_without_elements_are_read_as_what_they_are(scratch, tmp_path):
    values = {
        "w": np.zeros((16, 0), np.int8),
        "scale": np.float32(0.01),
        "zero": np.int8(0),
        "bias": np.ones(3, np.float32),
    }
    values["empty"] = np.zeros(0, np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["wide"]),
        helper.make_node("MatMul", ["x", "wide"], ["y"]),
        helper.make_node("QuantizeLinear", ["x", "empty"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "empty"], ["z"]),
    ]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 16])]
    asked = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "yz"]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    model = helper.make_model(helper.make_graph(nodes, "g", given, asked, constants))
    onnx.save(model, tmp_path / "empty.onnx")
    found = audit(job_of(tmp_path / "empty.onnx", scratch))
    assert {each.name: each.severity for each in found.checks}["quantized weights"] != "wrong"


def test_a_tflite_file_is_read_without_a_recipe(scratch):
    found = audit(job_of(MODELS / "conv.int8-io.tflite" / "model.tflite", scratch))
    assert [each.role for each in found.tensors].count("weight") == 2
    checks = {each.name: each for each in found.checks}
    assert [each for each in checks.values() if each.severity in ("caution", "wrong", "note")] == []
    assert checks["bias scales"].text == "2 are the input's times the weight's"


def tflite_job(scratch, limit, float_path=MODELS / "conv.fp32.tflite" / "model.tflite"):
    """The small model was calibrated with the first 100 digits."""
    recipe = TfliteStatic(io_type="int8", calibration_samples=100)
    data = dataclasses.asdict(DataRequest(reference="mnist", split="train", limit=limit))
    path = MODELS / "conv.int8-io.tflite" / "model.tflite"
    return job_of(path, scratch, float_path=float_path, recipe=recipe, data=data)


def test_every_scale_of_the_tflite_converter_is_explained(scratch):
    found = audit(tflite_job(scratch, 100)).tensors
    assert [each.role for each in found].count("weight") == 2
    assert {each.verdict for each in found} <= {"exact", "rounding"}


def test_tflite_calibrated_with_other_samples_is_noticed(scratch):
    found = audit(tflite_job(scratch, 1000)).tensors
    assert "different" in {each.verdict for each in found if each.role == "activation"}
    assert {each.verdict for each in found if each.role == "weight"} == {"exact"}


def test_files_that_do_not_belong_together_are_refused(scratch):
    other = Path(__file__).parents[4] / "harness" / "measure" / "noop_files" / "tflite" / "model.tflite"
    with pytest.raises(ExportError, match="cannot be compared tensor by tensor: they have other operators"):
        audit(tflite_job(scratch, 100, other))


def test_a_recipe_without_affine_scales_is_refused(network, scratch):
    job = job_of(network(), scratch, float_path=network(), recipe=OnnxFloat16())
    with pytest.raises(ExportError, match="onnx-float16 holds no affine scales"):
        audit(job)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"per_channel": True},
        {"reduce_range": True},
        {"activation_symmetric": True},
        {"activation_type": "int8"},
        {"activation_type": "int8", "activation_symmetric": True},
        {"quant_format": "qoperator"},
        {"quant_format": "qoperator", "reduce_range": True},
        {"quant_format": "qoperator", "weight_type": "uint8", "weight_symmetric": False},
        {"quant_format": "qoperator", "activation_type": "int8", "activation_symmetric": True},
        {"quant_format": "qoperator", "activation_type": "int8"},
    ],
    ids=str,
)
def test_constant_operands_of_a_file_without_a_manifest_follow_the_rule_of_activations(
    quantized, scratch, tmp_path, fields_of, fields
):
    path = operands(tmp_path / "operands.onnx", *RESCALED)
    generator = np.random.default_rng(3)
    x = generator.normal(0, 1, (60, 3, 4, 4)).astype(np.float32)
    data = fields_of(x=x, scalar=generator.random((60, 3, 1, 1), dtype=np.float32))
    file = quantized(OnnxStatic(calibration_samples=60, **fields), source=path, fields=data)
    found = audit(job_of(file, scratch, float_path=path, data=data))
    assert {each.name: (each.verdict, each.reason) for each in found.tensors if each.verdict == "different"} == {}
    assert [each for each in found.checks if each.severity in ("caution", "wrong")] == []


def test_a_file_made_of_the_float_file_as_it_is_keeps_what_optimising_would_fuse(tmp_path, scratch, fields_of):
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["rows"], name="reshape"),
        helper.make_node("MatMul", ["rows", "w"], ["product"], name="dense"),
        helper.make_node("Add", ["product", "offset"], ["out"], name="add"),
    ]
    generator = np.random.default_rng(5)
    path = operands(tmp_path / "net.onnx", nodes, {"w": generator.normal(0, 1, (48, 5)), "offset": np.arange(5.0)})
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 48]), "flat"))
    del model.graph.input[1]
    onnx.save(model, path)
    x = generator.normal(0, 1, (40, 3, 4, 4)).astype(np.float32)

    class Reader(CalibrationDataReader):
        waiting = iter([{"x": x}])

        def get_next(self):
            return next(self.waiting, None)

    quantize_static(path, tmp_path / "other.onnx", Reader())
    found = audit(job_of(tmp_path / "other.onnx", scratch, float_path=path, data=fields_of(x=x)))
    assert {each.name: each.verdict for each in found.tensors if each.verdict not in ("exact", "rounding")} == {}
    assert {"product", "offset", "w"} <= {each.name for each in found.tensors}
    assert [each.name for each in found.checks if each.severity in ("caution", "wrong")] == ["biases behind MatMul"]
