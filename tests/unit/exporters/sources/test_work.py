"""MACs of a file, counted by hand from the shapes of its layers."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.errors import ModelError
from crossrt.exporters.sources.work import count_work
from crossrt.harness.build.model_files import model_artifact

FLOAT = TensorProto.FLOAT


@pytest.fixture
def artifact(tmp_path):
    """Writes a graph of some nodes, and describes the file."""

    def write(nodes, inputs, outputs, **weights) -> ModelArtifact:
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
            [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, tmp_path / "m.onnx")
        return model_artifact(tmp_path / "m.onnx")

    return write


def test_a_convolution_multiplies_each_result_with_a_kernel(artifact):
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], group=2)
    file = artifact([node], {"x": ["N", 4, 9, 9]}, {"y": ["N", 6, 4, 4]}, w=(6, 2, 3, 3))
    (layer,) = count_work(file, {}).layers
    assert layer.macs == 6 * 4 * 4 * 2 * 3 * 3
    assert (layer.inputs, layer.outputs, layer.weights) == (4 * 81, 6 * 16, 6 * 18)


def test_a_transposed_convolution_multiplies_each_of_its_inputs(artifact):
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])
    file = artifact([node], {"x": [1, 3, 5, 5]}, {"y": [1, 7, 10, 10]}, w=(3, 7, 2, 2))
    assert count_work(file, {}).macs == 3 * 25 * 7 * 4


def test_products_count_the_axis_that_vanishes(artifact):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Gemm", ["a", "b"], ["g"], transA=1)]
    file = artifact(nodes, {"x": ["N", 5, 8], "a": [16, 3]}, {"h": ["N", 5, 4], "g": [3, 2]}, w=(8, 4), b=(16, 2))
    assert [layer.macs for layer in count_work(file, {}).layers] == [5 * 4 * 8, 3 * 2 * 16]


def test_a_product_of_two_activations_has_no_weights(artifact):
    node = helper.make_node("MatMul", ["q", "k"], ["y"])
    file = artifact([node], {"q": [1, "seq", 8], "k": [1, 8, "seq"]}, {"y": [1, "seq", "seq"]})
    (layer,) = count_work(file, {"seq": 10}).layers
    assert (layer.macs, layer.weights, layer.inputs) == (800, 0, 160)


def test_a_recurrent_layer_runs_its_weights_at_each_step(artifact):
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=6)
    file = artifact([node], {"x": [7, 1, 3]}, {"y": [7, 1, 1, 6]}, w=(1, 24, 3), r=(1, 24, 6))
    assert count_work(file, {}).macs == 7 * (24 * 3 + 24 * 6)


def test_operators_whose_work_is_not_known_are_named(artifact):
    node = helper.make_node("Einsum", ["x", "w"], ["y"], equation="ij,jk->ik")
    file = artifact([node], {"x": [1, 8]}, {"y": [1, 4]}, w=(8, 4))
    counted = count_work(file, {})
    assert (counted.macs, counted.uncounted) == (0, ("Einsum",))


def test_a_dimension_of_unknown_size_leaves_a_layer_uncounted(artifact):
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    file = artifact([node], {"x": [1, "seq", 8]}, {"y": [1, "seq", 4]}, w=(8, 4))
    assert count_work(file, {}).uncounted == ("MatMul",)
    assert count_work(file, {"seq": 3}).macs == 96


def test_a_damaged_file_is_refused(tmp_path, artifact):
    file = artifact([helper.make_node("Relu", ["x"], ["y"])], {"x": [1]}, {"y": [1]})
    file.path.write_bytes(b"\0not a model")
    with pytest.raises(ModelError):
        count_work(file, {})
