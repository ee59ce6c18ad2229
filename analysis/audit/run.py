"""Audits one file in a process of its own: `python -m crossrt.analysis.audit.run`, job on stdin, events on stdout."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from crossrt.analysis.audit.checks import checks
from crossrt.analysis.audit.inferring import inferred_recipe, said_recipe
from crossrt.analysis.audit.judge import Judge, Scheme
from crossrt.analysis.audit.record import Audited, AuditedTensor, AuditJob, Stored
from crossrt.analysis.samples import Samples
from crossrt.core.events import EventStream, read_job
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.calibration import BATCH, selection_of
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import (
    OnnxDynamic,
    OnnxStatic,
    Recipe,
    SameScales,
    TfliteDynamic,
    TfliteStatic,
)
from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs

_OTHER_KERNELS: Final = "the converter calibrates on TensorFlow's kernels, whose sums can differ in the last bit"


def audit(job: AuditJob) -> Audited:
    """Every quantized tensor of a file: compared with its recipe where one is known, else as the file has it.

    Raises:
        CrossrtError: The recipe stores no affine scales, or files or data do not belong together.
    """
    if job.float_path is None:
        return _read(job)
    path, float_path = Path(job.path), Path(job.float_path)
    if job.recipe is not None and isinstance(msgspec.convert(job.recipe, Recipe), SameScales):
        return _read(job)  # both files are compared with the numbers that they were written from
    recipe = inferred_recipe(path, job.format) if job.recipe is None else msgspec.convert(job.recipe, Recipe)
    inferred = said_recipe(recipe) if job.recipe is None else None
    if isinstance(recipe, OnnxStatic | OnnxDynamic):
        tensors = tuple(_audit_onnx(job, recipe, float_path))
    elif isinstance(recipe, TfliteStatic | TfliteDynamic):
        tensors = tuple(_audit_tflite(job, recipe, float_path))
    else:
        kind = recipe.__struct_config__.tag
        raise ExportError(f"a file of kind {kind} holds no affine scales: audit takes static and dynamic recipes")
    if inferred and not tensors:
        raise ExportError(
            f"{path.name} holds no tensor that belongs to one of {float_path.name} by its name, as ONNX Runtime's"
            " quantizer names them: audit it without --float"
        )
    return Audited(tensors=tensors, inferred=inferred)


def _read(job: AuditJob) -> Audited:
    """What the file says by itself."""
    path = Path(job.path)
    if job.format == "onnx":
        import onnx

        from crossrt.analysis.audit.onnx_reading import read_onnx
        from crossrt.analysis.onnx_graph import Graph
        from crossrt.exporters.sources.onnx_weights import weight_bytes

        stored, weights = read_onnx(Graph.load(path)), weight_bytes(onnx.load(path, load_external_data=False))
    else:
        from crossrt.analysis.audit.tflite_file import open_tflite, stored_in_tflite
        from crossrt.exporters.sources.tflite_file import read_tflite

        stored, weights = stored_in_tflite(open_tflite(path)), read_tflite(path).weight_bytes
    return Audited(tensors=tuple(map(_as_stored, stored)), checks=tuple(checks(stored, weights)))


def _as_stored(stored: Stored) -> AuditedTensor:
    return AuditedTensor(
        name=stored.name,
        role=stored.role,
        dtype=stored.dtype,
        channels=stored.affine.scale.size,
        scale=float(stored.affine.scale.reshape(-1)[0]),
        zero_point=int(stored.affine.zero_point.reshape(-1)[0]),
        expected_scale=None,
        expected_zero_point=None,
        deviation=None,
        wrong_integers=None,
        verdict="stored",
    )


def _audit_onnx(job: AuditJob, recipe: OnnxStatic | OnnxDynamic, float_path: Path) -> Iterable[AuditedTensor]:
    from crossrt.analysis.audit.onnx_file import observe_onnx, stored_in_onnx
    from crossrt.analysis.onnx_graph import Graph
    from crossrt.analysis.onnx_sessions import prepared_copy

    folder = Path(job.folder)
    prepared, weights = _as_quantized(job, recipe, prepared_copy(float_path, folder), float_path)
    observed = observe_onnx(prepared, _calls(job, recipe, onnx_specs(float_path)[0]), folder)
    if weights != prepared:
        observed = dataclasses.replace(observed, constants=Graph.load(weights).constants)
    if isinstance(recipe, OnnxStatic) and (recipe.calibrate_method != "minmax" or recipe.calibration_symmetric):
        observed = dataclasses.replace(observed, ranges=_ranges_of_method(job, recipe, prepared, float_path))
    stored = stored_in_onnx(Graph.load(Path(job.path)), Graph.load(prepared))
    return Judge(stored, observed, _scheme(recipe)).run()


def _as_quantized(
    job: AuditJob, recipe: OnnxStatic | OnnxDynamic, prepared: Path, float_path: Path
) -> tuple[Path, Path]:
    """The float models whose activations and whose weights were quantized: equalized and clipped as the recipe says."""
    from crossrt.exporters.methods.applying import needs_methods, write_clipped, write_float

    if not isinstance(recipe, OnnxStatic) or not needs_methods(recipe):
        return prepared, prepared
    inputs, folder = onnx_specs(float_path)[0], Path(job.folder)
    source = weights = folder / "source.onnx"
    write_float(recipe, prepared, source, lambda: _calls(job, recipe, inputs))
    if recipe.weight_ranges != "minmax":
        write_clipped(recipe, source, weights := folder / "clipped.onnx")
    return source, weights


def _scheme(recipe: OnnxStatic | OnnxDynamic) -> Scheme:
    """Constant operands follow the activations' rule; QOperator quantizes those of the weights' type like weights."""
    is_static = isinstance(recipe, OnnxStatic)
    symmetric_activations = isinstance(recipe, OnnxStatic) and recipe.activation_symmetric
    is_qdq = isinstance(recipe, OnnxStatic) and recipe.quant_format == "qdq"
    is_same_type = isinstance(recipe, OnnxStatic) and recipe.activation_type == recipe.weight_type
    like_weights = not is_static or (is_same_type and not is_qdq)
    return Scheme(
        symmetric_activations=symmetric_activations,
        symmetric_weights=recipe.weight_symmetric,
        reduced_weights=recipe.reduce_range,
        symmetric_operands=recipe.weight_symmetric if like_weights else symmetric_activations,
        reduced_operands=recipe.reduce_range and is_qdq,
        symmetric_channels=is_qdq,
        rounds_weights=isinstance(recipe, OnnxStatic) and recipe.weight_rounding != "nearest",
        corrects_biases=isinstance(recipe, OnnxStatic) and recipe.bias_correction,
    )


def _ranges_of_method(
    job: AuditJob, recipe: OnnxStatic, prepared: Path, float_path: Path
) -> Mapping[str, tuple[Any, Any]]:
    """Other methods than MinMax choose ranges inside the observed ones: theirs are taken as they are."""
    from onnxruntime.quantization.calibrate import load_tensors_data

    from crossrt.exporters.calibration import Calibration
    from crossrt.exporters.ort.calibrate import SharedRanges

    assert job.data is not None
    calibration = Calibration.open(job.data, onnx_specs(float_path)[0], job.dimensions)
    data = load_tensors_data(SharedRanges(prepared, Path(job.folder), calibration).file_for(recipe))
    ranges = {name: each.range_value for name, each in data.items()}
    return {name: (low.reshape(-1)[0], high.reshape(-1)[0]) for name, (low, high) in ranges.items()}


def _audit_tflite(job: AuditJob, recipe: TfliteStatic | TfliteDynamic, float_path: Path) -> Sequence[AuditedTensor]:
    """On LiteRT's kernels; where that is not exact, on those that calibrated the file, if they are installed."""
    from crossrt.analysis.audit.tflite_file import observe_tflite, open_tflite, plain_interpreter, stored_in_tflite
    from crossrt.exporters.tf.calibrating import converter_interpreter, has_converter

    stored = stored_in_tflite(open_tflite(Path(job.path)), open_tflite(float_path))
    is_wide = isinstance(recipe, TfliteStatic) and recipe.activation_type == "int16"
    scheme = Scheme(symmetric_activations=is_wide, symmetric_weights=True, is_tflite=True)
    inputs, found = tflite_specs(float_path)[0], list[AuditedTensor]()
    for make in (plain_interpreter, *((converter_interpreter,) if has_converter() else ())):
        observed = observe_tflite(float_path, _calls(job, recipe, inputs, most=1), make)
        found = list(Judge(stored, observed, scheme).run())
        if all(each.verdict == "exact" for each in found):
            break
    return [_with_kernels_named(each) for each in found]


def _with_kernels_named(tensor: AuditedTensor) -> AuditedTensor:
    if tensor.verdict != "rounding" or tensor.role != "activation":
        return tensor
    rule = f"{tensor.reason}; " if tensor.reason else ""
    return msgspec.structs.replace(tensor, reason=f"{rule}{_OTHER_KERNELS}")


def _calls(job: AuditJob, recipe: Recipe, inputs: Sequence[TensorSpec], most: int = BATCH) -> Iterable[Arrays]:
    """Feeds of the samples that calibrated it, as many a call as then; none where nothing was calibrated.

    Raises:
        ExportError: It was calibrated, and no data are given.
    """
    which = selection_of(recipe)
    if which is None:
        return ()
    if job.data is None:
        raise ExportError("its scales follow from calibration data: give them with --calibration DATA")
    samples = Samples.open(job.data, inputs, job.dimensions)
    return samples.calls(which.indices(len(samples)), most)


def _run(job: AuditJob, events: EventStream) -> None:
    events.send("audited", found=msgspec.to_builtins(audit(job)))


def main() -> int:
    """Reads a job and audits its file."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _run(read_job(sys.stdin, AuditJob), events))


if __name__ == "__main__":
    sys.exit(main())
