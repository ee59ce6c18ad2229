"""Each kind of ONNX recipe, carried out."""

from __future__ import annotations

import traceback
from functools import cached_property, partial
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

from crossrt.exporters.calibration import NEEDS_CALIBRATION, Calibration, selection_of
from crossrt.exporters.errors import ExportError, NothingToQuantizeError, UnfitRecipeError, first_line
from crossrt.exporters.quantizers.methods.applying import (
    change_file,
    changes_file,
    needs_methods,
    write_clipped,
    write_float,
)
from crossrt.exporters.quantizers.methods.bias_correction import Feeds
from crossrt.exporters.quantizers.ort.calibrate import METHODS, SharedRanges
from crossrt.exporters.quantizers.ort.check import check_quantized
from crossrt.exporters.quantizers.ort.float8 import write_float8
from crossrt.exporters.quantizers.ort.float_nodes import keep_in_float
from crossrt.exporters.quantizers.ort.overrides import overrides_of
from crossrt.exporters.quantizers.ort.prepare import prepare, working_copy
from crossrt.exporters.quantizers.ort.weight_only import check_excluded, write_weight_only
from crossrt.exporters.recipes.recipe import (
    OnnxDynamic,
    OnnxFloat8,
    OnnxFloat16,
    OnnxRecipe,
    OnnxStatic,
    OnnxWeightOnly,
)
from crossrt.exporters.sources.onnx_file import nodes_of, read_structure

_TYPES = {
    "uint8": QuantType.QUInt8,
    "int8": QuantType.QInt8,
    "uint16": QuantType.QUInt16,
    "int16": QuantType.QInt16,
    "uint4": QuantType.QUInt4,
    "int4": QuantType.QInt4,
}
_MOST_OF_ERROR = 120
_FORMATS = {"qdq": QuantFormat.QDQ, "qoperator": QuantFormat.QOperator}


class OnnxQuantizer:
    """Quantizes one float model by many recipes, sharing what they have in common."""

    def __init__(self, float_model: Path, folder: Path, calibration: Calibration | None = None) -> None:
        self._source = float_model
        self._prepared = folder / "prepared.onnx"
        self._folder = folder
        self._calibration: Calibration | None = None
        self._ranges: dict[Path, SharedRanges] = {}
        if calibration is not None:
            self.calibrate_with(calibration)

    def calibrate_with(self, calibration: Calibration) -> None:
        """Names the samples for calibrated recipes; ranges that were found with others are forgotten."""
        self._calibration, self._ranges = calibration, {}

    @cached_property
    def _float_model(self) -> Path:
        return working_copy(self._source, self._folder)

    def quantize(self, recipe: OnnxRecipe, path: Path) -> float:
        """Writes the model quantized as the recipe says; gives the share of its weights that are quantized.

        Raises:
            UnfitRecipeError: The model has nothing to quantize, or what ONNX Runtime cannot run so.
            ExportError: A name in the recipe fits nothing, calibration data are missing, or the quantizer failed.
        """
        source = self._float_model
        if isinstance(recipe, OnnxStatic) and self._calibration is None:
            raise ExportError(NEEDS_CALIBRATION)
        try:
            self._write(source, recipe, path)
        except ExportError:
            raise
        except Exception as error:  # the quantizers raise whatever an operator happens to hit
            raise ExportError(_refusal(error, recipe, source)) from error
        if isinstance(recipe, OnnxDynamic) and recipe.per_channel and not recipe.weight_symmetric:
            _check_recurrent(path)
        return check_quantized(path, recipe.quantization().scheme)

    def _write(self, source: Path, recipe: OnnxRecipe, path: Path) -> None:
        if isinstance(recipe, OnnxFloat16):
            _to_float16(source, path)
        elif isinstance(recipe, OnnxWeightOnly):
            write_weight_only(source, path, recipe, self._calibration)
        else:
            if not self._prepared.exists():
                prepare(source, self._prepared)
            if isinstance(recipe, OnnxFloat8):
                write_float8(self._prepared, path, recipe)
                return
            _check_names(recipe, self._prepared)
            if isinstance(recipe, OnnxStatic):
                self._static(recipe, path)
            else:
                self._dynamic(recipe, path)

    @property
    def prepared(self) -> Path:
        """The model as the static quantizer sees it."""
        return self._prepared

    def _static(self, recipe: OnnxStatic, path: Path) -> None:
        calibration, samples = self._calibration, selection_of(recipe)
        assert calibration is not None
        assert samples is not None
        feeds = partial(calibration.feeds, samples)
        source = self._source_of(recipe, feeds)
        quantize_static(
            self._clipped(recipe, source),
            path,
            None,
            calibration_cache_path=self._ranges_of(source, calibration).file_for(recipe),
            calibrate_method=METHODS[recipe.calibrate_method],
            quant_format=_FORMATS[recipe.quant_format],
            activation_type=_TYPES[recipe.activation_type],
            weight_type=_TYPES[recipe.weight_type],
            per_channel=recipe.per_channel,
            reduce_range=recipe.reduce_range,
            op_types_to_quantize=list(recipe.op_types_to_quantize),
            nodes_to_exclude=list(recipe.nodes_to_exclude),
            extra_options={
                "ActivationSymmetric": recipe.activation_symmetric,
                "WeightSymmetric": recipe.weight_symmetric,
                "QDQKeepRemovableActivations": recipe.keep_removable_activations,
                **overrides_of(recipe, source),
            },
        )
        if recipe.quant_format == "qdq":
            keep_in_float(path)
        if changes_file(recipe):
            change_file(recipe, source, path, feeds)

    def _source_of(self, recipe: OnnxStatic, feeds: Feeds) -> Path:
        """The float model that is calibrated, written now if no recipe needed it before."""
        if not needs_methods(recipe):
            return self._prepared
        path = self._folder / ("equalized.onnx" if recipe.equalize else "named.onnx")
        if not path.exists():
            write_float(recipe, self._prepared, path, feeds)
        return path

    def _clipped(self, recipe: OnnxStatic, source: Path) -> Path:
        if recipe.weight_ranges == "minmax":
            return source
        path = self._folder / "clipped.onnx"
        write_clipped(recipe, source, path)
        return path

    def _ranges_of(self, source: Path, calibration: Calibration) -> SharedRanges:
        if source not in self._ranges:
            folder = self._folder / f"{source.stem}-ranges"
            folder.mkdir(exist_ok=True)
            self._ranges[source] = SharedRanges(source, folder, calibration)
        return self._ranges[source]

    def _dynamic(self, recipe: OnnxDynamic, path: Path) -> None:
        quantize_dynamic(
            self._prepared,
            path,
            weight_type=_TYPES[recipe.weight_type],
            per_channel=recipe.per_channel,
            reduce_range=recipe.reduce_range,
            op_types_to_quantize=list(recipe.op_types_to_quantize),
            nodes_to_exclude=[*recipe.nodes_to_exclude, *(f"{name}_MatMul" for name in recipe.nodes_to_exclude)],
            extra_options={"WeightSymmetric": recipe.weight_symmetric},
        )  # a Gemm is made a MatMul of that name first


def _check_recurrent(path: Path) -> None:
    """An LSTM whose weights have a zero point for each channel is written, loaded, and refused when it runs."""
    kinds = {node.op_type for node in nodes_of(read_structure(path))}
    if "DynamicQuantizeLSTM" in kinds:
        path.unlink()
        raise UnfitRecipeError(
            "the model has an LSTM, whose weights ONNX Runtime takes with a scale for each channel only where they have"
            " no zero points: set weight_symmetric = true, or per_channel = false as int8-dynamic.onnx does"
        )


def _refusal(error: Exception, recipe: OnnxRecipe, source: Path) -> str:
    """What the quantizer cannot do, and what to try; its own words last and short."""
    if isinstance(error, AssertionError) and (place := _own_place(error)) is not None:
        return f"crossrt failed in {place}: this is a defect of crossrt, please report it with the model"
    foreign = sorted({f"{node.op_type} of {node.domain}" for node in nodes_of(read_structure(source)) if node.domain})
    what = f", which has operators outside the standard ({', '.join(foreign[:4])})" if foreign else ""
    others = (["int8-dynamic.onnx, without calibration"] if isinstance(recipe, OnnxStatic) else []) + [
        "w8.onnx and fp16.onnx, which leave activations alone"
    ]
    tried = "" if isinstance(recipe, OnnxWeightOnly | OnnxFloat16 | OnnxFloat8) else f"; try {', or '.join(others)}"
    return (
        f"ONNX Runtime's quantizer cannot do this with the model{what}{tried} (it says: {type(error).__name__}:"
        f" {first_line(error, _MOST_OF_ERROR)})"
    )


def _own_place(error: Exception) -> str | None:
    """The file and line of crossrt's own that raised an error; None where a library did."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    path = Path(frame.filename)
    return f"{path.name}:{frame.lineno}" if Path(__file__).parents[2] in path.parents else None


def _to_float16(float_model: Path, path: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(float_model)
    onnx.save(convert_float_to_float16(model, keep_io_types=True), path)


def _check_names(recipe: OnnxStatic | OnnxDynamic, prepared: Path) -> None:
    """A name that fits nothing would change nothing, in silence."""
    model = onnx.load(prepared)
    check_excluded(recipe.nodes_to_exclude, model)
    if isinstance(recipe, OnnxStatic):
        check_excluded(recipe.nodes_to_16_bit, model, "nodes_to_16_bit")
        check_excluded(recipe.nodes_per_channel, model, "nodes_per_channel")
    present = {node.op_type for node in model.graph.node}
    if recipe.op_types_to_quantize and not present & set(recipe.op_types_to_quantize):
        raise NothingToQuantizeError(
            f"it quantizes {', '.join(recipe.op_types_to_quantize)} only (op_types_to_quantize), and the model has"
            f" other operators: {', '.join(sorted(present))}"
        )
