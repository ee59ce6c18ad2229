"""Training on PyTorch: one operation after the other, and variables that are changed in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import torch

from crossrt.exporters.training.engine import Change, Work


def make_deterministic() -> None:
    """See `Engine`."""
    torch.use_deterministic_algorithms(True)


def compiled(work: Callable[..., Any], variables: Sequence[Any], signature: Sequence[Any]) -> Callable[..., Any]:
    """See `Engine`; nothing is compiled."""
    del variables, signature

    def run(*arguments: Any) -> Any:
        with torch.no_grad():
            return work(*_tensors(arguments))

    return run


def training_step(
    work: Work, model: Any, optimizer: Any, change: Change, signature: Sequence[Any]
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """See `Engine`."""
    del signature

    def step(inputs: Any, labels: Any) -> tuple[Any, Any]:
        variables = model.trainable_variables
        loss, measure = work(*_tensors((inputs, labels)))
        gradients = torch.autograd.grad(loss, [each.value for each in variables], allow_unused=True)
        with torch.no_grad():
            optimizer.apply(change(gradients, variables), variables)
        return loss.detach(), measure.detach()

    return step


def _tensors(arguments: Sequence[Any]) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_tensor, arguments)
