"""From an artifact and session options to the tensors of a session."""

from dataclasses import replace
from pathlib import Path

import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import Batching, TensorSpec
from crossrt.runtimes.errors import OptionRefusedError
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.specs import as_shown, bound_dimensions, session_specs, unsupported


def spec(name, dtype, *shape, **quantization):
    return TensorSpec(name=name, dtype=dtype, shape=shape, **quantization)


TEXT = ModelArtifact(
    model="encoder",
    variant="fp16",
    format="onnx",
    path=Path("encoder.onnx"),
    sha256="0" * 64,
    size_bytes=1,
    inputs=(spec("tokens", "int64", "N", "sequence"), spec("state", "float16", 2, "N", "state[2]")),
    outputs=(spec("hidden", "float16", "N", "sequence", "frames", None),),
    batching=Batching(dimension="N", axes={"tokens": 0, "state": 1}),
    role="float",
    quantization=None,
    producer={},
    source_sha256="0" * 64,
)
FIXED = replace(TEXT, inputs=(spec("x", "float32", 4, 6),), batching=Batching(size=4, axes={"x": 0}))
BOUND = SessionOptions(batch_size=3, dimensions={"sequence": 9, "state[2]": 5})


def shapes(specs):
    return [each.shape for each in specs]


def test_the_batch_and_other_dimensions_are_bound_wherever_they_stand():
    specs = session_specs(TEXT, BOUND)
    assert shapes(specs.inputs) == shapes(specs.own_inputs) == [(3, 9), (2, 3, 5)]


def test_dimensions_of_outputs_that_only_a_run_can_tell_stay():
    assert shapes(session_specs(TEXT, BOUND).outputs) == [(3, 9, "frames", None)]


def test_float32_mode_shows_floats_as_float32_and_leaves_indices():
    specs = session_specs(TEXT, BOUND)
    assert [each.dtype for each in (*specs.inputs, *specs.outputs)] == ["int64", "float32", "float32"]
    assert [each.dtype for each in (*specs.own_inputs, *specs.own_outputs)] == ["int64", "float16", "float16"]


def test_native_mode_shows_what_the_file_takes():
    specs = session_specs(TEXT, replace(BOUND, io="native"))
    assert specs.inputs == specs.own_inputs
    assert specs.outputs == specs.own_outputs


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
def test_quantized_integers_are_shown_as_float32(dtype):
    shown = as_shown(spec("x", dtype, 1, scale=0.1, zero_point=3), "float32")
    assert (shown.dtype, shown.scale, shown.zero_point) == ("float32", None, None)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool", "str"])
def test_what_is_not_a_real_number_is_shown_as_it_is(dtype):
    assert as_shown(spec("x", dtype, 1), "float32") == spec("x", dtype, 1)


def test_a_dimension_without_a_size_is_named_with_its_option():
    with pytest.raises(OptionRefusedError) as refused:
        session_specs(TEXT, SessionOptions(dimensions={"state[2]": 5}))
    assert str(refused.value) == (
        "encoder.fp16.onnx has the dynamic dimension sequence (inputs: tokens int64 (N, sequence);"
        " state float16 (2, N, state[2])): give its size with --dim sequence=SIZE"
    )


def test_several_dimensions_without_a_size_are_named_together():
    with pytest.raises(OptionRefusedError, match=r"--dim sequence=SIZE --dim state\[2\]=SIZE"):
        session_specs(TEXT, SessionOptions())


def test_a_dimension_without_a_name_is_called_by_its_tensor_and_axis():
    unnamed = replace(TEXT, inputs=(spec("x", "float32", "N", None),), batching=Batching(dimension="N", axes={"x": 0}))
    with pytest.raises(OptionRefusedError, match=r"--dim x\[1\]=SIZE"):
        session_specs(unnamed, SessionOptions())
    assert shapes(session_specs(unnamed, SessionOptions(dimensions={"x[1]": 7})).inputs) == [(1, 7)]


def test_dimensions_that_the_model_does_not_have_are_left_aside():
    assert session_specs(FIXED, SessionOptions(batch_size=4, dimensions={"sequence": 9})).inputs == FIXED.inputs


def test_the_batch_dimension_may_be_given_twice_but_not_twice_differently():
    assert bound_dimensions(TEXT, SessionOptions(batch_size=3, dimensions={"N": 3})) == {"N": 3}
    with pytest.raises(OptionRefusedError, match=r"N is the batch dimension of encoder\.fp16\.onnx: its size 2"):
        session_specs(TEXT, replace(BOUND, dimensions={**BOUND.dimensions, "N": 2}))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_fixed_batch_refuses_other_sizes(batch_size):
    options = SessionOptions(batch_size=batch_size)
    assert f"batch size {batch_size} cannot be run" in unsupported(FIXED, options, formats=["onnx"])
    with pytest.raises(OptionRefusedError, match="use --batch 4"):
        session_specs(FIXED, options)


def test_a_fixed_batch_runs_at_its_own_size():
    assert unsupported(FIXED, SessionOptions(batch_size=4), formats=["onnx"]) is None


def test_another_format_is_named_first():
    assert unsupported(FIXED, SessionOptions(), formats=["tflite"]) == "reads tflite, not onnx"


@pytest.mark.parametrize(("dtype", "said"), [("bfloat16", "bfloat16"), ("str", "text")])
def test_dtypes_that_a_runtime_does_not_take_are_named(dtype, said):
    artifact = replace(FIXED, inputs=(spec("x", dtype, 4, 6),))
    reason = unsupported(artifact, SessionOptions(batch_size=4), formats=["onnx"], dtypes=["float32"])
    assert reason == f"does not support {said}, the dtype of the input x"
