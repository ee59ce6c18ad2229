"""How close outputs are to the reference's, output by output and sample by sample.

Numbers are compared in float64, integers and booleans as numbers. Text is compared for equality: a difference is 1
where it differs and 0 elsewhere.

Values that are NaN or infinite count as equal where both have the same one at the same place; such places take no part
in norms. Any other place with one is an infinite difference. As records hold finite numbers only, `max_abs`,
`mean_abs`, `relative` and `max_steps` are then the largest float64 (1.8e308), `sqnr_db` is -20 log10 of it (-6165 dB),
`cosine` is absent, and a note says how many values are concerned.

A sample agrees where each of its outputs does. For x, the reference's values of that sample, and x':

- numbers: `||x - x'|| <= tolerance * max(||x||, m)`, where m is the median of `||x||` over the samples that are not all
  zero. It keeps a sample whose output happens to be near zero, such as the score of silence, from being compared with
  nothing.
- booleans, text, and integers of 32 or 64 bits, which are ids, classes and masks rather than quantities: the share of
  elements that differ is at most the tolerance.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.evaluation import OutputError
from crossrt.datasets.tasks.protocol import Outputs
from crossrt.datasets.tasks.slices import (
    INFINITE,
    VALUES,
    checked_samples,
    finite,
    is_text,
    row_slices,
    rows_of,
    width_of,
)

TOLERANCE: Final = 0.05
"""5% of the norm, 26 dB: float runtimes stay far below it, sound int8 files (30 to 45 dB) below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeness:
    """Outputs compared with the reference's.

    Attributes:
        errors: One entry for each output.
        agrees: For each sample, whether all of its outputs agree.
        notes: What a reader must know, such as values that are not finite.
    """

    errors: tuple[OutputError, ...]
    agrees: NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    @property
    def max_abs(self) -> float:
        """The largest absolute difference of any output."""
        return max(error.max_abs for error in self.errors)


@dataclass(slots=True, kw_only=True)
class _Sums:
    """What is known of an output after some of its pieces; norms are in units of `scale`."""

    scale: float
    signal: NDArray[np.float64]
    noise: NDArray[np.float64]
    differing: NDArray[np.int64]
    found: float = 0.0
    product: float = 0.0
    absolute: float = 0.0
    largest: float = 0.0
    infinite: int = 0


def compare(
    outputs: Outputs, reference: Outputs, steps: Mapping[str, float] | None = None, tolerance: float = TOLERANCE
) -> Closeness:
    """Compares outputs with the reference's, which have the same names and shapes.

    Args:
        outputs: What is judged.
        reference: What is expected.
        steps: Scale of the integers that an output is made from.
        tolerance: What a sample may differ by and still agree, relative to the scale of the output.

    Raises:
        DataError: Names, shapes or kinds of outputs differ, or there are no samples.
    """
    samples = checked_samples(reference)
    _check_names(outputs, reference)
    agrees = np.ones(samples, bool)
    errors, notes = [], []
    for name in reference:
        _check_pair(name, outputs[name], reference[name])
        error, same, infinite = _compared(name, outputs[name], reference[name], (steps or {}).get(name), tolerance)
        errors.append(error)
        agrees &= same
        if infinite:
            notes.append(
                f"output {name!r}: {infinite} of {reference[name].size} values are NaN or infinite where the"
                f" reference's differ; the differences are infinite, which {INFINITE:.2g} stands for"
            )
    return Closeness(errors=tuple(errors), agrees=agrees, notes=tuple(notes))


def answers_sha256(outputs: Outputs) -> str:
    """Hash of all outputs in the order of their names: of little-endian bytes, and of UTF-8 with lengths for text."""
    digest = hashlib.sha256()
    for name in sorted(outputs):
        array = outputs[name]
        for rows, columns in _pieces(array):
            piece = rows_of(array, rows)[:, columns]
            digest.update(_text_bytes(piece) if is_text(array) else _bytes(piece))
    return digest.hexdigest()


def _bytes(piece: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(piece.astype(piece.dtype.newbyteorder("<"), copy=False)).tobytes()


def _text_bytes(piece: NDArray[Any]) -> bytes:
    encoded = (_text(value).encode() for value in piece.ravel())
    return b"".join(b"%d:%s" % (len(each), each) for each in encoded)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _check_names(outputs: Outputs, reference: Outputs) -> None:
    if set(outputs) != set(reference):
        raise DataError(
            f"outputs {', '.join(sorted(outputs)) or 'none'} cannot be compared with the reference's"
            f" {', '.join(sorted(reference))}; the same names are expected"
        )


def _check_pair(name: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    if found.shape != expected.shape:
        raise DataError(
            f"output {name!r} has the shape {found.shape}, the reference's has {expected.shape}; the same is expected"
        )
    checked_samples({name: found})
    if is_text(found) != is_text(expected):
        raise DataError(f"output {name!r} is {found.dtype}, the reference's is {expected.dtype}: text against numbers")


def _compared(
    name: str, found: NDArray[Any], expected: NDArray[Any], step: float | None, tolerance: float
) -> tuple[OutputError, NDArray[np.bool_], int]:
    """The errors of one output, which samples agree, and how many differences are infinite."""
    sums = _Sums(
        scale=_scale(found, expected),
        signal=np.zeros(len(found)),
        noise=np.zeros(len(found)),
        differing=np.zeros(len(found), np.int64),
    )
    text = is_text(expected)
    for rows, columns in _pieces(expected):
        one, other = rows_of(expected, rows)[:, columns], rows_of(found, rows)[:, columns]
        if text:
            _add_text(sums, rows, one, other)
        else:
            _add(sums, rows, one.astype(np.float64), other.astype(np.float64))
    by_element = text or expected.dtype.kind == "b" or (expected.dtype.kind in "iu" and expected.dtype.itemsize >= 4)
    same = _agreeing_elements(sums, width_of(expected), tolerance) if by_element else _agreeing(sums, tolerance)
    return _error(name, sums, expected.size, None if text else step, text=text), same, sums.infinite


def _pieces(array: NDArray[Any]) -> Iterator[tuple[slice, slice]]:
    """Slices of samples and of a sample's values, such that each piece is bounded even where one sample is not."""
    width = width_of(array)
    for rows in row_slices(len(array), width):
        for first in range(0, width, VALUES):
            yield rows, slice(first, min(first + VALUES, width))


def _scale(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """A power of two that keeps squares of float64 from overflowing; 1 for others, whose squares cannot."""
    if not any(array.dtype.kind == "f" and array.dtype.itemsize > 4 for array in (found, expected)):
        return 1.0
    largest = 0.0
    for array in (found, expected):
        for rows, columns in _pieces(array):
            values = np.abs(rows_of(array, rows)[:, columns].astype(np.float64))
            largest = max(largest, float(values[np.isfinite(values)].max(initial=0.0)))
    return 2.0 ** min(1000, max(-1000, math.frexp(largest)[1])) if largest else 1.0


def _add_text(sums: _Sums, rows: slice, expected: NDArray[Any], found: NDArray[Any]) -> None:
    pairs = zip(expected.ravel(), found.ravel(), strict=True)
    differ = np.array([_text(one) != _text(other) for one, other in pairs], bool).reshape(expected.shape)
    sums.differing[rows] += differ.sum(axis=1)
    sums.absolute += float(differ.sum())
    sums.largest = max(sums.largest, float(differ.any()))


def _add(sums: _Sums, rows: slice, expected: NDArray[np.float64], found: NDArray[np.float64]) -> None:
    regular = np.isfinite(expected) & np.isfinite(found)
    odd = ~(regular | (expected == found) | (np.isnan(expected) & np.isnan(found)))
    expected[~regular] = 0.0
    found[~regular] = 0.0
    sums.differing[rows] += ((expected != found) | odd).sum(axis=1)
    expected /= sums.scale
    found /= sums.scale
    difference = np.abs(expected - found)
    sums.signal[rows] += np.einsum("ij,ij->i", expected, expected)
    sums.noise[rows] += np.einsum("ij,ij->i", difference, difference)
    sums.noise[rows][odd.any(axis=1)] = np.inf
    sums.found += float(np.einsum("ij,ij->", found, found))
    sums.product += float(np.einsum("ij,ij->", expected, found))
    sums.absolute += float(difference.sum())
    sums.largest = max(sums.largest, float(difference.max(initial=0.0)))
    sums.infinite += int(odd.sum())


def _agreeing(sums: _Sums, tolerance: float) -> NDArray[np.bool_]:
    norms = np.sqrt(sums.signal)
    typical = float(np.median(norms[norms > 0])) if (norms > 0).any() else 0.0
    return np.sqrt(sums.noise) <= tolerance * np.maximum(norms, typical)


def _agreeing_elements(sums: _Sums, width: int, tolerance: float) -> NDArray[np.bool_]:
    return sums.differing <= tolerance * width


def _error(name: str, sums: _Sums, size: int, step: float | None, *, text: bool) -> OutputError:
    if text:
        return OutputError(output=name, max_abs=sums.largest, mean_abs=sums.absolute / max(1, size))
    if sums.infinite:
        steps = INFINITE if step else None
        decibels = -20 * math.log10(INFINITE)
        return OutputError(
            output=name, max_abs=INFINITE, mean_abs=INFINITE, relative=INFINITE, sqnr_db=decibels, max_steps=steps
        )
    largest, noise, signal = sums.largest * sums.scale, float(sums.noise.sum()), float(sums.signal.sum())
    return OutputError(
        output=name,
        max_abs=finite(largest),
        mean_abs=finite(sums.absolute / max(1, size) * sums.scale),
        relative=finite(math.sqrt(noise / signal)) if signal else None,
        cosine=_cosine(sums, signal),
        sqnr_db=10 * (math.log10(signal) - math.log10(noise)) if signal and noise else None,
        max_steps=finite(largest / step) if step else None,
    )


def _cosine(sums: _Sums, signal: float) -> float | None:
    if not signal or not sums.found:
        return None
    return max(-1.0, min(1.0, sums.product / math.sqrt(signal) / math.sqrt(sums.found)))
