"""Turns scikit-learn models into ONNX files with skl2onnx, out of its wheel: make_sklearn_models.py WHEEL FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(folder: Path) -> None:
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(x, y)
    for name, zipmap in (("zipmap", True), ("columns", "columns")):
        converted = to_onnx(model, x[:1], options={id(model): {"zipmap": zipmap}})
        (folder / f"{name}.onnx").write_bytes(converted.SerializeToString())
    np.savez(folder / "iris.npz", X=x, labels=y)
    np.savez(folder / "answers.npz", accuracy=model.score(x, y))


if __name__ == "__main__":
    main(Path(sys.argv[2]))
