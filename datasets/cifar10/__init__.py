"""CIFAR-10: its layouts, residual networks for it, and how they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crossrt.datasets.reference import Reference

REFERENCE: Final = Reference(
    dataset="cifar10",
    test_split="test",
    calibration_split="test",
    task="classification",
    folder=Path(__file__).parent / "models",
    models=(),
    architectures=("cifar-resnet8", "cifar-resnet20", "cifar-resnet18"),
    training="crossrt.exporters.training.run",
    training_data=("download",),
    recipes=("fast", "paper"),
    course="crossrt.datasets.cifar10.course:COURSE",
)
