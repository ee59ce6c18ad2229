"""The MNIST digits and three classifiers trained on them: the bundled reference, fully offline."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crossrt.datasets.reference import Reference

REFERENCE: Final = Reference(
    dataset="mnist",
    test_split="test",
    calibration_split="train",
    task="classification",
    folder=Path(__file__).parent / "models",
    models=("mnist-cnn", "mnist-dense", "mnist-separable", "mnist-transformer"),
    architectures=("mnist-cnn", "mnist-dense", "mnist-separable", "mnist-transformer"),
    training="crossrt.datasets.mnist.train",
    training_data=("shipped", "download"),
    epochs=20,
    seed=2,
    is_default=True,
)
