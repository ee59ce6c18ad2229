"""The scales that a training found, in a file: what both model files are compared with, and by which names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
from msgspec import Struct

from crossrt.exporters.errors import ExportError
from crossrt.exporters.tf.serving import plain_names
from crossrt.exporters.training.qat.frozen import Frozen, FrozenStep
from crossrt.exporters.training.qat.graph import Convolution, Dense

TRAINED: Final = "trained.json"
Layout = Literal["convolution", "depthwise", "dense"]
Role = Literal["activation", "weight", "bias"]


class TrainedTensor(Struct, frozen=True, kw_only=True):
    """A tensor of the trained network.

    Attributes:
        step: Name of its step.
        number: Place of the step.
        role: Its result, its kernel or its bias.
        scales: One, or one for each output channel.
        zero_point: As int8.
        is_own: Whether both files must have it: a result may be part of an operator where it shares the range of what
            it takes, and a bias of zeros may be left out.
        layout: How a kernel lies in the files.
        sha256: Hash of the integers of a kernel (output channels last) or a bias.
        kind: What its step computes, for a result.
        inputs: Names of the steps that it takes, for a result.
    """

    step: str
    number: int
    role: Role
    scales: tuple[float, ...]
    zero_point: int
    is_own: bool = True
    layout: Layout | None = None
    sha256: str | None = None
    kind: str = ""
    inputs: tuple[str, ...] = ()


def trained_tensors(frozen: Frozen) -> tuple[TrainedTensor, ...]:
    """Every quantized tensor of a network."""
    return tuple(each for number, step in enumerate(frozen.steps.values()) for each in _tensors(frozen, number, step))


def _tensors(frozen: Frozen, number: int, each: FrozenStep) -> Iterator[TrainedTensor]:
    name = each.step.name
    if each.affine is not None:
        yield TrainedTensor(
            step=name,
            number=number,
            role="activation",
            scales=(each.affine.scale,),
            zero_point=each.affine.zero_point,
            is_own=each.step.range != "same",
            kind=type(each.step.op).__name__,
            inputs=each.step.inputs,
        )
    if each.weights is None:
        return
    source, weights = frozen.source(each.step).affine, each.weights
    assert source is not None
    for role, integers, scales in (
        ("weight", weights.integers, weights.scales),
        ("bias", weights.bias, weights.bias_scales(source)),
    ):
        yield TrainedTensor(
            step=name,
            number=number,
            role="weight" if role == "weight" else "bias",
            scales=tuple(float(scale) for scale in scales),
            zero_point=0,
            is_own=role == "weight" or bool(integers.any()),
            layout=_layout(each.step.op) if role == "weight" else None,
            sha256=integers_sha256(integers),
        )


def _layout(op: object) -> Layout:
    if isinstance(op, Dense):
        return "dense"
    return "depthwise" if isinstance(op, Convolution) and op.is_depthwise else "convolution"


def integers_sha256(integers: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    """Hash of integers, whatever type holds them."""
    return hashlib.sha256(np.ascontiguousarray(integers, dtype=np.int32).tobytes()).hexdigest()


def write_trained(frozen: Frozen, path: Path) -> None:
    """Writes the file."""
    path.write_bytes(msgspec.json.encode(trained_tensors(frozen)))


def read_trained(path: Path) -> tuple[TrainedTensor, ...]:
    """Reads the file.

    Raises:
        ExportError: It is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[TrainedTensor, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise ExportError(f"{path} does not hold the scales of a training ({error})") from error


def scope_of(number: int, name: str) -> str:
    """The scope of a step: names of the file's tensors start with it, and it says which step it is."""
    return f"{plain_names([name])[0]}__{number}"


def step_number(tensor: str) -> int | None:
    """The number of the step that a tensor of the file belongs to, by its name."""
    found = re.match(r"[^/;]+__(\d+)(?:_1)?/", tensor)
    return int(found[1]) if found else None
