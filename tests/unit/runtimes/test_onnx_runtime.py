"""ONNX Runtime's adapter on files that the conformance suite leaves out: text, broken files, failing runs, profiles."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.core.artifact import ModelArtifact, sha256_of
from crossrt.core.tensor import Batching, TensorSpec
from crossrt.runtimes.conformance.plugin import MODELS
from crossrt.runtimes.conformance.samples import artifacts_in
from crossrt.runtimes.errors import ModelRefusedError, RunFailedError
from crossrt.runtimes.ort.adapter import OrtCpu
from crossrt.runtimes.protocol import SessionOptions

node = helper.make_node


def spec(name, dtype, *shape):
    return TensorSpec(name=name, dtype=dtype, shape=shape)


@pytest.fixture
def artifact_of(tmp_path):
    """`artifact_of(nodes, inputs, outputs, **weights)` writes an ONNX file with a batch named `batch`."""

    def artifact_of(nodes, inputs, outputs, *, domain=None, **weights):
        values = [[_value(each) for each in specs] for specs in (inputs, outputs)]
        stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
        opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
        model = helper.make_model(helper.make_graph(nodes, "g", *values, stored), ir_version=10, opset_imports=opsets)
        onnx.save(model, path := tmp_path / "model.onnx")
        return ModelArtifact(
            model="m",
            variant="v",
            format="onnx",
            path=path,
            sha256=sha256_of(path),
            size_bytes=path.stat().st_size,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            batching=Batching(dimension="batch", axes={each.name: 0 for each in inputs}),
            role="float",
            quantization=None,
            producer={},
            source_sha256="0" * 64,
        )

    return artifact_of


def _value(each):
    dtype = TensorProto.STRING if each.dtype == "str" else helper.np_dtype_to_tensor_dtype(np.dtype(each.dtype))
    return helper.make_tensor_value_info(each.name, dtype, each.shape)


@pytest.fixture
def lookup(artifact_of):
    """A model that looks rows up in a table with as many rows as are asked for."""

    def lookup(rows):
        nodes = [node("Gather", ["table", "x"], ["y"])]
        weights = {"table": np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)}
        return artifact_of(nodes, [spec("x", "int64", "batch")], [spec("y", "float32", "batch", 2)], **weights)

    return lookup


def prepare(artifact, **options):
    return OrtCpu().prepare(artifact, SessionOptions(**options))


@pytest.mark.parametrize("io", ["float32", "native"])
def test_text_is_taken_and_given(artifact_of, io):
    nodes = [node("Concat", ["x", "x"], ["y"], axis=0)]
    artifact = artifact_of(nodes, [spec("x", "str", "batch")], [spec("y", "str", "twice")])
    with prepare(artifact, batch_size=2, io=io) as session:
        y = session.run({"x": np.array(["a", "long word"])})["y"]
        assert y.dtype.kind == "U"
        assert y.tolist() == ["a", "long word"] * 2
        assert session.executed_operators() == ("Concat",)


def test_an_index_that_is_out_of_range_fails_in_one_line(lookup):
    with prepare(lookup(3)) as session, pytest.raises(RunFailedError) as failed:
        session.run({"x": np.array([7])})
    assert str(failed.value).startswith("model.onnx was loaded and cannot be run: ")
    assert "idx=7 must be within" in str(failed.value)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_profile_uses_indices_that_the_model_has(lookup, rows):
    with prepare(lookup(rows)) as session:
        assert session.executed_operators() == ("Gather",)
        assert [kernel.operator for kernel in session.profile(2).kernels] == ["Gather"]


def test_a_model_that_fails_on_made_up_feeds_has_no_profile(artifact_of):
    nodes = [node("Reshape", ["values", "x"], ["y"])]
    values = np.zeros(6, np.float32)
    artifact = artifact_of(nodes, [spec("x", "int64", "batch")], [spec("y", "float32", None, None)], values=values)
    with prepare(artifact, batch_size=2) as session:
        assert session.executed_operators() is None
        assert session.profile(2) is None


def test_a_profile_uses_the_feeds_that_were_run_last(artifact_of):
    nodes = [node("Reshape", ["values", "x"], ["y"])]
    values = np.zeros(6, np.float32)
    artifact = artifact_of(nodes, [spec("x", "int64", "batch")], [spec("y", "float32", None, None)], values=values)
    with prepare(artifact, batch_size=2) as session:
        assert session.run({"x": np.array([2, 3])})["y"].shape == (2, 3)
        assert session.executed_operators() == ("Reshape",)


def test_weights_that_are_missing_beside_the_file_are_named(tmp_path):
    artifact = next(each for each in artifacts_in(MODELS) if each.data_files and each.format == "onnx")
    (tmp_path / "model.onnx").write_bytes(artifact.path.read_bytes())
    with pytest.raises(ModelRefusedError, match=r"weights\.bin"):
        prepare(replace(artifact, path=tmp_path / "model.onnx"))


def test_kernels_inside_a_branch_take_the_place_of_the_branch(artifact_of):
    def branch(operator):
        made = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
        return helper.make_graph([node(operator, ["x"], ["z"])], operator, [], [made])

    nodes = [
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Greater", ["sum", "zero"], ["flag"]),
        node("If", ["flag"], ["y"], then_branch=branch("Exp"), else_branch=branch("Neg")),
    ]
    zero = np.float32(0)
    artifact = artifact_of(nodes, [spec("x", "float32", "batch", 3)], [spec("y", "float32", "batch", 3)], zero=zero)
    with prepare(artifact) as session:
        profile = session.profile(5)
    operators = [kernel.operator for kernel in profile.kernels]
    assert "Exp" in operators
    assert "If" not in operators
    assert sum(kernel.duration_ns for kernel in profile.kernels) <= profile.call_ns


def test_an_operator_that_it_does_not_know_is_named_in_one_line(artifact_of):
    nodes = [node("Mystery", ["x"], ["y"], domain="com.example")]
    artifact = artifact_of(
        nodes, [spec("x", "float32", "batch")], [spec("y", "float32", "batch")], domain="com.example"
    )
    with pytest.raises(ModelRefusedError) as refused:
        prepare(artifact)
    assert str(refused.value).startswith("ONNX Runtime cannot load model.onnx: ")
    assert "Mystery" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (spec("x", "int32", "batch"), "takes x int64 (1); its record says x int32 (1,)"),
        (spec("x", "int64", "batch", 1), "takes x int64 (1); its record says x int64 (1, 1)"),
        (spec("x", "int64", 5), "takes x int64 (1); its record says x int64 (5,)"),
    ],
)
def test_a_record_that_says_another_dtype_or_shape_is_refused(lookup, said, found):
    artifact = replace(lookup(3), inputs=(said,))
    with pytest.raises(ModelRefusedError) as refused:
        prepare(artifact)
    assert str(refused.value) == f"model.onnx {found}: it was replaced or its record is wrong; inspect it again"


def test_only_the_outputs_of_the_record_are_computed(artifact_of):
    nodes = [node("Neg", ["x"], ["y"]), node("Exp", ["x"], ["z"])]
    inputs, outputs = [spec("x", "float32", "batch")], [spec("y", "float32", "batch"), spec("z", "float32", "batch")]
    artifact = artifact_of(nodes, inputs, outputs)
    with prepare(replace(artifact, outputs=artifact.outputs[:1])) as session:
        assert session.run({"x": np.ones(1, np.float32)}).keys() == {"y"}


def test_dtypes_that_numpy_does_not_have_are_unsupported(lookup):
    artifact = replace(lookup(3), outputs=(spec("y", "bfloat16", "batch", 2),))
    reason = OrtCpu().unsupported_reason(artifact, SessionOptions())
    assert reason == "does not support bfloat16, the dtype of the output y"
