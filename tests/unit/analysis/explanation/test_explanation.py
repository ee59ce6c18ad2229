"""Why kernels compute in float: small graphs for each reason, on the kernels that ONNX Runtime runs for them."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.analysis.explanation.record import ExplanationJob
from crossrt.analysis.explanation.run import explain
from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import batching_of
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxStatic
from crossrt.exporters.tensor_specs import onnx_specs
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

BATCH = 2
SCALE = np.float32(0.05)


def artifact_of(path) -> ModelArtifact:
    inputs, outputs = onnx_specs(path)
    return ModelArtifact(
        model="net",
        variant="mine",
        format="onnx",
        path=path,
        sha256="",
        size_bytes=0,
        inputs=inputs,
        outputs=outputs,
        batching=batching_of(inputs),
        role="quantized",
        quantization=None,
        producer={},
        source_sha256="",
    )


def explained(path, recipe):
    """Kernels in float and conversions away from the borders, by operator, with their reasons."""
    with get_runtime("ort-cpu").prepare(artifact_of(path), SessionOptions(batch_size=BATCH)) as session:
        profile = session.profile(1)
    kernels = [
        {"operator": each.operator, "node": each.name, "kind": each.kind}
        for each in profile.kernels
        if each.kind in ("float", "conversion")
    ]
    job = ExplanationJob(
        path=str(path),
        folder=str(path.parent),
        kernels=kernels,
        recipe=None if recipe is None else msgspec.to_builtins(recipe),
        dimensions={"batch": BATCH},
    )
    found = explain(job)
    return {
        kind: [(each.operator, "; ".join(each.reasons)) for each in found if each.kind == kind]
        for kind in ("float", "conversion")
    }


class Qdq:
    """A graph in which a layer stands between QuantizeLinear and DequantizeLinear, but for what a test changes."""

    def __init__(self, *, dtype=np.uint8, scale=SCALE):
        self.dtype, self.nodes, self.outputs = dtype, [], [("out", None)]
        self.initializers = [
            numpy_helper.from_array(np.asarray(scale, np.float32), "scale"),
            numpy_helper.from_array(np.zeros(np.shape(scale), dtype), "zero"),
        ]

    def constant(self, name, values):
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind.lower()}_{output}", **attributes))
        return output

    def quantized(self, tensor, *, scale="scale", **attributes):
        """Puts a pair of conversions behind a tensor."""
        self.node("QuantizeLinear", [tensor, scale, "zero"], f"{tensor}_q", **attributes)
        return self.node("DequantizeLinear", [f"{tensor}_q", scale, "zero"], f"{tensor}_dq", **attributes)

    def weight(self, name, *shape, dtype=np.int8):
        values = np.random.default_rng(0).integers(-8, 8, shape).astype(dtype)
        self.constant(name, values)
        self.constant(f"{name}_scale", np.float32(0.02))
        self.constant(f"{name}_zero", np.zeros((), dtype))
        return self.node("DequantizeLinear", [name, f"{name}_scale", f"{name}_zero"], f"{name}_dq")

    def conv(self, source, output, **weight):
        return self.node("Conv", [source, self.weight(f"{output}_w", 4, 4, 3, 3, **weight)], output, pads=[1, 1, 1, 1])

    def save(self, path):
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 4, 8, 8])
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in self.outputs]
        graph = helper.make_graph(self.nodes, "net", [image], outputs, self.initializers)
        onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]), path)
        return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.onnx"


def test_a_graph_that_fuses_throughout_has_nothing_to_explain(path):
    net = Qdq()
    net.node("Identity", [net.quantized(net.conv(net.quantized("image"), "conv"))], "out")
    assert explained(net.save(path), OnnxStatic()) == {"float": [], "conversion": []}


def test_an_output_that_others_read_too(path):
    net = Qdq()
    net.conv(net.quantized("image"), "conv")
    net.node("Add", [net.quantized("conv"), net.node("Sigmoid", ["conv"], "gate")], "out")
    found = dict(explained(net.save(path), OnnxStatic())["float"])
    assert "its output has 2 readers: QuantizeLinear quantizelinear_conv_q, Sigmoid sigmoid_gate" in found["Conv"]


def test_an_output_of_the_model(path):
    net = Qdq()
    net.conv(net.quantized("image"), "conv")
    net.node("Identity", [net.quantized("conv")], "out")
    net.outputs.append(("conv", None))
    (reason,) = (reason for name, reason in explained(net.save(path), OnnxStatic())["float"] if "Conv" in name)
    assert reason == "its output conv is an output of the model, in float"


def test_an_activation_that_stands_between(path):
    net = Qdq()
    net.node("Erf", [net.conv(net.quantized("image"), "conv")], "erf")
    net.node("Identity", [net.quantized("erf")], "out")
    found = dict(explained(net.save(path), OnnxStatic())["float"])
    assert found["Erf"] == "its input conv comes from Conv conv_conv, in float"
    (conv,) = (reason for name, reason in found.items() if "Conv" in name)
    assert conv == "its output goes to Erf erf_erf before it is quantized"


def test_an_activation_that_was_fused_into_the_layer(path):
    net = Qdq()
    net.node("Tanh", [net.conv(net.quantized("image"), "conv")], "tanh")
    net.node("Identity", [net.quantized("tanh")], "out")
    found = explained(net.save(path), OnnxStatic())["float"]
    assert found == [("FusedConv", "its output goes to Tanh tanh_tanh before it is quantized")]


def test_an_input_in_float(path):
    net = Qdq()
    net.conv("image", "conv")
    net.node("Identity", [net.quantized("conv")], "out")
    (reason,) = (reason for name, reason in explained(net.save(path), OnnxStatic())["float"] if "Conv" in name)
    assert reason == "its input image is an input of the model, in float"


def test_types_without_integer_kernels(path):
    net = Qdq(dtype=np.uint16)
    net.node("Identity", [net.quantized(net.conv(net.quantized("image"), "conv"))], "out")
    found = explained(net.save(path), OnnxStatic(activation_type="uint16"))
    (reason,) = (reason for name, reason in found["float"] if "Conv" in name)
    assert reason == "uint16 around it, and integer kernels take 8 bits"
    assert all("Conv" in reason for _, reason in found["conversion"])


def test_a_scale_for_each_channel_of_an_activation(path):
    net = Qdq(scale=np.full(4, SCALE))
    net.conv(net.quantized("image", axis=1), "conv")
    net.node("Identity", ["conv"], "out")
    (reason,) = (reason for name, reason in explained(net.save(path), OnnxStatic())["float"] if "Conv" in name)
    assert "its input image_dq has 4 scales, one for each channel" in reason


def test_an_operator_that_the_runtime_has_no_integers_for(path):
    net = Qdq()
    net.node("Identity", [net.quantized(net.node("Erf", [net.quantized("image")], "erf"))], "out")
    found = explained(net.save(path), OnnxStatic())
    words = "quantized on all sides (uint8), but the runtime has put no integer kernel in its place"
    assert found["float"] == [("Erf", words)]


def test_another_scale_behind_than_before(path):
    net = Qdq()
    net.constant("wider", np.float32(0.1))
    pool = net.node("MaxPool", [net.quantized("image")], "pool", kernel_shape=[2, 2], strides=[2, 2])
    net.node("Identity", [net.quantized(pool, scale="wider")], "out")
    (reason,) = (reason for name, reason in explained(net.save(path), OnnxStatic())["float"] if "MaxPool" in name)
    assert reason == "its integers have another scale before it than behind it"


@pytest.mark.parametrize("quant_format", ["qdq", "qoperator"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nodes_to_exclude": ("conv",)}, "the recipe excludes it by name (nodes_to_exclude)"),
        ({"op_types_to_quantize": ("Gemm", "MatMul")}, "the recipe leaves out Conv (op_types_to_quantize)"),
    ],
)
def test_what_the_recipe_leaves_out(quantized, quant_format, fields, words):
    recipe = OnnxStatic(quant_format=quant_format, **fields)
    found = explained(quantized(recipe), recipe)
    assert [reason for name, reason in found["float"] if "Conv" in name] == [words]
    assert all("Conv" in reason for _, reason in found["conversion"])


def test_a_file_that_computes_on_integers_throughout(quantized):
    recipe = OnnxStatic(reduce_range=True)
    assert explained(quantized(recipe), recipe) == {"float": [], "conversion": []}


@pytest.mark.parametrize("quant_format", ["qdq", "qoperator"])
def test_without_a_recipe_the_graphs_alone_tell(quantized, quant_format):
    path = quantized(OnnxStatic(quant_format=quant_format, nodes_to_exclude=("conv",), reduce_range=True))
    found = explained(path, None)
    assert [name for name, _ in found["float"] if "Conv" in name]
    assert all("recipe" not in reason for _, reason in found["float"])


def test_other_recipes_are_refused(quantized):
    path = quantized(OnnxDynamic())
    with pytest.raises(ExportError, match="only static ONNX recipes"):
        explained(path, OnnxDynamic())


def test_a_kernel_that_is_not_in_the_graph_has_no_reason(quantized):
    path = quantized(OnnxStatic())
    job = ExplanationJob(path=str(path), folder=str(path.parent), dimensions={"batch": 1}, kernels=())
    (found,) = explain(dataclasses.replace(job, kernels=[{"operator": "Conv", "node": "other", "kind": "float"}]))
    assert found.reasons == ()
