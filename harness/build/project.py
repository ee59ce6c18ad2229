"""What a user brings, sorted out: files as they are, what can be built from them, data, and a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import Batching, ExpectedRange, TensorSpec
from crossrt.datasets.opening import RANDOM, DataRequest
from crossrt.datasets.reference import Reference, model_file, reference_models, reference_of, references
from crossrt.exporters.errors import ModelError
from crossrt.exporters.inspection import RUN_AS_THEY_ARE, Inspection
from crossrt.exporters.variants import FLOAT_KERAS, FLOAT_SAVED_MODEL, Variant, main_variants, variant_of
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import as_described, holds_artifacts, read_folder
from crossrt.harness.build.foreign_sources import readable
from crossrt.harness.build.inspecting import inspect_model
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.case import select
from crossrt.harness.measure.plan import Candidate, plan_cases
from crossrt.harness.measure.settings import BenchSettings, Subject
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.reports.text.cells import grouped, listed

RANDOM_SAMPLES: Final = 64
_NEEDED: Final = "no calibration data were given (--calibration DATA)"
_FREE: Final = "crossrt bench builds nothing from a float file without --calibration DATA; crossrt quantize builds this"
_SHORT: Final = {"float32": "fp32", "float16": "fp16", "float64": "fp64", "bfloat16": "bf16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What there is to run.

    Attributes:
        model: Name of the model.
        given: Files that are run as they are.
        source: What variants are built from, or None.
        quantizable: A single float ONNX or TFLite file, whether or not there are calibration data for it.
        variants: What can be built from it.
        folder: A folder of exported artifacts, or None.
        inputs: Inputs of the first model.
        batching: How samples lie in them.
        data: What is fed.
        calibration: What quantizers are calibrated with, or None.
        is_bundled: Whether the model is the bundled reference, or another that ships.
        shares_none: Whether test and calibration data are the bundled ones, which have no sample in common.
        notes: What a reader must know.
        expected_ranges: Values that the first model's first layer expects.
    """

    model: str
    given: tuple[ModelArtifact, ...]
    source: Inspection | None
    variants: tuple[Variant, ...]
    folder: Artifacts | None
    inputs: tuple[TensorSpec, ...]
    batching: Batching
    data: DataRequest
    calibration: DataRequest | None
    quantizable: Inspection | None = None
    is_bundled: bool = False
    shares_none: bool = False
    notes: tuple[str, ...] = ()
    expected_ranges: tuple[ExpectedRange, ...] = ()

    @property
    def is_random(self) -> bool:
        """Whether inputs are drawn from the model's specs, so that nothing follows about accuracy."""
        return self.data.reference == RANDOM

    def uncalibrated(self, runtimes: Sequence[RuntimeInfo], settings: BenchSettings) -> list[str]:
        """What a run would take and has not for want of calibration data, each reason once.

        Args:
            runtimes: Those of the run.
            settings: Its patterns, and its batch sizes.
        """
        missing = self.missing_for_calibration()
        if not any(each.format in runtime.formats for each in missing for runtime in runtimes):
            return []
        cases = plan_cases(list(missing.values()), runtimes, replace(settings, needs_only=False))
        planned = {case.artifact_id for case in select(cases, settings.only)}
        reasons = {each.id: _NEEDED if one.needs_calibration else _FREE for one, each in missing.items()}
        return grouped({name: reason for name, reason in reasons.items() if name in planned})

    def missing_for_calibration(self) -> dict[Variant, Candidate]:
        """The variants that calibration data would add, each with its file."""
        source = self.source or self.quantizable
        if source is None or self.calibration is not None:
            return {}
        variants = [each for each in _variants(source, is_calibrated=True) if each not in self.variants]
        return {each: candidate_of(self.model, each) for each in variants}

    @property
    def candidates(self) -> list[Candidate]:
        """Every file that there is or could be, in the order of tables."""
        found = [
            Candidate(model=each.model, variant=each.variant, format=each.format, role=each.role) for each in self.given
        ]
        return found + [candidate_of(self.model, each) for each in self.buildable]

    @property
    def buildable(self) -> tuple[Variant, ...]:
        """The variants, and a Keras model or SavedModel as it is: not for itself, but for a runtime that reads it."""
        kind = self.source.kind if self.source is not None else None
        if kind in ("keras", "keras-h5"):
            return (*self.variants, FLOAT_KERAS)
        return (*self.variants, FLOAT_SAVED_MODEL) if kind == "saved-model" else self.variants

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes that are measured where the user names none."""
        if self.batching.dimension is None:
            return (self.batching.size or 1,)
        return (1, 32) if self.is_bundled else (1,)


def candidate_of(model: str, variant: Variant) -> Candidate:
    """The file that a variant of a model is or would be."""
    return Candidate(model=model, variant=variant.name, format=variant.format, role=variant.role)


def resolve(subject: Subject) -> Project:
    """Sorts out what a user brings.

    Raises:
        ModelError: A model cannot be used.
        HarnessError: What was named does not go together.
    """
    if subject.artifacts is not None:
        return _exported(subject, subject.artifacts)
    paths = [model_path(path) for path in subject.models] or [model_file(reference_models()[0])]
    if len(paths) == 1 and holds_artifacts(paths[0]):
        return _exported(subject, paths[0])
    found = [inspect_model(path, allow_h5=subject.allow_h5) for path in paths]
    sources = [each for each in found if each.kind not in RUN_AS_THEY_ARE]
    if len(sources) > 1:
        raise HarnessError(
            f"{sources[0].path} and {sources[1].path} both have to be exported: give one such model, and others as"
            " ONNX or TFLite files"
        )
    bundled = reference_of(paths[0]) if len(paths) == 1 else None
    return _brought(subject, found, sources, bundled)


def _brought(
    subject: Subject, found: Sequence[Inspection], sources: Sequence[Inspection], bundled: Reference | None
) -> Project:
    calibration = subject.calibration or (_calibration(bundled) if bundled else None)
    data = subject.data or (_test_data(bundled) if bundled else None)
    files = [each for each in found if each not in sources]
    model = (sources or found)[0].model
    quantizable = None if sources else _quantizable(files)
    given = _named(files, model, has_source=bool(sources))
    source = sources[0] if sources else quantizable if calibration is not None else None
    variants = _variants(source, is_calibrated=calibration is not None) if source else ()
    asked = _asked_for(subject.recipes, model, source, variants)
    lacking = [] if calibration is not None else _lacking(subject.recipes, model, asked)
    variants += tuple(each for each in asked if each not in lacking)
    return Project(
        model=given[0].model if len(given) == 1 and source is None else model,
        given=given,
        source=source,
        variants=variants,
        folder=None,
        inputs=found[0].inputs,
        batching=found[0].batching,
        data=data or _random(subject),
        calibration=calibration,
        quantizable=quantizable,
        is_bundled=bundled is not None and subject.data is None,
        shares_none=bundled is not None and subject.data is None and subject.calibration is None,
        notes=(
            *(f"{each.model}: {note}" for each in found for note in (*each.preprocessing, *each.notes)),
            *(f"left out: {each.item}: --calibration DATA adds it" for each in lacking),
        ),
        expected_ranges=found[0].expected_ranges,
    )


def _quantizable(files: Sequence[Inspection]) -> Inspection | None:
    """A single float file of a format that can be quantized."""
    return files[0] if len(files) == 1 and files[0].role == "float" and files[0].exports else None


def _variants(source: Inspection, *, is_calibrated: bool) -> tuple[Variant, ...]:
    """Everything of the main job that can be made; without calibration data nothing that needs them."""
    return tuple(
        each
        for each in main_variants(source.exports)
        if not (source.kind in RUN_AS_THEY_ARE and each.recipe is None)
        and (is_calibrated or not each.needs_calibration)
    )


def _asked_for(
    patterns: tuple[str, ...],
    model: str,
    source: Inspection | None,
    known: tuple[Variant, ...],
) -> tuple[Variant, ...]:
    """Further recipes that the user names.

    Raises:
        RecipeError: A pattern fits none.
        HarnessError: Nothing can be built of them.
    """
    from crossrt.harness.build.recipes import choose_recipes  # it needs projects

    found = [variant_of(each) for each in choose_recipes(None, patterns, model).recipes] if patterns else []
    if found and source is None:
        raise HarnessError(f"{' '.join(patterns)} cannot be built from {model}: give a Keras model, or --calibration")
    fitting = [each for each in found if source is not None and each.format in source.exports]
    if found and not fitting:
        raise HarnessError(f"{' '.join(patterns)} cannot be built from {model}: none is of a format that it exports to")
    return tuple(each for each in fitting if each not in known)


def _lacking(patterns: tuple[str, ...], model: str, asked: Sequence[Variant]) -> list[Variant]:
    """Further recipes that cannot be made for want of calibration data, and that only a shell pattern names.

    Raises:
        HarnessError: One is named, or nothing else is.
    """
    from crossrt.harness.build.recipes import is_whole_name  # it needs projects

    lacking = [each for each in asked if each.needs_calibration]
    named = [each.item for each in lacking if is_whole_name(patterns, model, each.item)]
    if named or (lacking and len(lacking) == len(asked)):
        needed = named or [each.item for each in lacking]
        raise HarnessError(
            f"{listed(needed)} {'need' if len(needed) > 1 else 'needs'} data to calibrate with: give --calibration DATA"
        )
    return lacking


def _named(files: Sequence[Inspection], model: str, *, has_source: bool) -> tuple[ModelArtifact, ...]:
    """Files as artifacts: a single one is named by its manifest, or after what it holds, several after themselves."""
    if len(files) == 1 and not has_source:
        artifact = files[0].artifact(model, _content(files[0]))
        return (as_described(artifact) if artifact.role == "quantized" else artifact,)
    names = [each.model for each in files]
    counts = Counter((name, each.kind) for name, each in zip(names, files, strict=True))
    found, seen = [], Counter[tuple[str, str]]()
    for name, each in zip(names, files, strict=True):
        key = (name, each.kind)
        seen[key] += 1
        label = f"{name}-{seen[key]}" if counts[key] > 1 else name
        found.append(each.artifact(model, label))
    return tuple(found)


def _content(found: Inspection) -> str:
    """What a file holds, in a short word."""
    dtype = found.quantization.weight_type if found.quantization is not None else found.float_dtype
    return _SHORT.get(dtype, dtype)


def _exported(subject: Subject, path: Path) -> Project:
    folder = read_folder(path)
    first = next(iter(folder.artifacts.values()))
    bundled = next((each for each in references() if first.model in each.models), None)
    data = subject.data or (_test_data(bundled) if bundled else None)
    return Project(
        model=first.model,
        given=tuple(folder.artifacts.values()),
        source=None,
        variants=(),
        folder=folder,
        inputs=first.inputs,
        batching=first.batching,
        data=data or _random(subject),
        calibration=subject.calibration or (_calibration(bundled) if bundled else None),
        is_bundled=bundled is not None and subject.data is None,
        shares_none=bundled is not None and subject.data is None and subject.calibration is None,
    )


def _test_data(bundled: Reference) -> DataRequest:
    return DataRequest(reference=bundled.dataset, split=bundled.test_split)


def _calibration(bundled: Reference) -> DataRequest:
    return DataRequest(reference=bundled.dataset, split=bundled.calibration_split)


def _random(subject: Subject) -> DataRequest:
    return DataRequest(
        reference=RANDOM, limit=subject.samples or RANDOM_SAMPLES, seed=subject.seed, dimensions=subject.dimensions
    )


def model_path(path: Path) -> Path:
    """The file that a user names: a path, a bundled model's name, or a folder with one ONNX file in it."""
    if not path.exists() and str(path) in reference_models():
        return model_file(str(path))
    if holds_artifacts(path):
        return path
    files = sorted(path.glob("*.onnx")) if path.is_dir() else []
    if len(files) > 1:
        raise ModelError(f"{path} holds {len(files)} ONNX files: name one of them, such as {files[0]}")
    return files[0] if files else readable(path)
