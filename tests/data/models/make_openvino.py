"""Writes the conformance models of OpenVINO's own format: those of ONNX, converted. `python make_openvino.py`."""

from __future__ import annotations

import json
import shutil

import openvino
from writing import CONFORMANCE

from crossrt.core.artifact import sha256_of

FILES = ("model.xml", "model.bin")


def main() -> None:
    """Converts every ONNX model; samples and answers stay what they are."""
    core = openvino.Core()
    for source in sorted(CONFORMANCE.glob("*.onnx")):
        target = source.with_suffix(".openvino-ir")
        target.mkdir(exist_ok=True)
        openvino.save_model(core.read_model(source / "model.onnx"), target / FILES[0], compress_to_fp16=False)
        record = json.loads((source / "artifact.json").read_text(encoding="utf-8"))
        record |= {
            "format": "openvino-ir",
            "path": FILES[0],
            "sha256": sha256_of(*(target / name for name in FILES)),
            "size_bytes": sum((target / name).stat().st_size for name in FILES),
            "data_files": [FILES[1]],
            "producer": {"openvino": openvino.__version__.split("-")[0]},
        }
        (target / "artifact.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        for name in ("inputs.npz", "outputs.npz"):
            shutil.copyfile(source / name, target / name)


if __name__ == "__main__":
    main()
