"""What needs more than float32 arithmetic: bits of a number, and quotients that are rounded once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
from keras import ops

from crossrt.exporters.training.qat.grid import SMALLEST_SCALE, UPWARDS


def upwards(scale: Any) -> Any:
    """`grid.coarse`: the next number upwards with 16 significant bits."""
    bits = ops.view(ops.maximum(scale, SMALLEST_SCALE), "int32")
    return ops.view(ops.bitwise_and(bits + UPWARDS, -256), "float32")


def nearest_integers(dividend: Any, divisor: Any) -> Any:
    """Quotients rounded to integers, half to even, as float32; divided in float64."""
    with _double():
        return ops.cast(ops.round(ops.cast(dividend, "float64") / ops.cast(divisor, "float64")), "float32")


def _double() -> AbstractContextManager[Any]:
    """Within it there is float64; JAX has none otherwise."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    found: AbstractContextManager[Any] = jax.enable_x64(True)
    return found
