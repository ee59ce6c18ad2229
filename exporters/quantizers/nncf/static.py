"""Static quantization by NNCF, with or without its accuracy control."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime

from crossrt.datasets.protocol import Arrays
from crossrt.exporters.errors import UnfitRecipeError
from crossrt.exporters.recipes.library import OnnxNncf

_ESTIMATORS: Final = {
    "minmax": "MINMAX",
    "mean-minmax": "MEAN_MINMAX",
    "median-minmax": "MEDIAN_MINMAX",
    "mean-no-outliers": "MEAN_NO_OUTLIERS_MINMAX",
    "mean-quantile": "MEAN_QUANTILE",
    "histogram": "HISTOGRAM",
}
_OVERFLOW: Final = {"none": "DISABLE", "first-layer": "FIRST_LAYER", "all": "ENABLE"}


def quantized(nncf: Any, float_model: Path, recipe: OnnxNncf, feeds: Sequence[Arrays]) -> onnx.ModelProto:
    """The model as NNCF quantizes it.

    Args:
        nncf: The library.
        float_model: The float model.
        recipe: What is asked for.
        feeds: Samples by input name, one call each; those that validate come last.
    """
    model = onnx.load(float_model)
    calibrating, validating = feeds[: recipe.calibration_samples], feeds[recipe.calibration_samples :]
    options = {
        "preset": nncf.QuantizationPreset(recipe.preset),
        "subset_size": len(calibrating),
        "fast_bias_correction": recipe.bias_correction != "full",
        "model_type": nncf.ModelType.TRANSFORMER if recipe.transformer else None,
        "ignored_scope": nncf.IgnoredScope(names=list(recipe.nodes_to_exclude)),
    }
    samples = nncf.Dataset(calibrating)
    if not recipe.accuracy_control:
        plain: onnx.ModelProto = nncf.quantize(model, samples, advanced_parameters=_advanced(nncf, recipe), **options)
        return plain
    if not validating:
        raise UnfitRecipeError(
            f"accuracy_control needs samples behind the {recipe.calibration_samples:,} that calibrate, and the"
            f" calibration data hold {len(feeds):,}: bring more, or set calibration_samples lower"
        )
    agreement = _Agreement()
    expected = [(feed, agreement.answer(model, feed)) for feed in validating]
    controlled: onnx.ModelProto = nncf.quantize_with_accuracy_control(
        model,
        samples,
        nncf.Dataset(expected, lambda item: item[0]),
        agreement,
        max_drop=recipe.max_drop_pp / 100,
        advanced_quantization_parameters=_advanced(nncf, recipe),
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(num_ranking_workers=1),
        **options,
    )
    return controlled


def _advanced(nncf: Any, recipe: OnnxNncf) -> Any:
    from nncf.quantization.advanced_parameters import AdvancedSmoothQuantParameters, QuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    found = nncf.AdvancedQuantizationParameters(
        overflow_fix=nncf.OverflowFix[_OVERFLOW[recipe.overflow_fix]],
        disable_bias_correction=recipe.bias_correction == "none",
        disable_channel_alignment=not recipe.channel_alignment,
        # else those of depthwise convolutions get a scale for each channel, which ONNX Runtime refuses
        activations_quantization_params=QuantizationParameters(per_channel=False),
        smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=recipe.smooth_quant_alpha),
    )
    if recipe.range_estimator != "default":
        found.activations_range_estimator_params = getattr(
            RangeEstimatorParametersSet, _ESTIMATORS[recipe.range_estimator]
        )
        if recipe.range_estimator == "minmax":
            found.weights_range_estimator_params = RangeEstimatorParametersSet.MINMAX
    return found


class _Agreement:
    """The share of samples whose largest output is that of the float model, from 0 to 1: what accuracy control watches.

    The last axis of the first output holds what is compared. Labels are not needed.
    """

    def __init__(self) -> None:
        self._model: onnx.ModelProto | None = None
        self._session: onnxruntime.InferenceSession | None = None

    def answer(self, model: onnx.ModelProto, feed: Arrays) -> Any:
        """Where the largest output is; the session of the last model is kept, for NNCF asks sample by sample."""
        if model is not self._model or self._session is None:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            content, providers = model.SerializeToString(), ["CPUExecutionProvider"]
            self._model, self._session = model, onnxruntime.InferenceSession(content, options, providers=providers)
        return np.argmax(self._session.run(None, feed)[0], axis=-1)

    def __call__(self, model: onnx.ModelProto, samples: Iterable[tuple[Arrays, Any]]) -> tuple[float, list[float]]:
        """The share, and that of each sample, of feeds beside what the float model answers to them."""
        agrees = [float(np.mean(self.answer(model, feed) == expected)) for feed, expected in samples]
        return float(np.mean(agrees)), agrees
