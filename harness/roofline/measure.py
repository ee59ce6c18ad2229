"""The process that measures limits: `python -m crossrt.harness.roofline.measure`, one request in, one answer out.

Products of two large square matrices by packages that are installed, and a copy of arrays that no cache holds. The
fastest of some calls counts: a limit is what can be reached (Williams, Waterman and Patterson 2009, "Roofline", section
3; McCalpin, "STREAM", for counting what a copy reads and writes).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import numpy as np

from crossrt.core.install import install_command
from crossrt.core.parent import die_with_parent

SIZES: Final = (512, 1024)
"""Rows and columns of the matrices: a product reuses each value so often that memory does not count, and the smaller
one is short enough that some calls are not interrupted on a busy machine."""

_LONG_S: Final = 0.6
_FEWEST: Final = 5
_COPIED_BYTES: Final = 192 * 2**20
"""Of each array that is copied: several times what most caches hold."""
_PIECE_BYTES: Final = 6 * 2**20
"""What is timed at once: by the time that a piece is copied again, no cache holds it any more."""

_KINDS: Final = {"onnxruntime": "int8", "openvino": "bf16"}
"""What a package alone measures here."""

Found = dict[str, Any]


def main() -> int:
    """Answers the one request."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    die_with_parent()
    request = json.loads(sys.stdin.readline() or "{}")
    if request.get("cpus"):
        os.sched_setaffinity(0, request["cpus"])
    answers.write(json.dumps(measured(int(request["threads"]))) + "\n")
    answers.flush()
    return 0


def measured(threads: int) -> Found:
    """Peaks, bandwidth, and what could not be measured."""
    peaks, missing = _numpy_peaks(), list[str]()
    for package, measure in (("onnxruntime", _ort_peaks), ("openvino", _openvino_peaks)):
        try:
            peaks += measure(threads)
        except ImportError as error:
            name = error.name or package
            missing.append(f"{_KINDS[package]}, for which {name} is not installed: {install_command(name)}")
        except Exception as error:  # a runtime without one of these kernels raises a class of its own
            missing.append(f"{package}: {' '.join(str(error).split())[:200]}")
    return {"peaks": peaks, "bandwidth_bytes_per_s": _bandwidth(threads), "missing": missing}


def fastest_s(call: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls, the first left out."""
    call()
    best, end, made = float("inf"), time.perf_counter() + _LONG_S, 0
    while made < _FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best, made = min(best, time.perf_counter() - start), made + 1
    return best


def _peak(dtype: str, by: str, size: int, call: Callable[[], object]) -> Found:
    return {"dtype": dtype, "ops_per_s": 2 * size**3 / fastest_s(call), "by": by}


def _square(dtype: str, size: int) -> Any:
    return np.random.default_rng(0).integers(1, 9, (size, size)).astype(dtype)


def _numpy_peaks() -> list[Found]:
    found = []
    for size in SIZES:
        one, other, out = _square("float32", size), _square("float32", size), np.empty((size, size), np.float32)
        found.append(_peak("float32", f"numpy {np.__version__}", size, partial(np.matmul, one, other, out=out)))
    return found


def _product(operator: str, first: str, second: str, result: str, size: int) -> bytes:
    """A model of one product whose right operand is a constant, as weights are."""
    import onnx
    from onnx import helper

    types = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6}
    weights = onnx.numpy_helper.from_array(_square(second, size), "w")
    shape = [size, size]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", types[first], shape)],
        [helper.make_tensor_value_info("y", types[result], shape)],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def _ort_peaks(threads: int) -> list[Found]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    found = []
    for dtype, operator, kinds in (
        ("float32", "MatMul", ("float32", "float32", "float32")),
        ("int8", "MatMulInteger", ("uint8", "int8", "int32")),
    ):
        for size in SIZES:
            content = _product(operator, *kinds, size)
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            call = partial(session.run, None, {"x": _square(kinds[0], size)})
            found.append(_peak(dtype, f"onnxruntime {onnxruntime.__version__}", size, call))
    return found


def _openvino_peaks(threads: int) -> list[Found]:
    import openvino

    core, found = openvino.Core(), []
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    precisions = {"float32": "f32", **({"bfloat16": "bf16"} if "BF16" in capabilities else {})}
    for dtype, precision in precisions.items():
        for size in SIZES:
            model = core.read_model(_product("MatMul", "float32", "float32", "float32", size), b"")
            settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": "1"}
            request = core.compile_model(model, "CPU", settings).create_infer_request()
            request.set_input_tensor(openvino.Tensor(_square("float32", size)))
            by = f"openvino {openvino.__version__.partition('-')[0]}"
            found.append(_peak(dtype, by, size, request.infer))
    return found


def _bandwidth(threads: int) -> float:
    """Bytes a second that a copy reads and writes, piece by piece; the tenth of the fastest pieces counts."""
    source = np.ones(_COPIED_BYTES // 8)
    target = np.zeros_like(source)
    piece, seconds = _PIECE_BYTES // 8, []
    end = time.perf_counter() + 2 * _LONG_S
    with ThreadPoolExecutor(threads) as pool:
        while time.perf_counter() < end:
            for start in range(0, len(source), piece):
                parts = [
                    slice(first, first + piece // threads) for first in range(start, start + piece, piece // threads)
                ]
                began = time.perf_counter()
                if threads == 1:
                    np.copyto(target[parts[0]], source[parts[0]])
                else:
                    list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))
                seconds.append(time.perf_counter() - began)
    return 2 * _PIECE_BYTES / float(np.percentile(seconds, 10))


if __name__ == "__main__":
    sys.exit(main())
