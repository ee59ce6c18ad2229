"""Training on TensorFlow: graphs with input signatures, and variables that are changed in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from crossrt.exporters.training.engine import Change, Work


def make_deterministic() -> None:
    """See `Engine`."""
    tf.config.experimental.enable_op_determinism()


def compiled(work: Callable[..., Any], variables: Sequence[Any], signature: Sequence[Any]) -> Callable[..., Any]:
    """See `Engine`; a graph finds its variables by itself."""
    del variables
    found: Callable[..., Any] = tf.function(work, input_signature=_specs(signature))
    return found


def training_step(
    work: Work, model: Any, optimizer: Any, change: Change, signature: Sequence[Any]
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """See `Engine`."""

    def step(inputs: Any, labels: Any) -> tuple[Any, Any]:
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            loss, measure = work(inputs, labels)
        gradients = tape.gradient(loss, [each.value for each in variables])
        optimizer.apply(change(gradients, variables), variables)
        return loss, measure

    found: Callable[[Any, Any], tuple[Any, Any]] = tf.function(step, input_signature=_specs(signature))
    return found


def _specs(signature: Sequence[Any]) -> list[Any]:
    """Lists stay lists; a shape with its dtype becomes what TensorFlow takes."""
    return [_specs(each) if isinstance(each, list) else tf.TensorSpec(*each) for each in signature]
