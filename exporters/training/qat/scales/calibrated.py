"""A Keras model quantized without training: calibrated once, for an ONNX and a TFLite file with the same scales."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossrt.exporters.calibration import Calibration, selection_of
from crossrt.exporters.errors import ModelError, UnfitRecipeError
from crossrt.exporters.recipes.recipe import OnnxSameScales, TfliteSameScales
from crossrt.exporters.training.qat.frozen import Frozen

if TYPE_CHECKING:
    from crossrt.exporters.tf.serving import Serving

ANOTHER: str = "is made from a Keras model (.keras), from which both files come with one set of scales"


def calibrated(
    serving: Serving, source: Path, recipe: OnnxSameScales | TfliteSameScales, calibration: Calibration
) -> Frozen:
    """Finds the least and greatest value of each activation, and settles every number of the network.

    Raises:
        UnfitRecipeError: It holds what cannot be quantized in this way, or is not a Keras model.
        ExportError: A range never moved, or a sample is not a number.
    """
    import tensorflow as tf

    from crossrt.exporters.training.qat.freezing import freeze
    from crossrt.exporters.training.qat.model import build
    from crossrt.exporters.training.qat.reading import read_network

    if serving.keras_model is None:
        raise UnfitRecipeError(f"{source.name} is not a Keras model: the recipe {ANOTHER}")
    serving.check_weights()
    tf.config.experimental.enable_op_determinism()  # so that the other file finds the same numbers later
    try:
        network = read_network(serving.keras_model, source.name, is_trained=False)
    except ModelError as error:
        raise UnfitRecipeError(str(error)) from error
    trainable = build(network, recipe.weight_bits, 0)
    which = selection_of(recipe)
    assert which is not None
    with trainable.calibrating("minmax"):
        for feeds in calibration.feeds(which):
            trainable.model([tf.constant(feeds[each.name]) for each in serving.inputs], training=False)
    return freeze(trainable)


def write_calibrated(
    frozen: Frozen, serving: Serving, recipe: OnnxSameScales | TfliteSameScales, path: Path
) -> float | None:
    """Writes the file of a recipe, and beside it the numbers that both files share.

    Returns:
        The share of the bytes of weights that are quantized.
    """
    from crossrt.exporters.quantizers.ort.check import check_quantized
    from crossrt.exporters.sources.tflite_file import read_tflite
    from crossrt.exporters.training.qat.to_onnx import write_onnx
    from crossrt.exporters.training.qat.to_tflite import write_tflite
    from crossrt.exporters.training.qat.trained import TRAINED, write_trained

    write_trained(frozen, path.with_name(TRAINED))
    if isinstance(recipe, OnnxSameScales):
        write_onnx(frozen, serving.inputs, serving.outputs, path)
        return check_quantized(path, "static")
    write_tflite(frozen, serving.inputs, serving.outputs, path)
    found = read_tflite(path).quantization
    return None if found is None else found.quantized_share
