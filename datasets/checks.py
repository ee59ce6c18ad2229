"""What can be wrong with data that fit: values that are not finite, labels, samples seen before, other ranges."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.tensor import ExpectedRange
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.samples import array_bytes, chunks

RANGE_SAMPLES: Final = 1024
_WIDER: Final = 1.5
"""Test data may reach so many times as far as calibration data before that is worth a word."""

_NARROWER: Final = 20
_FAR_WIDER: Final = 50
"""Data may be so many times as narrow or wide as a first layer expects; single outliers make them wider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonFinite:
    """NaN and infinite values of one input."""

    input: str
    nan: int
    infinite: int
    first_sample: int

    def __str__(self) -> str:
        return (
            f"input {self.input!r} holds {self.nan} NaN and {self.infinite} infinite value(s), first in sample"
            f" {self.first_sample}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Samples of one data set that another one holds as well, byte by byte."""

    count: int
    first: int
    first_in_other: int

    def __str__(self) -> str:
        return (
            f"{self.count} sample(s) are in both data sets, first sample {self.first} (sample {self.first_in_other} of"
            " the other)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRange:
    """Smallest and largest finite value of one input over the samples that were looked at."""

    input: str
    minimum: float
    maximum: float
    samples: int


def nonfinite(dataset: Dataset, limit: int | None = None) -> tuple[NonFinite, ...]:
    """NaN and infinite values, input by input; empty where all are finite.

    Args:
        dataset: What is read, chunk by chunk.
        limit: Look at so many samples, from the first; None for all.
    """
    floats = [name for name, spec in dataset.inputs.items() if spec.dtype.startswith("float")]
    nan, infinite, first = dict.fromkeys(floats, 0), dict.fromkeys(floats, 0), dict.fromkeys(floats, -1)
    for is_first, indices, arrays in _passes(dataset, limit) if floats else ():
        for name in floats:
            if name in dataset.shared and not is_first:
                continue
            bad = ~np.isfinite(arrays[name])
            if not bad.any():
                continue
            missing = int(np.isnan(arrays[name]).sum())
            nan[name] += missing
            infinite[name] += int(bad.sum()) - missing
            if first[name] < 0:
                row = 0 if name in dataset.shared else int(bad.reshape(len(indices), -1).any(axis=1).argmax())
                first[name] = indices[row]
    return tuple(
        NonFinite(input=name, nan=nan[name], infinite=infinite[name], first_sample=first[name])
        for name in floats
        if first[name] >= 0
    )


def overlap(dataset: Dataset, other: Dataset) -> Overlap | None:
    """Samples that two data sets share, found by hashes; None where there are none.

    Arrays go together by name, or in their order where names differ; labels are not looked at.
    """
    if _kinds(dataset) != _kinds(other):
        return None
    known: dict[bytes, int] = {}
    for index, digest in enumerate(sample_hashes(other)):
        known.setdefault(digest, index)
    found = [(index, known[digest]) for index, digest in enumerate(sample_hashes(dataset)) if digest in known]
    return Overlap(count=len(found), first=found[0][0], first_in_other=found[0][1]) if found else None


def sample_hashes(dataset: Dataset) -> Iterator[bytes]:
    """A hash of each sample's inputs, in order."""
    names = _varying(dataset)
    for _, indices, arrays in _passes(dataset, None):
        for row in range(len(indices)):
            digest = hashlib.blake2b(digest_size=16)
            for name in names:
                digest.update(array_bytes(arrays[name][row]))
            yield digest.digest()


def value_ranges(dataset: Dataset, samples: int = RANGE_SAMPLES) -> tuple[ValueRange, ...]:
    """The range of each input of numbers, over samples spread evenly over the data set.

    Args:
        dataset: What is read.
        samples: How many samples to look at, at most.
    """
    count = min(samples, len(dataset))
    chosen = [index * len(dataset) // count for index in range(count)]
    lowest: dict[str, float] = {}
    highest: dict[str, float] = {}
    for run in chunks(dataset, count):
        arrays = dataset.feeds([chosen[position] for position in run])
        for name, array in arrays.items():
            values = array[np.isfinite(array)] if array.dtype.kind == "f" else array
            if array.dtype.kind in "biuf" and values.size:
                lowest[name] = min(lowest.get(name, np.inf), float(values.min()))
                highest[name] = max(highest.get(name, -np.inf), float(values.max()))
    return tuple(
        ValueRange(input=name, minimum=lowest[name], maximum=highest[name], samples=count)
        for name in dataset.inputs
        if name in lowest
    )


def other_ranges(ranges: Sequence[ValueRange], calibration: Sequence[ValueRange]) -> tuple[str, ...]:
    """A sentence for each input whose range is far from that of the calibration data; empty where all are alike."""
    known = {each.input: each for each in calibration}
    return tuple(
        f"input {each.input!r} lies in {each.minimum:.4g} to {each.maximum:.4g}, but the calibration data in"
        f" {known[each.input].minimum:.4g} to {known[each.input].maximum:.4g}: are both scaled alike?"
        for each in ranges
        if each.input in known and _differ(each, known[each.input])
    )


def unexpected_ranges(
    ranges: Sequence[ValueRange], expected: Sequence[ExpectedRange], arrays: Mapping[str, str]
) -> tuple[str, ...]:
    """A sentence for each input whose values are far from those that the model's first layer expects.

    Args:
        ranges: Of a data set.
        expected: By the model.
        arrays: For each input of the model: the name of the data set's array.
    """
    known = {each.input: each for each in ranges}
    return tuple(
        f"input {each.input!r} lies in {found.minimum:.4g} to {found.maximum:.4g}, but the model's first layer"
        f" ({each.because}) expects values such as {each.minimum:.4g} to {each.maximum:.4g}: {_advice(found, each)}"
        for each in expected
        if (found := known.get(arrays.get(each.input, each.input))) is not None and _is_far(found, each)
    )


def _advice(found: ValueRange, expected: ExpectedRange) -> str:
    """Values in a narrower range were scaled before; others are of another kind than the model was made for."""
    if found.maximum - found.minimum < expected.maximum - expected.minimum:
        return "feed raw values, as that layer scales them itself, and these look scaled already"
    return "feed values scaled like those that the model was trained with"


def _is_far(found: ValueRange, expected: ExpectedRange) -> bool:
    """Whether a range is many times as narrow or as wide as is expected, or lies beside it."""
    width, wanted = found.maximum - found.minimum, expected.maximum - expected.minimum
    if width * _NARROWER < wanted or width > _FAR_WIDER * wanted:
        return True
    return found.maximum < expected.minimum - wanted or found.minimum > expected.maximum + wanted


def _differ(one: ValueRange, other: ValueRange) -> bool:
    """Whether a range is more than 1.5 times as wide as the other, or lies beyond it by half its width."""
    widths = sorted((one.maximum - one.minimum, other.maximum - other.minimum))
    if widths[1] > _WIDER * widths[0]:
        return True
    shift = max(abs(one.minimum - other.minimum), abs(one.maximum - other.maximum))
    return shift > (_WIDER - 1) * widths[1]


def _varying(dataset: Dataset) -> list[str]:
    return [name for name in dataset.inputs if name not in dataset.shared]


def _kinds(dataset: Dataset) -> list[tuple[str, tuple[Any, ...]]]:
    return [(dataset.inputs[name].dtype, dataset.inputs[name].shape) for name in _varying(dataset)]


def _passes(dataset: Dataset, limit: int | None) -> Iterator[tuple[bool, range, dict[str, NDArray[Any]]]]:
    for position, indices in enumerate(chunks(dataset, limit)):
        yield position == 0, indices, dataset.feeds(indices)
