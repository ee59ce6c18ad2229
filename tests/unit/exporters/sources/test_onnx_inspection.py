"""What is said of ONNX files that nobody here made."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.core.tensor import described
from crossrt.exporters.errors import ModelError
from crossrt.exporters.inspect import inspect_model
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxFloat16, OnnxStatic, OnnxWeightOnly
from crossrt.exporters.sources import onnx_inspection

T = TensorProto


@pytest.fixture
def save(tmp_path):
    """Writes a graph of nodes; gives the file."""

    def write(nodes, inputs, outputs, initializers=(), *, name="net.onnx", opset=18, domains=(), functions=()):
        graph = helper.make_graph(nodes, "net", inputs, outputs, list(initializers))
        opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
        model = helper.make_model(
            graph, ir_version=10, opset_imports=opsets, functions=list(functions), producer_name="maker"
        )
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return write


def value(name, shape, dtype=T.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs, outputs, **attributes)


def array(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def shapes(specs):
    return [described(spec) for spec in specs]


def test_inputs_outputs_and_what_the_file_says_of_itself(save):
    path = save(
        [node("Add", ["a", "b"], ["sum"]), node("Mul", ["a", "w"], ["scaled"])],
        [value("a", ["N", 3, "H", "W"]), value("b", ["N", 3, "H", "W"])],
        [value("sum", ["N", 3, "H", "W"]), value("scaled", ["N", 3, "H", "W"])],
        [array("w", np.ones((1, 3, 1, 1)))],
        name="v1.2 net.onnx",
    )
    found = inspect_model(path)
    assert (found.kind, found.model, found.problem) == ("onnx", "v1-2-net", None)
    assert shapes(found.inputs) == ["a float32 (N, 3, H, W)", "b float32 (N, 3, H, W)"]
    assert shapes(found.outputs) == ["sum float32 (N, 3, H, W)", "scaled float32 (N, 3, H, W)"]
    assert (found.batching.dimension, dict(found.batching.axes)) == ("N", {"a": 0, "b": 0})
    assert (found.operators, found.opset, found.producer) == ({"Add": 1, "Mul": 1}, 18, "maker")
    assert (found.weight_bytes, found.float_dtype, found.role) == ({"float32": 12}, "float32", "float")
    assert found.size_bytes == path.stat().st_size
    assert found.exports == ("onnx",)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (T.INT64, "int64"),
        (T.INT32, "int32"),
        (T.UINT8, "uint8"),
        (T.FLOAT16, "float16"),
        (T.DOUBLE, "float64"),
        (T.BOOL, "bool"),
        (T.STRING, "str"),
    ],
)
def test_inputs_of_every_dtype(save, dtype, name):
    found = inspect_model(save([node("Identity", ["x"], ["y"])], [value("x", [1], dtype)], [value("y", [1], dtype)]))
    assert found.inputs[0].dtype == found.outputs[0].dtype == name


def test_a_dtype_that_numpy_does_not_have_is_a_problem(save):
    nodes = [node("Identity", ["x"], ["y"])]
    found = inspect_model(save(nodes, [value("x", [1], T.BFLOAT16)], [value("y", [1], T.BFLOAT16)]))
    assert found.problem == "the input x is bfloat16, which numpy does not have: export the model with a float32 input"
    assert found.exports == ()


def test_unnamed_dimensions_get_names(save):
    nodes = [node("Identity", ["x"], ["y"]), node("Identity", ["z"], ["u"])]
    inputs = [value("x", [None, 3, None]), value("z", [None, 5])]
    found = inspect_model(
        save(nodes, inputs, [value("y", ["p2o.DynamicDimension.3", 3, None]), value("u", ["unk__12", 5])])
    )
    assert shapes(found.inputs) == ["x float32 (batch, 3, x[2])", "z float32 (batch, 5)"]
    assert shapes(found.outputs) == ["y float32 (batch, 3, y[2])", "u float32 (batch, 5)"]


def test_the_first_axis_is_the_batch_only_where_it_is_unnamed_in_every_input(save):
    nodes = [node("Identity", ["x"], ["y"]), node("Identity", ["z"], ["u"])]
    found = inspect_model(
        save(nodes, [value("x", [None, 3]), value("z", [2, 3])], [value("y", ["a", 3]), value("u", [2, 3])])
    )
    assert shapes(found.inputs) == ["x float32 (x[0], 3)", "z float32 (2, 3)"]


def test_sizes_below_0_are_dynamic_and_0_is_a_size(save):
    found = inspect_model(save([node("Identity", ["x"], ["y"])], [value("x", [-1, 3, 0])], [value("y", [-1, 3, 0])]))
    assert shapes(found.inputs) == ["x float32 (batch, 3, 0)"]


def test_a_fixed_batch_and_a_dimension_that_is_not_the_batch(save):
    nodes = [node("Identity", ["ids"], ["out"])]
    found = inspect_model(save(nodes, [value("ids", [1, "seq"], T.INT64)], [value("out", [1, "seq"], T.INT64)]))
    assert (found.batching.size, found.batching.dimension) == (1, None)
    assert found.inputs[0].dynamic == ("seq",)


def test_inputs_with_defaults_are_not_counted(save):
    inputs = [value("x", ["N", 2]), value("w", [2])]
    found = inspect_model(save([node("Mul", ["x", "w"], ["y"])], inputs, [value("y", ["N", 2])], [array("w", [1, 2])]))
    assert [spec.name for spec in found.inputs] == ["x"]


def test_an_input_without_a_shape_is_a_problem(save):
    found = inspect_model(save([node("Identity", ["x"], ["y"])], [value("x", None)], [value("y", ["N"])]))
    assert "the input x has no shape" in found.problem


def test_the_shape_of_an_output_is_inferred_where_the_file_does_not_say_it(save):
    nodes = [node("MatMul", ["x", "w"], ["y"])]
    found = inspect_model(save(nodes, [value("x", ["N", 2])], [value("y", None)], [array("w", np.ones((2, 5)))]))
    assert shapes(found.outputs) == ["y float32 (N, 5)"]


def zipmap(save, *, with_label):
    sequence = helper.make_tensor_sequence_value_info("probabilities", T.FLOAT, None)
    map_type = helper.make_map_type_proto(T.INT64, helper.make_tensor_type_proto(T.FLOAT, []))
    sequence.type.CopyFrom(helper.make_sequence_type_proto(map_type))
    outputs = [value("label", ["N", 2]), sequence] if with_label else [sequence]
    nodes = [node("Identity", ["x"], ["label"]), node("ZipMap", ["x"], ["probabilities"], domain="ai.onnx.ml")]
    return save(nodes, [value("x", ["N", 2])], outputs, domains=["ai.onnx.ml"])


def test_outputs_that_are_not_tensors_are_left_out_with_a_note(save):
    found = inspect_model(zipmap(save, with_label=True))
    assert ([spec.name for spec in found.outputs], found.problem) == (["label"], None)
    assert "probabilities is a sequence of maps (ZipMap)" in found.notes[0]
    assert "options={'zipmap': False}" in found.notes[0]


def test_a_model_without_any_tensor_to_answer_is_a_problem(save):
    assert "no output is a tensor" in inspect_model(zipmap(save, with_label=False)).problem


def test_a_sequence_as_input_is_a_problem(save):
    sequence = helper.make_tensor_sequence_value_info("xs", T.FLOAT, ["N"])
    found = inspect_model(
        save([node("SequenceAt", ["xs", "i"], ["y"])], [sequence, value("i", [], T.INT64)], [value("y", ["N"])])
    )
    assert found.problem == "the input xs is not a tensor but sequence"


def test_custom_operators_are_a_problem_in_plain_words(save):
    nodes = [node("Quant", ["x"], ["y"], domain="qonnx.custom_op.general")]
    found = inspect_model(save(nodes, [value("x", [1])], [value("y", [1])], domains=["qonnx.custom_op.general"]))
    assert "custom operators (Quant) of the domain qonnx.custom_op.general" in found.problem
    assert found.operators == {"qonnx.custom_op.general:Quant": 1}


def test_operators_that_the_file_defines_itself_are_not_custom(save):
    double = helper.make_function(
        "mine", "Double", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 18)]
    )
    nodes = [node("Double", ["x"], ["y"], domain="mine")]
    path = save(nodes, [value("x", [1])], [value("y", [1])], domains=["mine"], functions=[double])
    assert inspect_model(path).problem is None


def test_weights_inside_branches_and_constants_are_counted(save):
    branch = helper.make_graph([], "then", [], [value("w", [4])], [array("w", np.ones(4))])
    other = helper.make_graph(
        [node("Constant", [], ["v"], value=array("c", np.ones(4)))], "else", [], [value("v", [4])]
    )
    nodes = [node("If", ["x"], ["y"], then_branch=branch, else_branch=other)]
    found = inspect_model(save(nodes, [value("x", [], T.BOOL)], [value("y", [4])]))
    assert found.weight_bytes == {"float32": 32}
    assert found.operators == {"If": 1, "Constant": 1}
    assert not found.batching.is_batched


@pytest.mark.parametrize(
    ("kind", "constant", "words"),
    [
        ("Div", 255.0, "x is multiplied by 1/255 first: expects raw values, such as 0..255"),
        ("Mul", 1 / 127.5, "x is multiplied by 2/255 first: expects raw values, such as 0..255"),
        ("Sub", 127.0, "127 is subtracted from x first"),
        ("Div", [58.4, 57.1, 57.4], "Div by a constant for each channel first"),
    ],
)
def test_scaling_in_the_first_node_is_told(save, kind, constant, words):
    nodes = [node(kind, ["x", "c"], ["y"])]
    found = inspect_model(save(nodes, [value("x", ["N", 3])], [value("y", ["N", 3])], [array("c", constant)]))
    assert len(found.preprocessing) == 1
    assert found.preprocessing[0].startswith(words)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("Div", 255.0)], (0, 255)),
        ([("Mul", 1 / 255)], (0, 255)),
        ([("Sub", 127.5), ("Div", 50.0)], (-22.5, 277.5)),
        ([("Sub", [120.0, 100.0]), ("Mul", [0.1, 0.05])], (40, 160)),
        ([("Mul", 2.0)], None),
        ([("Sub", 127.0)], None),
    ],
)
def test_the_values_that_a_first_node_expects_are_numbers(save, steps, expected):
    names = ["x", *(f"t{number}" for number in range(len(steps) - 1)), "y"]
    nodes = [node(kind, [names[i], f"c{i}"], [names[i + 1]]) for i, (kind, _) in enumerate(steps)]
    constants = [array(f"c{i}", constant) for i, (_, constant) in enumerate(steps)]
    found = inspect_model(save(nodes, [value("x", ["N", 2])], [value("y", ["N", 2])], constants))
    ranges = [(each.minimum, each.maximum) for each in found.expected_ranges]
    assert ranges == ([] if expected is None else [pytest.approx(expected, abs=1e-3)])
    assert len(found.preprocessing) == 1


@pytest.mark.parametrize(("zero", "taken", "given"), [(120, "(x - 120)", " + 120"), (0, "x", "")])
def test_what_quantized_inputs_and_outputs_stand_for_is_told(save, zero, taken, given):
    nodes = [
        node("DequantizeLinear", ["x", "x_s", "x_z"], ["real_x"]),
        node("Relu", ["real_x"], ["real_y"]),
        node("QuantizeLinear", ["real_y", "y_s", "y_z"], ["y"]),
    ]
    scales = [numpy_helper.from_array(np.float32(each), name) for name, each in (("x_s", 0.02), ("y_s", 0.5))]
    zeros = [numpy_helper.from_array(np.uint8(zero), "x_z"), numpy_helper.from_array(np.int8(-3), "y_z")]
    path = save(nodes, [value("x", ["N", 3], T.UINT8)], [value("y", ["N", 3], T.INT8)], [*scales, *zeros])
    assert inspect_model(path).preprocessing == (
        f"x holds uint8 steps of 0.02: {taken} * 0.02 are the real numbers; give numpy.rint(real / 0.02){given}, as"
        " uint8",
        "y holds int8 steps of 0.5: (y + 3) * 0.5 are the real numbers",
    )


def test_weights_that_hold_nan_are_told(save):
    nodes = [node("Mul", ["x", "w"], ["y"])]
    path = save(nodes, [value("x", ["N", 2])], [value("y", ["N", 2])], [array("w", [1, np.nan])])
    assert "the weights w hold NaN or infinity: answers will, too" in inspect_model(path).notes
    with pytest.raises(Exception, match=r"the weights w of net\.onnx hold NaN"):
        OnnxQuantizer(path, path.parent).quantize(OnnxDynamic(), path.parent / "out.onnx")


@pytest.mark.parametrize(
    ("kind", "inputs", "is_said"),
    [
        ("RandomUniformLike", ["x"], True),
        ("Bernoulli", ["x"], True),
        ("Dropout", ["x", "ratio", "on"], True),
        ("Dropout", ["x", "ratio", "off"], False),
        ("Dropout", ["x"], False),
    ],
)
def test_operators_that_draw_random_numbers_are_named(save, kind, inputs, is_said):
    modes = [numpy_helper.from_array(np.array(name == "on"), name) for name in ("on", "off")]
    path = save(
        [node(kind, inputs, ["y"])], [value("x", ["N", 2])], [value("y", ["N", 2])], [array("ratio", 0.5), *modes]
    )
    said = f"the model draws random numbers ({kind}): its answers change from call to call"
    assert (said in inspect_model(path).notes) == is_said


# external data


@pytest.fixture
def external(save, tmp_path):
    """A model whose weights lie in `net.data`."""
    nodes = [node("MatMul", ["x", "w"], ["y"])]
    weights = np.random.default_rng(0).normal(size=(64, 32))
    path = save(nodes, [value("x", ["N", 64])], [value("y", ["N", 32])], [array("w", weights)])
    model = onnx.load(path)
    onnx.save_model(
        model, path, save_as_external_data=True, location="net.data", size_threshold=0, all_tensors_to_one_file=True
    )
    return path


def test_external_data_are_listed_counted_and_hashed_without_being_loaded(external, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "onnx.external_data_helper.load_external_data_for_model", lambda *_: pytest.fail("weights were loaded")
    )
    found = inspect_model(external)
    assert found.data_files == ("net.data",)
    assert found.weight_bytes == {"float32": 64 * 32 * 4}
    assert found.size_bytes == external.stat().st_size + (tmp_path / "net.data").stat().st_size
    (tmp_path / "net.data").write_bytes(bytes(64 * 32 * 4))
    assert inspect_model(external).sha256 != found.sha256


def test_missing_external_data_are_named(external, tmp_path):
    (tmp_path / "net.data").unlink()
    with pytest.raises(ModelError, match=r"net\.onnx needs the file net\.data beside it, which is missing"):
        inspect_model(external)


def test_external_data_that_were_cut_short_are_named(external, tmp_path):
    (tmp_path / "net.data").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"net\.data has 1 bytes, but net\.onnx expects 8192"):
        inspect_model(external)


@pytest.mark.parametrize("location", ["../net.data", "/etc/hostname", "sub/../../net.data"])
def test_external_data_outside_the_folder_are_refused(external, location):
    model = onnx.load(external, load_external_data=False)
    next(entry for entry in model.graph.initializer[0].external_data if entry.key == "location").value = location
    external.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside its own folder: this is refused"):
        inspect_model(external)


def test_a_link_that_leaves_the_folder_is_refused(external, tmp_path):
    (tmp_path / "net.data").unlink()
    (tmp_path / "net.data").symlink_to("/etc/hostname")
    with pytest.raises(ModelError, match="outside its own folder"):
        inspect_model(external)


def test_a_model_with_external_data_is_quantized_from_a_copy(external, tmp_path, make_calibration):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    inputs = inspect_model(external).inputs
    calibration = make_calibration(np.random.default_rng(0).normal(size=(20, 64)).astype(np.float32), inputs)
    for name, recipe in {"static": OnnxStatic(), "dynamic": OnnxDynamic(), "blocks": OnnxWeightOnly()}.items():
        OnnxQuantizer(external, scratch, calibration).quantize(recipe, scratch / f"{name}.out.onnx")
        (scratch / "prepared.onnx").unlink(missing_ok=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_model_too_large_for_the_quantizers_is_refused(external, monkeypatch, tmp_path):
    monkeypatch.setattr("crossrt.exporters.quantizers.ort.prepare.MOST_BYTES", 8000)
    with pytest.raises(Exception, match="quantizers take models up to 2 GB"):
        OnnxQuantizer(external, tmp_path).quantize(OnnxDynamic(), tmp_path / "out.onnx")


# quantization


@pytest.fixture
def old_style(save, tmp_path):
    """A convolution and a Gemm with a bias of `(1, n)` in opset 9; all weights are inputs with defaults, too."""
    generator = np.random.default_rng(0)
    weights = [
        array("kernel", generator.normal(size=(8, 3, 3, 3))),
        array("bias", generator.normal(size=8)),
        array("dense", generator.normal(size=(8, 5))),
        array("offset", generator.normal(size=(1, 5))),
    ]
    nodes = [
        node("Conv", ["x", "kernel", "bias"], ["conv"]),
        node("GlobalMaxPool", ["conv"], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        node("Gemm", ["flat", "dense", "offset"], ["y"]),
    ]
    inputs = [value("x", [2, 3, 8, 8]), *(value(each.name, list(each.dims)) for each in weights)]
    return save(nodes, inputs, [value("y", [2, 5])], weights, opset=9)


@pytest.mark.parametrize("quant_format", ["qdq", "qoperator"])
def test_old_files_are_quantized_per_channel(old_style, tmp_path, make_calibration, quant_format):
    import onnxruntime

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    images = np.random.default_rng(1).normal(size=(31, 3, 8, 8)).astype(np.float32)
    calibration = make_calibration(images, inspect_model(old_style).inputs)
    recipe = OnnxStatic(quant_format=quant_format, per_channel=True)
    OnnxQuantizer(old_style, scratch, calibration).quantize(recipe, scratch / "out.onnx")
    exact, found = (
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": images[:2]})[0]
        for path in (old_style, scratch / "out.onnx")
    )
    assert np.abs(found - exact).max() < 0.1 * np.abs(exact).max()
    assert inspect_model(scratch / "out.onnx").quantization.granularity == "per-channel"


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (OnnxStatic(per_channel=True), ("static", "qdq", "uint8", "int8", "per-channel", True)),
        (OnnxStatic(activation_type="int8"), ("static", "qdq", "int8", "int8", "per-tensor", True)),
        (OnnxStatic(activation_type="uint16"), ("static", "qdq", "uint16", "int8", "per-tensor", True)),
        (OnnxStatic(weight_type="int4"), ("static", "qdq", "uint8", "int4", "per-tensor", True)),
        (OnnxStatic(quant_format="qoperator"), ("static", "qoperator", "uint8", "int8", "per-tensor", True)),
        (
            OnnxStatic(quant_format="qoperator", per_channel=True),
            ("static", "qoperator", "uint8", "int8", "per-channel", True),
        ),
        (OnnxDynamic(), ("dynamic", "qoperator", "uint8", "uint8", "per-tensor", False)),
        (OnnxWeightOnly(), ("weight-only", "qoperator", None, "int4", "per-block", True)),
        (
            OnnxWeightOnly(bits=8, weight_symmetric=False),
            ("weight-only", "qoperator", None, "uint8", "per-block", False),
        ),
        (OnnxFloat16(), ("float16", "onnx", "float16", "float16", "per-tensor", True)),
    ],
)
def test_how_a_file_is_quantized_is_read_from_it(network, tmp_path, make_calibration, images, recipe, expected):
    OnnxQuantizer(network(), tmp_path, make_calibration(images(20))).quantize(recipe, tmp_path / "out.onnx")
    found = inspect_model(tmp_path / "out.onnx")
    how = found.quantization
    assert (
        how.scheme,
        how.representation,
        how.activation_type,
        how.weight_type,
        how.granularity,
        how.symmetric_weights,
    ) == expected
    assert found.role == ("float" if how.scheme == "float16" else "quantized")


def test_a_float_file_is_not_quantized(network):
    found = inspect_model(network())
    assert (found.quantization, found.role) == (None, "float")


# damage


@pytest.mark.parametrize("content", [b"\x08\x0a\x12 not a model", b"\xff" * 100, b"onnx"])
def test_a_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        inspect_model(tmp_path / "net.onnx")
    assert str(tmp_path / "net.onnx") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_short_is_damaged(network, tmp_path):
    content = network().read_bytes()
    (tmp_path / "short.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="is not an ONNX model, or damaged"):
        inspect_model(tmp_path / "short.onnx")


def test_known_domains_are_those_that_onnx_runtime_brings():
    assert {"", "com.microsoft", "ai.onnx.ml"} <= onnx_inspection.KNOWN_DOMAINS
