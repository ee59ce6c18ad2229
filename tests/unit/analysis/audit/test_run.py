"""Audits of real files: the scheme explains every scale, and whatever was altered is found."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from crossrt.analysis.audit.record import AuditJob
from crossrt.analysis.audit.run import audit
from crossrt.exporters.errors import ExportError
from crossrt.exporters.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxFloat16, OnnxStatic, TfliteStatic

MODELS = Path(__file__).parents[3] / "data" / "models"
SAMPLES = 200


@pytest.fixture
def audited(network, tmp_path):
    """Quantizes a small network, alters the file if asked to, and audits it."""

    def run(recipe, kind="plain", alter=None):
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        path = tmp_path / "out.onnx"
        OnnxQuantizer(network(kind), scratch).quantize(recipe, path)
        if alter is not None:
            model = onnx.load(path)
            alter({each.name: each for each in model.graph.initializer})
            onnx.save(model, path)
        job = AuditJob(path=str(path), float_path=str(network(kind)), recipe=msgspec.to_builtins(recipe))
        return {each.name: each for each in audit(job)}

    return run


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
    )
]


@pytest.mark.parametrize("kind", ["plain", "branched"])
@pytest.mark.parametrize("recipe", STATIC, ids=str)
def test_every_scale_of_the_quantizer_is_explained_to_the_last_bit(audited, recipe, kind):
    found = audited(recipe, kind)
    assert {each.role for each in found.values()} == {"activation", "weight", "bias"}
    assert {name: (each.verdict, each.reason) for name, each in found.items() if each.verdict != "exact"} == {}
    assert all(each.wrong_integers in (0, None) for each in found.values())


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


def test_other_digits_than_those_of_the_calibration_are_noticed(audited, network, tmp_path):
    audited(OnnxStatic(calibration_samples=SAMPLES))
    other = msgspec.to_builtins(OnnxStatic(calibration_samples=SAMPLES, calibration_seed=7))
    job = AuditJob(path=str(tmp_path / "out.onnx"), float_path=str(network()), recipe=other)
    found = {each.name: each.verdict for each in audit(job)}
    assert found["logits"] == "different"
    assert found["kernel"] == "exact"


def tflite_job(recipe, float_path=MODELS / "conv.fp32.tflite" / "model.tflite"):
    path = MODELS / "conv.int8-io.tflite" / "model.tflite"
    return AuditJob(path=str(path), float_path=str(float_path), recipe=msgspec.to_builtins(recipe))


def test_every_scale_of_the_tflite_converter_is_explained():
    found = audit(tflite_job(TfliteStatic(io_type="int8", calibration_samples=100)))
    assert [each.role for each in found].count("weight") == 2
    assert {each.verdict for each in found} <= {"exact", "rounding"}


def test_tflite_calibrated_with_other_digits_is_noticed():
    found = audit(tflite_job(TfliteStatic(io_type="int8", calibration_samples=100, calibration_seed=7)))
    assert "different" in {each.verdict for each in found if each.role == "activation"}
    assert {each.verdict for each in found if each.role == "weight"} == {"exact"}


def test_files_that_do_not_belong_together_are_refused():
    other = Path(__file__).parents[4] / "harness" / "measure" / "noop_files" / "tflite" / "model.tflite"
    with pytest.raises(ExportError, match="has the operators"):
        audit(tflite_job(TfliteStatic(io_type="int8"), other))


def test_a_recipe_without_affine_scales_is_refused(network):
    job = AuditJob(path=str(network()), float_path=str(network()), recipe=msgspec.to_builtins(OnnxFloat16()))
    with pytest.raises(ExportError, match="onnx-float16 holds no affine scales"):
        audit(job)
