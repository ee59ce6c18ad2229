"""What a manifest says of a file's inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxStatic
from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs

MODELS = Path(__file__).parents[2] / "data" / "models"


@pytest.fixture
def quantized(network, tmp_path, make_calibration, images):
    """Quantizes a small network."""

    def make(recipe) -> Path:
        quantizer = OnnxQuantizer(network(), tmp_path, make_calibration(images(50)))
        quantizer.quantize(recipe, tmp_path / "out.onnx")
        return tmp_path / "out.onnx"

    return make


@pytest.mark.parametrize("quant_format", ["qdq", "qoperator"])
def test_a_float_output_has_the_steps_of_the_integers_behind_it(quantized, quant_format):
    path = quantized(OnnxStatic(quant_format=quant_format))
    (image,), (logits,) = onnx_specs(path)
    graph = onnx.load(path).graph
    (last,) = [node for node in graph.node if node.output[0] == "logits"]
    (scale,) = [onnx.numpy_helper.to_array(each) for each in graph.initializer if each.name == last.input[1]]
    assert (logits.dtype, logits.scale, logits.step) == ("float32", None, float(scale))
    assert image.step is None


def test_outputs_that_stay_in_float_have_no_steps(quantized, network):
    assert onnx_specs(quantized(OnnxDynamic()))[1][0].step is None
    assert onnx_specs(network())[1][0].step is None
    assert tflite_specs(MODELS / "conv.fp32.tflite" / "model.tflite")[1][0].step is None


def test_integer_outputs_say_their_scale_and_no_steps():
    _, (logits,) = tflite_specs(MODELS / "conv.int8-io.tflite" / "model.tflite")
    assert logits.dtype == "int8"
    assert logits.scale > 0
    assert logits.step is None
