"""Compares the scales of two files made by one training, in a process of its own: `-m crossrt.analysis.same_scales`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from crossrt.analysis.audit.record import Stored
from crossrt.core.events import EventStream, read_job
from crossrt.exporters.training.qat.trained import (
    Layout,
    Role,
    TrainedTensor,
    integers_sha256,
    read_trained,
    step_number,
)

UINT8_SHIFT = 128
_ONNX_NAMES: Mapping[Role, str] = {"activation": "output", "weight": "kernel", "bias": "bias"}
_CHANNELS_LAST: Mapping[str, Mapping[Layout, Callable[[NDArray[np.int64]], NDArray[np.int64]]]] = {
    "onnx": {
        "convolution": lambda array: array.transpose(2, 3, 1, 0),
        "depthwise": lambda array: array[:, 0].transpose(1, 2, 0),
        "dense": lambda array: array.T,
    },
    "tflite": {
        "convolution": lambda array: array.transpose(1, 2, 3, 0),
        "depthwise": lambda array: array[0],
        "dense": lambda array: array.T,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SameScalesJob:
    """What to compare.

    Attributes:
        trained: What the training found.
        onnx: The ONNX file.
        tflite: The TFLite file.
        folder: A scratch folder.
        samples: An npz of samples by input name, on which every layer is compared, or None.
        fake: An npz of what the fake-quantized model computes of them, or None.
    """

    trained: str
    onnx: str
    tflite: str
    folder: str
    samples: str | None = None
    fake: str | None = None


class ComparedTensor(Struct, frozen=True, kw_only=True):
    """A tensor of the trained network, and what both files have.

    Attributes:
        step: The layer.
        role: What it is.
        scales: As trained.
        zero_point: As trained, int8; the uint8 of an ONNX file is 128 more.
        onnx: Its name in the ONNX file, or None where it is not there.
        tflite: Its name in the TFLite file.
        difference: What differs, or None where all is equal to the last bit.
    """

    step: str
    role: Role
    scales: tuple[float, ...]
    zero_point: int
    onnx: str | None
    tflite: str | None
    difference: str | None


class Spread(Struct, frozen=True, kw_only=True):
    """How far the integers of a layer are apart in two computations.

    Attributes:
        one: Who computed: `fake quantization`, `onnx` or `tflite`.
        other: Who else.
        off_by_one: Share of the values that differ by one step.
        off_by_more: Share that differs by more.
        most: Largest difference, in steps.
        arising: Values that differ in samples in which all that the layer takes is equal.
    """

    one: str
    other: str
    off_by_one: float
    off_by_more: float
    most: int
    arising: int


class LayerSteps(Struct, frozen=True, kw_only=True):
    """A layer.

    Attributes:
        step: Its name.
        values: How many were compared.
        spreads: For each two that computed it.
        reason: Why differences arise here, in words; None where none do.
    """

    step: str
    values: int
    spreads: tuple[Spread, ...]
    reason: str | None = None

    @property
    def differs(self) -> bool:
        """True if not all values are equal."""
        return any(each.most for each in self.spreads)


def compare(
    trained: Sequence[TrainedTensor], onnx: Sequence[Stored], tflite: Sequence[Stored]
) -> Iterator[ComparedTensor]:
    """Every trained tensor, then scales of the files that nothing trained has."""
    used: set[int] = set()
    for tensor in trained:
        found = {"onnx": _in_onnx(tensor, onnx), "tflite": _in_tflite(tensor, tflite)}
        used |= {id(each) for candidates in found.values() for each in candidates}
        differences, names = [], {}
        for form, candidates in found.items():
            best = next((each for each in candidates if _difference(tensor, each, form) is None), None)
            best = best or next(iter(candidates), None)
            names[form] = best.name if best else None
            if best is not None and (difference := _difference(tensor, best, form)) is not None:
                differences.append(f"{form}: {difference}")
            elif best is None and tensor.is_own:
                differences.append(f"{form}: not there")
        yield _compared(tensor, names, "; ".join(differences) or None)
    # an operator that stays in float may have integer kernels in TFLite, with scales that they prescribe
    quantized = {None} | {each.number for each in trained if each.kind != "Island"}
    known = {(np.float32(each.scales[0]), each.zero_point) for each in trained if each.role == "activation"}
    for form, stored in (("onnx", onnx), ("tflite", tflite)):
        for each in stored:
            is_inner = form == "tflite" and step_number(each.name) not in quantized
            if id(each) not in used and not is_inner and (each.role != "activation" or _affine(each) not in known):
                yield _foreign(each, form)


def _in_onnx(tensor: TrainedTensor, stored: Sequence[Stored]) -> list[Stored]:
    name = f"{tensor.step}/{_ONNX_NAMES[tensor.role]}"
    return [each for each in stored if each.role == tensor.role and each.name == name]


def _in_tflite(tensor: TrainedTensor, stored: Sequence[Stored]) -> list[Stored]:
    """By the name of a tensor, which says its step; a bias of zeros has no such name, but its weight has."""
    found = []
    for each in stored:
        number = step_number(each.name)
        if number is None and each.role == "bias":
            number = step_number(each.weight or "")
        if each.role == tensor.role and number == tensor.number:
            found.append(each)
    return found


def _affine(stored: Stored) -> tuple[np.float32, int]:
    shift = UINT8_SHIFT if stored.dtype == "uint8" else 0
    return np.float32(stored.affine.scale.reshape(-1)[0]), int(stored.affine.zero_point.reshape(-1)[0]) - shift


def _difference(tensor: TrainedTensor, stored: Stored, form: str) -> str | None:
    scales = np.asarray(tensor.scales, np.float32)
    found = stored.affine.scale.reshape(-1)
    if found.shape != scales.shape:
        return f"{found.size} scales, {scales.size} expected"
    if (wrong := np.flatnonzero(found != scales)).size:
        place = int(wrong[0])
        return f"{wrong.size} scales differ, such as {found[place]:.9g} for {scales[place]:.9g}"
    if (zero_point := _affine(stored)[1]) != tensor.zero_point:
        return f"zero point {zero_point}, {tensor.zero_point} expected"
    if tensor.sha256 is not None and stored.integers is not None:
        integers = stored.integers.astype(np.int64)
        if tensor.layout is not None:
            integers = _CHANNELS_LAST[form][tensor.layout](integers)
        if integers_sha256(integers) != tensor.sha256:
            return "other integers"
    return None


def _compared(tensor: TrainedTensor, names: Mapping[str, str | None], difference: str | None) -> ComparedTensor:
    return ComparedTensor(
        step=tensor.step,
        role=tensor.role,
        scales=tensor.scales,
        zero_point=tensor.zero_point,
        onnx=names["onnx"],
        tflite=names["tflite"],
        difference=difference,
    )


def _foreign(stored: Stored, form: str) -> ComparedTensor:
    scale, zero_point = _affine(stored)
    return ComparedTensor(
        step=stored.name,
        role=stored.role,
        scales=(float(scale),),
        zero_point=zero_point,
        onnx=stored.name if form == "onnx" else None,
        tflite=stored.name if form == "tflite" else None,
        difference=f"{form}: a scale that was not trained",
    )


def _run(job: SameScalesJob, events: EventStream) -> None:
    from crossrt.analysis.audit.onnx_reading import read_onnx
    from crossrt.analysis.audit.tflite_file import open_tflite, stored_in_tflite
    from crossrt.analysis.onnx_graph import Graph

    onnx, tflite = read_onnx(Graph.load(Path(job.onnx))), stored_in_tflite(open_tflite(Path(job.tflite)))
    trained = read_trained(Path(job.trained))
    found = list(compare(trained, onnx, tflite))
    events.send("compared", found=msgspec.to_builtins(found), layers=msgspec.to_builtins(_layers(job, trained)))


def _layers(job: SameScalesJob, trained: Sequence[TrainedTensor]) -> list[LayerSteps]:
    """Every layer on some samples; none where there are no samples."""
    from crossrt.analysis.layer_steps import layer_steps

    if job.samples is None:
        return []
    fake = None if job.fake is None else _arrays(job.fake)
    files = Path(job.onnx), Path(job.tflite)
    return list(layer_steps(trained, *files, _arrays(job.samples), fake, Path(job.folder)))


def _arrays(path: str) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def main() -> int:
    """Reads a job and compares."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _run(read_job(sys.stdin, SameScalesJob), events))


if __name__ == "__main__":
    sys.exit(main())
