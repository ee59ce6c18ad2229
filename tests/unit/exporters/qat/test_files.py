"""Both files of one network: the same scales, the same answers, and models that are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

from crossrt.analysis.audit.onnx_reading import read_onnx
from crossrt.analysis.audit.tflite_file import open_tflite, stored_in_tflite
from crossrt.analysis.layer_steps import layer_steps
from crossrt.analysis.onnx_graph import Graph
from crossrt.analysis.same_scales import compare
from crossrt.exporters.training.qat.trained import read_trained

pytestmark = pytest.mark.tensorflow

SCRIPT = Path(__file__).with_name("make_models.py")
LEAST_WITHIN_ONE = {
    "everything": 0.97,
    "four_bits": 1.0,
    "means": 0.995,
    "halves": 1.0,
    "islands": 0.85,
    "residual": 1.0,
    "grouped": 1.0,
}
"""Of random weights, where a step at the start becomes several at the end of 25 layers; an operator that computes
something else leaves less than half. In `islands` TFLite has integer kernels for functions."""
MODELS = tuple(LEAST_WITHIN_ONE)
REFUSED = {
    "shared": "the layer twice of own.keras is used 2 times",
    "subclassed": "own.keras is a sub-classed model",
    "lambda": "the layer own (Lambda) of own.keras has code of its own, which cannot be written to both files",
    "loops": "the layer memory (LSTM) of own.keras has loops, which cannot be written to both files",
    "operation": "the operation Multiply (multiply) of own.keras stands outside of any layer",
    "custom activation": "the activation <lambda> of the layer smooth of own.keras is not one of Keras's",
    "two outputs": "own.keras has 2 outputs",
    "any size": "is not fixed: build the model with a fixed input shape",
    "integers": "the input numbers of own.keras is int32: float32 is expected",
    "nothing": "nothing can be trained",
    "always zero": "the range of dead never moved",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qat")
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), str(folder)], capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("bits", [4, 8])
def test_a_kernel_has_the_same_integers_in_a_graph_that_is_optimized(folder, bits):
    """Constants of a graph are folded, which rearranges sums and quotients."""
    found = np.load(folder / "kernels.npz")
    for name in ("one by one", "graph"):
        np.testing.assert_array_equal(found[f"{bits} {name}"], found[f"{bits} grid"])


def compared(folder, name):
    onnx_file, tflite_file = folder / f"{name}.onnx", folder / f"{name}.tflite"
    stored = read_onnx(Graph.load(onnx_file)), stored_in_tflite(open_tflite(tflite_file))
    return list(compare(read_trained(folder / f"{name}.json"), *stored))


def answers(folder, name):
    with np.load(folder / f"{name}.npz") as known:
        samples, step, fake = known["samples"], float(known["step"]), known["fake"]
    session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    (from_onnx,) = session.run(None, {session.get_inputs()[0].name: samples})
    interpreter = Interpreter(model_path=str(folder / f"{name}.tflite"), num_threads=1)
    runner = interpreter.get_signature_runner("serve")
    (from_tflite,) = runner(**{session.get_inputs()[0].name: samples}).values()
    return step, {"fake": fake, "onnx": from_onnx, "tflite": from_tflite}


@pytest.mark.parametrize("name", MODELS)
def test_every_scale_of_both_files_is_the_trained_one_to_the_last_bit(folder, name):
    found = compared(folder, name)
    assert [(each.step, each.difference) for each in found if each.difference] == []
    weights = [each for each in found if each.role == "weight"]
    assert weights
    assert all(each.onnx and each.tflite for each in weights)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_a_file_answers_like_the_fake_quantized_model(folder, name, form):
    step, found = answers(folder, name)
    steps = np.abs(found[form] - found["fake"]) / step
    assert (steps < 1.001).mean() >= LEAST_WITHIN_ONE[name]


def test_a_calibrated_model_of_several_outputs_becomes_two_files_that_answer_alike(folder):
    assert not [each for each in compared(folder, "heads") if each.difference]
    with np.load(folder / "heads.npz") as known:
        samples, fake = known["samples"], {name: known[name] for name in known.files if name != "samples"}
    session = onnxruntime.InferenceSession(str(folder / "heads.onnx"), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    from_onnx = dict(zip(names, session.run(names, {"image": samples}), strict=True))
    runner = Interpreter(model_path=str(folder / "heads.tflite"), num_threads=1).get_signature_runner("serve")
    from_tflite = runner(image=samples)
    assert set(fake) == set(from_onnx) == set(from_tflite)
    assert sorted(each.shape for each in fake.values()) == [(64, 5), (64, 5), (64, 8, 8, 4)]
    for name, expected in fake.items():
        np.testing.assert_allclose(from_onnx[name], expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(from_tflite[name], expected, rtol=1e-6, atol=1e-6)


def test_a_convolution_of_groups_keeps_them_in_both_files(folder):
    nodes = [node for node in onnx.load(folder / "grouped.onnx").graph.node if node.op_type == "Conv"]
    groups = [next(each.i for each in node.attribute if each.name == "group") for node in nodes]
    assert groups == [2, 4]
    weights = [len(each.scales) for each in compared(folder, "grouped") if each.role == "weight"]
    assert weights == [8, 12, 5]


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_a_residual_network_answers_alike_to_the_last_bit(folder, form):
    _, found = answers(folder, "residual")
    np.testing.assert_array_equal(found[form], found["fake"])
    assert len(np.unique(found["fake"])) > 20


def steps_of(folder, name, tmp_path):
    session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    with np.load(folder / f"{name}.npz") as known, np.load(folder / f"{name}-steps.npz") as fake:
        feeds = {session.get_inputs()[0].name: known["samples"][:32]}
        files = folder / f"{name}.onnx", folder / f"{name}.tflite"
        return list(layer_steps(read_trained(folder / f"{name}.json"), *files, feeds, dict(fake), tmp_path))


def test_every_layer_is_compared_in_all_three(folder, tmp_path):
    found = steps_of(folder, "residual", tmp_path)
    assert len(found) == 21
    assert all(len(each.spreads) == 3 and not each.differs for each in found)


def test_means_of_an_even_number_of_values_are_alike_in_every_layer(folder, tmp_path):
    found = {each.step: each for each in steps_of(folder, "halves", tmp_path)}
    assert all(len(each.spreads) == 3 and not each.differs for each in found.values())
    assert {"quarter", "sixth", "twentieth"} <= set(found)
    with np.load(folder / "halves.npz") as known:
        np.testing.assert_allclose(known["folded"], known["float"], atol=2e-5)


def test_the_layer_where_integers_begin_to_differ_is_named_with_the_reason(folder, tmp_path):
    found = {each.step.split("_")[0]: each for each in steps_of(folder, "means", tmp_path)}
    assert not found["conv2d"].differs
    assert found["average"].reason.startswith("means in the middle between two integers")
    (runtimes,) = (each for each in found["average"].spreads if (each.one, each.other) == ("onnx", "tflite"))
    assert (runtimes.most, runtimes.off_by_more) == (1, 0)
    assert 0 < runtimes.off_by_one < 0.5
    assert found["tags"].differs
    assert found["tags"].reason is None  # inherited


def test_learned_ranges_follow_the_loss_and_settle_for_a_while(folder):
    found = json.loads((folder / "learned.json").read_text())
    assert found["narrow"] < 0.5 * found["wide"]
    assert found["unmoved"] == [["table", "hidden"], ["table"]]
    before, during, after = found["octaves"]
    assert before == after < -1
    assert during == 0


def test_folding_and_joining_layers_changes_nothing_in_float(folder):
    with np.load(folder / "everything.npz") as known:
        np.testing.assert_allclose(known["folded"], known["float"], atol=2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_network_that_was_described_for_a_keras_file_answers_alike(folder, name):
    with np.load(folder / f"{name}.npz") as known:
        np.testing.assert_array_equal(known["described"], known["fake"])


def test_quantization_is_simulated(folder):
    with np.load(folder / "everything.npz") as known:
        assert 1e-4 < np.abs(known["fake"] - known["float"]).max() < 0.1


def test_what_stays_in_float_is_named(folder):
    with np.load(folder / "everything.npz") as known:
        notes = known["notes"].tolist()
    assert len(notes) == 2
    assert notes[0].endswith("(Rescaling) stays in float")
    assert notes[1].endswith("(BatchNormalization) stays in float")


def test_layers_that_stay_in_float_are_named_and_the_others_are_quantized(folder):
    with np.load(folder / "islands.npz") as known:
        notes = known["notes"].tolist()
    assert [note.split(" (")[0] for note in notes if not note.startswith("the")] == ["gated", "norm", "unit"]
    assert any(note.startswith("the activation silu of swish stays in float") for note in notes)
    assert any(note.startswith("the activation gelu of hidden stays in float") for note in notes)
    model = onnx.load(folder / "islands.onnx")
    assert sum(node.op_type == "Conv" for node in model.graph.node) == 2
    weights = [each for each in compared(folder, "islands") if each.role == "weight"]
    assert len(weights) == 5


def test_weights_of_four_bits_use_fifteen_values(folder):
    model = onnx.load(folder / "four_bits.onnx")
    kernels = [each for each in model.graph.initializer if each.name.endswith("kernel_quantized")]
    values = np.concatenate([onnx.numpy_helper.to_array(each).ravel() for each in kernels])
    assert (values.min(), values.max()) == (-7, 7)


def test_a_scale_that_was_changed_is_named(folder):
    model = onnx.load(folder / "four_bits.onnx")
    scale = next(each for each in model.graph.initializer if each.name == "hidden/kernel_scale")
    values = onnx.numpy_helper.to_array(scale).copy()
    values[3] = np.nextafter(values[3], np.float32(9))
    scale.CopyFrom(onnx.numpy_helper.from_array(values, scale.name))
    changed = folder / "changed.onnx"
    onnx.save(model, changed)
    stored = read_onnx(Graph.load(changed)), stored_in_tflite(open_tflite(folder / "four_bits.tflite"))
    found = [each for each in compare(read_trained(folder / "four_bits.json"), *stored) if each.difference]
    assert [(each.step, each.role) for each in found] == [("hidden", "weight")]
    assert found[0].difference.startswith("onnx: 1 scales differ, such as")


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_be_trained_is_refused_by_name(folder, name):
    assert REFUSED[name] in json.loads((folder / "refusals.json").read_text())[name]
