"""What is said of TFLite files: with one, several and no signatures; fixed batch; integers; custom operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder

from crossrt.core.tensor import described
from crossrt.exporters.errors import ExportError, ModelError
from crossrt.exporters.inspect import inspect_model
from crossrt.exporters.quantizers.tflite.flatbuffer import FlatModel

MODELS = Path(__file__).parents[3] / "data" / "models"


@pytest.fixture
def altered(tmp_path):
    """Writes a changed copy of a small model."""

    def write(change, variant="fp32"):
        content = (MODELS / f"conv.{variant}.tflite" / "model.tflite").read_bytes()
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        change(model)
        builder = Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path = tmp_path / "net.v2.tflite"
        path.write_bytes(builder.Output())
        return path

    return write


def unchanged(_):
    """The file as it is, written anew."""


def shapes(specs):
    return [described(spec) for spec in specs]


def test_a_file_with_one_signature_has_its_names(altered):
    found = inspect_model(altered(unchanged))
    assert (found.kind, found.model, found.problem, found.notes) == ("tflite", "net-v2", None, ())
    assert shapes(found.inputs) == ["image float32 (batch, 28, 28, 1)"]
    assert shapes(found.outputs) == ["logits float32 (batch, 10)"]
    assert found.operators["CONV_2D"] == 1
    assert (found.role, found.quantization, found.exports) == ("float", None, ("tflite",))
    assert found.weight_bytes == {"float32": 8040, "int32": 12}


def test_a_file_without_signature_has_the_names_of_its_tensors(altered):
    def strip(model):
        model.signatureDefs = []

    found = inspect_model(altered(strip))
    assert "no signature" in found.notes[0]
    assert found.inputs[0].shape == ("batch", 28, 28, 1)
    assert found.inputs[0].name != "image"
    assert found.problem is None


@pytest.mark.parametrize(("keys", "chosen"), [(("first", "serving_default"), "serving_default"), (("b", "a"), "b")])
def test_of_several_signatures_one_is_used_and_said(altered, keys, chosen):
    def double(model):
        (known,) = model.signatureDefs
        model.signatureDefs = []
        for key in keys:
            signature = schema.SignatureDefT()
            signature.inputs, signature.outputs = known.inputs, known.outputs
            signature.subgraphIndex, signature.signatureKey = known.subgraphIndex, key.encode()
            model.signatureDefs.append(signature)

    assert inspect_model(altered(double)).notes[0].startswith(f"signature {chosen} is used, not ")


def test_a_fixed_batch_is_one(altered):
    def fix(model):
        for tensor in model.subgraphs[0].tensors:
            tensor.shapeSignature = None

    found = inspect_model(altered(fix))
    assert found.inputs[0].shape == (1, 28, 28, 1)
    assert found.batching.size == 1


def test_integer_inputs_have_scale_and_zero_point_and_the_file_is_quantized(altered):
    found = inspect_model(altered(unchanged, "int8-io"))
    assert (found.inputs[0].dtype, found.inputs[0].zero_point) == ("int8", -128)
    assert found.inputs[0].scale == pytest.approx(1 / 255)
    how = found.quantization
    assert (how.scheme, how.activation_type, how.weight_type, how.granularity, how.io_dtype) == (
        "static",
        "int8",
        "int8",
        "per-channel",
        "int8",
    )
    assert found.role == "quantized"


@pytest.mark.parametrize(("name", "words"), [("MyOp", "operators that LiteRT"), ("FlexErf", "TensorFlow (Flex)")])
def test_custom_operators_are_a_problem(altered, name, words):
    def replace(model):
        model.operatorCodes[0].customCode = name.encode()

    problem = inspect_model(altered(replace)).problem
    assert name in problem
    assert words in problem


def test_a_file_that_was_cut_short_is_damaged(tmp_path):
    content = (MODELS / "conv.fp32.tflite" / "model.tflite").read_bytes()
    (tmp_path / "short.tflite").write_bytes(content[:40])
    with pytest.raises(ModelError, match="damaged TFLite file") as caught:
        inspect_model(tmp_path / "short.tflite")
    assert "\n" not in str(caught.value)


def test_weights_that_hold_nan_are_named(altered):
    def spoil(model):
        graph = model.subgraphs[0]
        number = next(n for n, each in enumerate(graph.tensors) if _is_weight(model, each))
        values = np.frombuffer(bytes(model.buffers[graph.tensors[number].buffer].data), dtype="<f4").copy()
        values[0] = np.nan
        model.buffers[graph.tensors[number].buffer].data = np.frombuffer(values.tobytes(), dtype=np.uint8)

    path = altered(spoil)
    (note,) = inspect_model(path).notes
    assert "hold NaN or infinity: answers will, too" in note
    with pytest.raises(ExportError, match=r"the weights .* of net.v2.tflite hold NaN or infinity: no scale can be"):
        FlatModel(path)


def _is_weight(model, tensor):
    return tensor.type == schema.TensorType.FLOAT32 and model.buffers[tensor.buffer].data is not None
