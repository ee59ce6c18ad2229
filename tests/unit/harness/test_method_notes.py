"""What `quantize` and `methods` say of files whose method could not do all that it is asked for."""

from __future__ import annotations

from crossrt.core.artifact import Quantization
from crossrt.harness.build.recipes import method_notes


def made(rounding, *issues):
    return Quantization(
        scheme="static",
        representation="qdq",
        activation_type="uint8",
        weight_type="int8",
        granularity="per-channel",
        known_issues=issues,
        recipe={"weight_rounding": rounding},
    )


def test_a_file_with_layers_outside_of_blocks_is_noted_and_no_other():
    files = {
        "a.onnx": made("brecq", "rounds conv layer by layer"),
        "b.onnx": made("brecq"),
        "c.onnx": made("nearest", "Relu is removed"),
        "fp32.onnx": None,
    }
    assert method_notes(files) == ["a.onnx: rounds conv layer by layer"]
