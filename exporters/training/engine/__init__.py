"""A step of a training, and functions without gradients, on the backend that Keras runs on.

Backends differ in how gradients are taken and in who holds the state: TensorFlow and PyTorch change variables in place,
functions of JAX take values and give new ones. All else is written once, in `keras.ops`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, Protocol, TypeAlias

from crossrt.core.install import Backend
from crossrt.exporters.errors import ExportError

Shape: TypeAlias = tuple[tuple[int | None, ...], str]
"""Of an argument, with the batch, and its dtype."""
Work: TypeAlias = Callable[[Any, Any], tuple[Any, Any]]
"""From inputs and labels to the mean loss and the sum of a measure; it may assign to variables of the model."""
Change: TypeAlias = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]
"""From gradients and their variables to what the optimizer is given."""
_MODULES: Final[dict[Backend, str]] = {"tensorflow": "on_tensorflow", "jax": "on_jax", "torch": "on_torch"}


class Engine(Protocol):
    """What is written for each backend."""

    @staticmethod
    def make_deterministic() -> None:
        """Makes a training give the same numbers each time, on the same machine."""

    @staticmethod
    def compiled(work: Callable[..., Any], variables: Sequence[Any], signature: Sequence[Any]) -> Callable[..., Any]:
        """A function without gradients.

        Args:
            work: From tensors to tensors; it may assign to the variables.
            variables: What it reads.
            signature: A `Shape`, or a list of them, for each argument.
        """

    @staticmethod
    def training_step(
        work: Work, model: Any, optimizer: Any, change: Change, signature: Sequence[Any]
    ) -> Callable[[Any, Any], tuple[Any, Any]]:
        """A function that takes a step of a training, and gives what the work gave.

        Args:
            work: What the loss is.
            model: Whose variables are trained.
            optimizer: A Keras optimizer that is built for them.
            change: Made to the gradients.
            signature: As for `compiled`.
        """


@cache
def engine() -> Engine:
    """That of the backend on which Keras runs.

    Raises:
        ExportError: It trains nothing.
    """
    import keras

    name = keras.backend.backend()
    if name not in _MODULES:
        raise ExportError(
            f"Keras runs on {name}, which trains nothing: set KERAS_BACKEND to one of {', '.join(_MODULES)}"
        )
    found: Any = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    return found  # type: ignore[no-any-return]
