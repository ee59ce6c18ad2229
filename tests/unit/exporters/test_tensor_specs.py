"""What a manifest says of a file's inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from crossrt.analysis.audit.onnx_file import stored_in_onnx
from crossrt.exporters.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxStatic
from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs

MODELS = Path(__file__).parents[2] / "data" / "models"


@pytest.fixture
def quantized(network, tmp_path):
    """Quantizes a small network; gives the file and the prepared float32 file."""

    def make(recipe) -> tuple[Path, Path]:
        quantizer = OnnxQuantizer(network(), tmp_path)
        quantizer.quantize(recipe, tmp_path / "out.onnx")
        return tmp_path / "out.onnx", quantizer.prepared

    return make


@pytest.mark.parametrize("quant_format", ["qdq", "qoperator"])
def test_a_float_output_has_the_steps_of_the_integers_behind_it(quantized, quant_format):
    path, prepared = quantized(OnnxStatic(quant_format=quant_format))
    (image,), (logits,) = onnx_specs(path)
    activations = [each for each in stored_in_onnx(path, onnx.load(prepared)) if each.role == "activation"]
    scales = {each.name: float(each.affine.scale) for each in activations}
    assert (logits.dtype, logits.scale, logits.step) == ("float32", None, scales["logits"])
    assert image.step is None


def test_outputs_that_stay_in_float_have_no_steps(quantized, network):
    assert onnx_specs(quantized(OnnxDynamic())[0])[1][0].step is None
    assert onnx_specs(network())[1][0].step is None
    assert tflite_specs(MODELS / "conv.fp32.tflite" / "model.tflite")[1][0].step is None


def test_integer_outputs_say_their_scale_and_no_steps():
    _, (logits,) = tflite_specs(MODELS / "conv.int8-io.tflite" / "model.tflite")
    assert logits.dtype == "int8"
    assert logits.scale > 0
    assert logits.step is None
