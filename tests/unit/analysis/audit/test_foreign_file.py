"""A file that ONNX Runtime's own quantizer made of MatMul and Add that nothing joined before."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from crossrt.analysis.audit.record import AuditJob
from crossrt.analysis.audit.run import audit
from crossrt.datasets.opening import DataRequest

SAMPLES = np.random.default_rng(0).random((60, 8), dtype=np.float32)


class Reader(CalibrationDataReader):
    def __init__(self, count: int) -> None:
        self.waiting = iter([{"x": SAMPLES[:count]}])

    def get_next(self):
        return next(self.waiting, None)


@pytest.fixture
def job(tmp_path):
    """`job(count)`: a file that the first samples calibrated, with all samples."""
    random = np.random.default_rng(1)
    values = {"w": (8, 6), "b": (6,), "v": (6, 3), "c": (3,)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"], name="fc"),
        helper.make_node("Add", ["p", "b"], ["a"], name="fc_add"),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "v"], ["q"], name="last"),
        helper.make_node("Add", ["q", "c"], ["y"], name="last_add"),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", k]) for n, k in (("x", 8), ("y", 3))]
    constants = [numpy_helper.from_array(random.normal(0, 0.5, s).astype(np.float32), n) for n, s in values.items()]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], constants)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    np.savez(tmp_path / "train.npz", x=SAMPLES)

    def make(count: int) -> AuditJob:
        quantize_static(path, tmp_path / "net.int8.onnx", Reader(count))
        data = dataclasses.asdict(DataRequest(reference=str(tmp_path / "train.npz")))
        (tmp_path / "scratch").mkdir()
        return AuditJob(
            path=str(tmp_path / "net.int8.onnx"),
            format="onnx",
            folder=str(tmp_path / "scratch"),
            float_path=str(path),
            data=data,
        )

    return make


def test_ranges_inside_those_of_more_samples_are_doubtful_and_not_wrong(job):
    found = audit(job(20))
    verdicts = {each.verdict for each in found.tensors}
    assert "narrower" in verdicts
    assert "different" not in verdicts
    check = found.checks[-1]
    assert (check.name, check.severity) == ("calibration samples", "caution")
    assert "the very samples" in check.findings[0].expected


def test_biases_behind_a_matmul_are_biases_and_their_8_bits_are_doubtful(job):
    found = audit(job(60))
    roles = {each.name: each.role for each in found.tensors}
    assert {name: roles[name] for name in "wbvc"} == {"w": "weight", "b": "bias", "v": "weight", "c": "bias"}
    assert {each.verdict for each in found.tensors} <= {"exact", "rounding"}
    checks = {each.name: each for each in found.checks}
    assert checks["weights"].text.startswith("2 int8")
    (finding,) = checks["biases behind MatMul"].findings
    assert finding.severity == "caution"
    assert "in 2 of 2 the sums are quantized before it is added" in finding.found
    assert "calibration samples" not in checks
