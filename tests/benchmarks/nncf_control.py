"""NNCF's quantization with accuracy control, for `search.py`: run by a Python that has nncf, onnx and onnxruntime.

Arguments: the float file, a folder with `search.npz` and `calibration.npz`, the file to write, the drop as a share.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = os.environ["NNCF_CI"] = "1"
sys.modules["openvino_telemetry"] = None  # what Python documents to make an import fail: no events are sent

import nncf  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402

SUBSET = 300


def main() -> None:
    float_path, folder, target, drop = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    model = onnx.load(float_path)
    (name,) = [each.name for each in model.graph.input]
    with np.load(folder / "calibration.npz") as found:
        calibration = found[next(each for each in found.files if each != "labels")]
    with np.load(folder / "search.npz") as found:
        samples, labels = found[next(each for each in found.files if each != "labels")], found["labels"]

    def validate(candidate, data) -> tuple[float, None]:
        session = onnxruntime.InferenceSession(candidate.SerializeToString(), providers=["CPUExecutionProvider"])
        (output,) = [each.name for each in session.get_outputs()][:1]
        rows = [session.run([output], {name: batch})[0].argmax(axis=-1) for batch in data]
        return float((np.concatenate(rows) == labels).mean()), None

    batches = [samples[start : start + 100] for start in range(0, len(samples), 100)]
    began = time.perf_counter()
    quantized = nncf.quantize_with_accuracy_control(
        model,
        nncf.Dataset(list(calibration[:SUBSET, None]), lambda sample: {name: sample}),
        nncf.Dataset(batches, lambda batch: {name: batch}),
        validate,
        max_drop=drop,
    )
    onnx.save(quantized, target)
    print(f"NNCF {nncf.__version__} in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
