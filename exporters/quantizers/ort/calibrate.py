"""Ranges of activations, found once for each method and set of samples and kept in a file that all recipes share.

`quantize_static` would keep every activation of every sample for the histogram methods. Here samples go through twice
in batches: first for the extremes, which fix the histograms' edges, then for the counts. Counts over the same edges add
up, so the ranges are those of the library to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import (
    HistogramCalibrater,
    HistogramCollector,
    TensorsData,
    create_calibrator,
    save_tensors_data,
)

from crossrt.datasets.protocol import Arrays
from crossrt.exporters.calibration import Calibration, Selection, selection_of
from crossrt.exporters.errors import ExportError
from crossrt.exporters.quantizers.methods.clipping import least_squares_range
from crossrt.exporters.recipes.recipe import OnnxStatic

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "moving-average": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
    "distribution": CalibrationMethod.Distribution,
    "mse": CalibrationMethod.MinMax,
}
_BINS = 8_192
"""Of the histograms that `mse` chooses ranges by: an integer of 8 bits stands for 16 or more of them."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What ranges depend on, beside the model."""

    method: str
    is_symmetric: bool
    percentile: float | None
    samples: Selection
    levels: int = 0
    has_symmetric_integers: bool = False


class Batches(CalibrationDataReader):  # type: ignore[misc]  # the base class is untyped
    """Feeds samples once; the quantizer wants a fresh reader for every pass."""

    def __init__(self, feeds: Iterable[Arrays]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Arrays | None:
        """The next call by input name, or None behind the last."""
        return next(self._feeds, None)


class SharedRanges:
    """Files of ranges for one prepared model."""

    def __init__(self, prepared: Path, folder: Path, calibration: Calibration) -> None:
        self._prepared, self._folder, self._calibration = prepared, folder, calibration
        self._files: dict[_Key, Path] = {}

    def file_for(self, recipe: OnnxStatic) -> Path:
        """The ranges that a recipe needs, found now if no recipe needed them before.

        Raises:
            ExportError: The samples or the activations hold NaN or infinity.
        """
        samples = selection_of(recipe)
        assert samples is not None
        percentile = recipe.percentile if recipe.calibrate_method == "percentile" else None
        key = _Key(recipe.calibrate_method, recipe.calibration_symmetric, percentile, samples)
        if recipe.calibrate_method == "mse":
            levels = 256 - (recipe.activation_symmetric and recipe.activation_type == "int8")
            key = replace(key, levels=levels, has_symmetric_integers=recipe.activation_symmetric)
        if key not in self._files:
            path = self._folder / f"ranges-{len(self._files)}.json"
            save_tensors_data(self._find(key), path)
            self._files[key] = path
        return self._files[key]

    def _find(self, key: _Key) -> Any:
        if key.method == "mse":
            return self._find_least_squares(key)
        options: dict[str, Any] = {"symmetric": key.is_symmetric}
        if key.method == "moving-average":
            options["moving_average"] = True
        if key.percentile is not None:
            options["percentile"] = key.percentile
        calibrator = create_calibrator(
            self._prepared,
            augmented_model_path=str(self._folder / "augmented.onnx"),
            calibrate_method=METHODS[key.method],
            extra_options=options,
        )
        if not isinstance(calibrator, HistogramCalibrater):
            calibrator.collect_data(Batches(self._calibration.feeds(key.samples)))
            return calibrator.compute_data()
        _prepare_histograms(calibrator, self._calibration.feeds(key.samples))
        for feed in self._calibration.feeds(key.samples):
            calibrator.collect_data(Batches([feed]))
        return calibrator.compute_data()

    def _find_least_squares(self, key: _Key) -> TensorsData:
        calibrator = create_calibrator(
            self._prepared,
            augmented_model_path=str(self._folder / "augmented.onnx"),
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"num_bins": _BINS, "symmetric": False},
        )
        _prepare_histograms(calibrator, self._calibration.feeds(key.samples))
        for feed in self._calibration.feeds(key.samples):
            calibrator.collect_data(Batches([feed]))
        found = {}
        for name, (counts, edges, low, high, *_) in calibrator.collector.histogram_dict.items():
            bounds = least_squares_range(
                counts, edges, float(low), float(high), key.levels, is_symmetric=key.has_symmetric_integers
            )
            found[name] = tuple(np.array(each, np.float32) for each in bounds)
        return TensorsData(CalibrationMethod.MinMax, found)


def _prepare_histograms(calibrator: HistogramCalibrater, feeds: Iterable[Arrays]) -> None:
    """Gives every tensor an empty histogram with the edges that all samples together call for."""
    collector = HistogramCollector(
        method=calibrator.method,
        symmetric=calibrator.symmetric,
        num_bins=calibrator.num_bins,
        num_quantized_bins=calibrator.num_quantized_bins,
        percentile=calibrator.percentile,
        scenario=calibrator.scenario,
    )
    for name, extremes in _extremes(calibrator, feeds).items():
        collector.histogram_dict[name] = _empty_histogram(extremes, calibrator)
    calibrator.collector = collector


@dataclass(slots=True)
class _Extremes:
    """Least and greatest value of a tensor, and the least magnitude."""

    low: np.float32
    high: np.float32
    least: np.float32


def _extremes(calibrator: HistogramCalibrater, feeds: Iterable[Arrays]) -> dict[str, _Extremes]:
    names = [output.name for output in calibrator.infer_session.get_outputs()]
    found: dict[str, _Extremes] = {}
    for feed in feeds:
        for name, values in zip(names, calibrator.infer_session.run(None, feed), strict=True):
            if name not in calibrator.tensors_to_calibrate:
                continue
            now = _Extremes(values.min(), values.max(), np.abs(values).min())
            if not (np.isfinite(now.low) and np.isfinite(now.high)):
                raise ExportError(f"the activation {name} holds NaN or infinity: no range can be found for it")
            before = found.setdefault(name, now)
            found[name] = _Extremes(min(before.low, now.low), max(before.high, now.high), min(before.least, now.least))
    return found


def _empty_histogram(extremes: _Extremes, calibrator: HistogramCalibrater) -> tuple[Any, ...]:
    """What `HistogramCollector` would have made of all samples at once, before counting.

    Bounds are float32, as there: numpy spaces the edges in the precision of the bounds.
    """
    farthest = np.float32(max(abs(extremes.low), abs(extremes.high)))
    is_absolute = calibrator.method == "percentile" and calibrator.symmetric
    bounds: Any = (extremes.least if is_absolute else -farthest, farthest)
    counts, edges = np.histogram(np.zeros(0, dtype=np.float32), calibrator.num_bins, range=bounds)
    if is_absolute:
        return counts, edges.astype(np.float32), extremes.low, extremes.high
    return counts, edges, extremes.low, extremes.high, np.array(farthest)
