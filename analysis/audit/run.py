"""Audits one file in a process of its own: `python -m crossrt.analysis.audit.run`, job on stdin, events on stdout."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from crossrt.analysis.audit.inferring import inferred_recipe, said_recipe
from crossrt.analysis.audit.judge import Judge, Scheme
from crossrt.analysis.audit.other_samples import with_other_samples
from crossrt.analysis.audit.record import Audited, AuditedTensor, AuditJob, Stored
from crossrt.analysis.findings.kinds import kind_of
from crossrt.analysis.findings.protocol import named, run_checks
from crossrt.analysis.findings.reading import read_file
from crossrt.analysis.samples import Samples
from crossrt.core.events import EventStream, read_job
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.calibration import BATCH, selection_of
from crossrt.exporters.errors import ExportError, NotAlikeError, first_line
from crossrt.exporters.recipes.recipe import (
    OnnxDynamic,
    OnnxStatic,
    Recipe,
    SameScales,
    TfliteDynamic,
    TfliteStatic,
)
from crossrt.exporters.tensor_specs import onnx_specs, tflite_specs

if TYPE_CHECKING:
    from crossrt.analysis.onnx_graph import Graph

_OTHER_KERNELS: Final = "the converter calibrates on TensorFlow's kernels, whose sums can differ in the last bit"
_NEEDS_DATA: Final = (
    "the scales of activations are not checked: they follow from calibration data (give them with --calibration DATA)"
)
_NEEDS_ALL_DATA: Final = (
    "scales are not checked: its recipe changes weights by methods that need the calibration data (give them with"
    " --calibration DATA)"
)


def audit(job: AuditJob) -> Audited:
    """Every quantized tensor of a file: compared with its recipe where one is known, else as the file has it.

    Raises:
        CrossrtError: The recipe stores no affine scales, or files or data do not belong together.
    """
    if job.recipe is None or job.float_path is None:
        return audit_any(job)
    recipe = msgspec.convert(job.recipe, Recipe)
    if isinstance(recipe, SameScales):  # both files are compared with the numbers that they were written from
        return audit_any(dataclasses.replace(job, float_path=None))
    file, original = (read_file(Path(path), job.format) for path in (job.path, job.float_path))
    checks = tuple(run_checks(file, original))
    if job.data is None and selection_of(recipe) is not None:
        return _without_data(job, recipe, Audited(tensors=tuple(map(as_stored, file.stored)), checks=checks))
    return Audited(tensors=compared_with_recipe(job, recipe, Path(job.float_path)), checks=checks)


def _without_data(job: AuditJob, recipe: Recipe, read: Audited) -> Audited:
    """What can be compared with a recipe that was calibrated: the weights, unless its methods changed them by data."""
    from crossrt.exporters.quantizers.methods.applying import needs_methods

    if isinstance(recipe, OnnxStatic) and needs_methods(recipe):
        return msgspec.structs.replace(read, not_compared=_NEEDS_ALL_DATA)
    assert job.float_path is not None
    found = compared_with_recipe(job, recipe, Path(job.float_path))
    return msgspec.structs.replace(read, tensors=tuple(map(_without_range, found)), not_compared=_NEEDS_DATA)


def audit_any(job: AuditJob) -> Audited:
    """A file that nobody described: what it says by itself, and its scales beside the float file where that is given.

    Raises:
        CrossrtError: A file or the data cannot be read, or a file cannot be run.
    """
    file = read_file(Path(job.path), job.format)
    original = None if job.float_path is None else read_file(Path(job.float_path), job.format)
    tensors = tuple(as_stored(each) for each in file.stored if each.affine.scale.size and each.affine.zero_point.size)
    read = Audited(tensors=tensors, checks=tuple(run_checks(file, original)), kind=kind_of(file))
    if job.float_path is None:
        return read
    if file.custom:
        reason = f"scales are not compared with the float file: {named(file.custom)} needs a library of its own"
        return msgspec.structs.replace(read, not_compared=reason)
    return _compared(job, read, Path(job.float_path))


def _compared(job: AuditJob, read: Audited, float_path: Path) -> Audited:
    """The same with each scale beside that of the recipe whose marks the file has, as far as that goes."""
    try:
        recipe = inferred_recipe(Path(job.path), job.format)
        found = compared_with_recipe(job, recipe, float_path)
    except NotAlikeError as error:
        return msgspec.structs.replace(read, not_compared=f"scales are not compared with the float file: {error}")
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        if not any(each.severity == "wrong" for each in read.checks):
            raise
        reason = f"scales are not compared with the float file, as the file contradicts itself: {first_line(error)}"
        return msgspec.structs.replace(read, not_compared=reason)
    if not found:
        reason = "no tensor has the name of one of the float file, so scales are not compared with it"
        return msgspec.structs.replace(read, not_compared=reason)
    lacks_data = job.data is None and selection_of(recipe) is not None
    if lacks_data:
        found = tuple(_without_range(each) for each in found)
    check = None
    if job.data is not None:
        found, check = with_other_samples(found)
    known = {(each.role, each.name) for each in found}
    others = () if job.format == "tflite" else (each for each in read.tensors if (each.role, each.name) not in known)
    return msgspec.structs.replace(
        read,
        tensors=(*found, *others),
        checks=read.checks if check is None else (*read.checks, check),
        inferred=said_recipe(recipe),
        not_compared=_NEEDS_DATA if lacks_data else None,
    )


def _without_range(tensor: AuditedTensor) -> AuditedTensor:
    """A tensor as it is, where nothing shows what its scale should be."""
    if tensor.role != "activation":
        return tensor
    return msgspec.structs.replace(
        tensor, verdict="stored", expected_scale=None, expected_zero_point=None, deviation=None, reason=None
    )


def compared_with_recipe(job: AuditJob, recipe: Recipe, float_path: Path) -> tuple[AuditedTensor, ...]:
    """Every quantized tensor beside what a recipe makes of the float file."""
    if isinstance(recipe, OnnxStatic | OnnxDynamic):
        return tuple(_audit_onnx(job, recipe, float_path))
    if isinstance(recipe, TfliteStatic | TfliteDynamic):
        return tuple(_audit_tflite(job, recipe, float_path))
    kind = recipe.__struct_config__.tag
    raise ExportError(f"a file of kind {kind} holds no affine scales: audit takes static and dynamic recipes")


def as_stored(stored: Stored) -> AuditedTensor:
    """A tensor as the file has it."""
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
    from crossrt.analysis.audit.onnx_file import observe_onnx, stored_by_graph, stored_in_onnx
    from crossrt.analysis.onnx_graph import Graph
    from crossrt.analysis.onnx_sessions import prepared_copy

    folder = Path(job.folder)
    prepared = prepared_copy(float_path, folder)
    if job.recipe is None and _is_of_unprepared(Graph.load(Path(job.path)), Graph.load(prepared), float_path):
        prepared = float_path
    prepared, weights = _as_quantized(job, recipe, prepared, float_path)
    observed = observe_onnx(prepared, _calls(job, recipe, onnx_specs(float_path)[0]), folder)
    if weights != prepared:
        observed = dataclasses.replace(observed, constants=Graph.load(weights).constants)
    if isinstance(recipe, OnnxStatic) and _chooses_ranges(recipe) and job.data is not None:
        observed = dataclasses.replace(observed, ranges=_ranges_of_method(job, recipe, prepared, float_path))
    stored = stored_in_onnx(Graph.load(Path(job.path)), Graph.load(prepared))
    if job.recipe is None:
        known = {each.name for each in stored}
        others = stored_by_graph(Graph.load(Path(job.path)), Graph.load(prepared))
        stored += [each for each in others if each.name not in known]
    return Judge(stored, observed, _scheme(recipe)).run()


def _is_of_unprepared(quantized: Graph, prepared: Graph, float_path: Path) -> bool:
    """True if a file was made from the float file as it is, so that it has tensors which optimising takes away."""
    from crossrt.analysis.audit.onnx_reading import read_onnx
    from crossrt.analysis.onnx_graph import Graph

    names = {each.name for each in read_onnx(quantized)}
    return len(names & Graph.load(float_path).values.keys()) > len(names & prepared.values.keys())


def _as_quantized(
    job: AuditJob, recipe: OnnxStatic | OnnxDynamic, prepared: Path, float_path: Path
) -> tuple[Path, Path]:
    """The float models whose activations and whose weights were quantized: equalized and clipped as the recipe says."""
    from crossrt.exporters.quantizers.methods.applying import needs_methods, write_clipped, write_float

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


def _chooses_ranges(recipe: OnnxStatic) -> bool:
    """Whether its ranges are others than those of the values that were seen."""
    return recipe.calibrate_method != "minmax" or recipe.calibration_symmetric


def _ranges_of_method(
    job: AuditJob, recipe: OnnxStatic, prepared: Path, float_path: Path
) -> Mapping[str, tuple[Any, Any]]:
    """Other methods than MinMax choose ranges inside the observed ones: theirs are taken as they are."""
    from onnxruntime.quantization.calibrate import load_tensors_data

    from crossrt.exporters.calibration import Calibration
    from crossrt.exporters.quantizers.ort.calibrate import SharedRanges

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
    """Feeds of the samples that calibrated it, as many a call as then; none where it was not, or no data are given."""
    which = selection_of(recipe)
    if which is None or job.data is None:
        return ()
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
