"""Gets artifacts from the cache, and builds what it lacks.

One process converts with TensorFlow; beside it one quantizes the float ONNX file, and another lets NNCF do so. A float
TFLite file that the user brings is quantized by one of its own.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any

import msgspec

from crossrt.core.artifact import ModelArtifact, ReferenceAnswers
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.core.memory import BUILDING_BYTES, memory_limit
from crossrt.exporters.cache import reference_key, shortage, variant_key
from crossrt.exporters.errors import ExportError
from crossrt.exporters.inspection import RUN_AS_THEY_ARE
from crossrt.exporters.jobs import REFERENCE, BuildJob
from crossrt.exporters.recipes.recipe import OnnxSameScales
from crossrt.exporters.variants import FLOAT_ONNX, FLOAT_TFLITE, Variant
from crossrt.harness.build.builder import Artifacts, BuildRequest, BuildState
from crossrt.harness.build.checking import FloatCheck
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.locations import artifact_cache
from crossrt.harness.process.child import ChildProcess, kill_all_children
from crossrt.harness.process.packages import BUILDING, QUANTIZING, QUANTIZING_TFLITE, QUIET, check_packages
from crossrt.harness.process.pool import DrivingPool
from crossrt.reports.text.cells import counted, listed
from crossrt.reports.text.progress import Display

BUILD_TIMEOUT_S = 600.0
LEARNING_TIMEOUT_S = 3_600.0
"""For weights whose rounding is learned: minutes on an idle machine, and many more where other work goes on."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Of numpy's matrix products: learning makes many small ones, whose threads wait for each other for minutes where other
work has the processors. Runtimes and converters have threads of their own."""

_COPIES = 3
"""How many times the size of a model a build may need while it goes on."""


def patience_s(job: BuildJob, item: str) -> float:
    """How long nothing may be heard while an item is built."""
    learns = job.recipes.get(item, {}).get("weight_rounding", "nearest") != "nearest"
    return LEARNING_TIMEOUT_S if learns else BUILD_TIMEOUT_S


def get_artifacts(request: BuildRequest, folder: Path, display: Display) -> Artifacts:
    """Finds artifacts in the cache and builds what is missing.

    Args:
        request: What is asked for.
        folder: A scratch folder.
        display: Follows.

    Raises:
        ExportError: The model cannot be loaded.
        HarnessError: Something must be built, and packages for that are missing.
    """
    state = _found_before(request, folder, display)
    missing = [each for each in request.variants if state.artifact_id(each.item) not in state.found.artifacts]
    if missing or (_converts(request) and state.found.reference is None):
        check_packages("building artifacts", _needed(request, missing))
        _build_missing(state, missing)
    return state.found


def _converts(request: BuildRequest) -> bool:
    """True if the source is not an artifact itself, so that TensorFlow is needed and the source's answers count."""
    return request.source.kind not in RUN_AS_THEY_ARE


def _needed(request: BuildRequest, missing: Sequence[Variant]) -> Sequence[str]:
    """Packages for building what is missing."""
    if _converts(request):
        return BUILDING
    if request.source.kind == "onnx":
        return QUANTIZING
    return (*QUANTIZING_TFLITE, *(("tensorflow",) if any(each.needs_calibration for each in missing) else ()))


def _found_before(request: BuildRequest, folder: Path, display: Display) -> BuildState:
    cache, source = artifact_cache(), request.source
    known = {variant.item: variant for variant in (*request.variants, FLOAT_ONNX)}
    keys = {
        item: variant_key(request.model, source.sha256, variant, request.calibration_fingerprint)
        for item, variant in known.items()
    }
    keys[REFERENCE] = reference_key(request.model, source.sha256, request.dataset.fingerprint, request.samples)
    found = Artifacts(reference=cache.find(keys[REFERENCE], ReferenceAnswers) if _converts(request) else None)
    for variant in request.variants:
        if (artifact := cache.find(keys[variant.item], ModelArtifact)) is not None:
            found.artifacts[artifact.id] = artifact
    return BuildState(request=request, keys=keys, found=found, cache=cache, folder=folder, display=display)


def _build_missing(state: BuildState, missing: Sequence[Variant]) -> None:
    building = _Building(state)
    with DrivingPool(2) as pool:
        try:
            futures = [pool.submit(work) for work in building.works(missing)]
            for future in futures:
                future.result()
        except BaseException as error:
            building.give_up()
            if isinstance(error, KeyboardInterrupt) and state.found.built:
                state.display.remark(f"{_finished(state)}; kept: the same command goes on from there")
            raise


def _finished(state: BuildState) -> str:
    """What was built before an interrupt."""
    names = [each.item for each in state.request.variants if state.artifact_id(each.item) in state.found.artifacts]
    return f"{counted(len(names), 'file')} finished: {listed(names)}"


def _size_of(path: str | Path) -> int:
    """Bytes of a model file or folder."""
    files = [Path(path)] if Path(path).is_file() else Path(path).rglob("*")
    return sum(each.stat().st_size for each in files if each.is_file())


def quantizing_module(variant: Variant) -> str:
    """What quantizes a float ONNX file for a variant: NNCF has a process of its own."""
    is_foreign = variant.recipe is not None and "nncf" in variant.recipe.needs
    return "crossrt.exporters.quantizers.nncf.quantize" if is_foreign else "crossrt.exporters.quantize"


class _Building:
    """One build. Its processes are driven by threads, which wait and never compute."""

    def __init__(self, state: BuildState) -> None:
        self._state = state
        self._lock = Lock()
        self._float_is_settled = Event()
        self._float: Path | None = None
        self._check = FloatCheck(state.request, state.folder)
        self._gave_up = False
        self._find_float()

    def _find_float(self) -> None:
        """The float ONNX file that is quantized: the source itself, or one that was exported before."""
        state = self._state
        if state.request.source.kind == "onnx":
            self._float = Path(state.request.source.path)
        elif (known := state.cache.find(state.keys[FLOAT_ONNX.item], ModelArtifact)) is not None:
            self._float = known.path
        if self._float is not None:
            self._float_is_settled.set()

    def works(self, missing: Sequence[Variant]) -> list[Callable[[], None]]:
        """What can be done side by side."""
        state = self._state
        if state.request.source.kind == "tflite":
            state.display.phase("building artifacts", len(missing))
            return [lambda: self._quantize_tflite(missing)]
        quantized = [variant for variant in missing if self._is_quantized_from_onnx(variant)]
        converted = [variant for variant in missing if variant not in quantized]
        if quantized and self._float is None and FLOAT_ONNX not in converted:
            converted.append(FLOAT_ONNX)
        converted.sort(key=lambda variant: variant != FLOAT_ONNX)  # the other process waits for it
        items = [REFERENCE] if _converts(state.request) and state.found.reference is None else []
        items += [variant.item for variant in converted]
        state.display.phase("building artifacts", len(items) + len(quantized))
        works: list[Callable[[], None]] = []
        if items:
            works.append(lambda: self._convert(items, converted))
        for module in dict.fromkeys(map(quantizing_module, quantized)):
            of_module = [variant for variant in quantized if quantizing_module(variant) == module]
            works.append(partial(self._quantize, module, of_module))
        return works

    def _is_quantized_from_onnx(self, variant: Variant) -> bool:
        """Whether an ONNX variant is made from the float ONNX file, not from the model itself."""
        is_converted = isinstance(variant.recipe, OnnxSameScales) and _converts(self._state.request)
        return variant.format == "onnx" and variant.recipe is not None and not is_converted

    def give_up(self) -> None:
        """Ends all processes."""
        self._gave_up = True
        self._float_is_settled.set()
        kill_all_children()

    def _convert(self, items: Sequence[str], variants: Sequence[Variant]) -> None:
        try:
            self._run("crossrt.exporters.build", Path(self._state.request.source.path), items, variants)
        finally:
            self._float_is_settled.set()

    def _quantize_tflite(self, variants: Sequence[Variant]) -> None:
        items = [variant.item for variant in variants]
        self._run(
            "crossrt.exporters.quantizers.tflite.quantize", Path(self._state.request.source.path), items, variants
        )

    def _quantize(self, module: str, variants: Sequence[Variant]) -> None:
        self._float_is_settled.wait()
        if self._gave_up:
            return
        items = [variant.item for variant in variants]
        if self._float is None:
            for item in items:
                self._fail(item, ChildFailedError("the float ONNX file that it is made from could not be built", ""))
            return
        with tempfile.TemporaryDirectory(dir=self._state.folder) as folder:
            copy = Path(folder) / self._float.name  # quantizers leave files beside their input
            source = self._state.request.source
            names = source.data_files if source.kind == "onnx" else ()
            for name in (self._float.name, *names):
                shutil.copyfile(self._float.with_name(name), Path(folder) / name)
            self._run(module, copy, items, variants)

    def _run(self, module: str, source: Path, items: Sequence[str], variants: Sequence[Variant]) -> None:
        """Runs a building process, again without the item at which it crashed."""
        left = list(items)
        while left and not self._gave_up:
            with self._state.cache.staging() as folder:
                crashed = self._run_process(module, self._job(source, folder, left, variants))
            left = left[left.index(crashed) + 1 :] if crashed else []

    def _job(self, source: Path, folder: Path, items: Sequence[str], variants: Sequence[Variant]) -> BuildJob:
        request = self._state.request
        return BuildJob(
            model=request.model,
            source_sha256=request.source.sha256,
            source=str(source),
            kind="onnx" if source.suffix == ".onnx" else request.source.kind,
            folder=str(folder),
            items=items,
            recipes={each.item: msgspec.to_builtins(each.recipe) for each in variants if each.recipe is not None},
            data=dataclasses.asdict(request.data),
            samples=request.samples,
            calibration=None if request.calibration is None else dataclasses.asdict(request.calibration),
            allow_h5=request.allow_h5,
            dimensions=dict(request.dimensions),
        )

    def _run_process(self, module: str, job: BuildJob) -> str | None:
        """Builds items; returns the one at which the process ended before its time."""
        current = job.items[0]
        limit = memory_limit([Path(job.source)], BUILDING_BYTES)
        with ChildProcess(
            module, variables={**QUIET, **ONE_THREAD, "TMPDIR": job.folder}, memory_limit_bytes=limit
        ) as child:
            child.send(dataclasses.asdict(job))
            while True:
                try:
                    event = child.receive(patience_s(job, current))
                except ChildFailedError as failure:
                    if self._gave_up:
                        return None
                    self._fail(current, failure)
                    return current
                current = event.get("item", current)
                if event["event"] == "failed":
                    raise ExportError(event["reason"])
                if event["event"] == "finished":
                    return None
                self._follow(event, current, Path(job.folder) / current, child)

    def _follow(self, event: dict[str, Any], item: str, staged: Path, child: ChildProcess) -> None:
        if event["event"] == "building":
            with self._lock:
                self._state.display.doing(item)
        elif event["event"] == "built":
            self._check_and_keep(item, staged)
        elif event.get("fits", True) or self._state.request.is_named:
            self._fail(item, child.failure(event["reason"]))
        else:
            self._leave_out(item, event["reason"])

    def _check_and_keep(self, item: str, staged: Path) -> None:
        """What was built moves to the cache; a float file only if it answers like its source."""
        state = self._state
        try:
            if item == REFERENCE:
                state.found.reference = state.cache.commit(staged, state.keys[item], ReferenceAnswers)
            else:
                self._keep_artifact(item, staged)
        except ChildFailedError as failure:
            if not self._gave_up:
                self._fail(item, failure)
            return
        with self._lock:
            state.found.built += 1
            state.display.step()

    def _keep_artifact(self, item: str, staged: Path) -> None:
        state, artifact = self._state, read_manifest(staged / ARTIFACT_MANIFEST, ModelArtifact)
        if item in (FLOAT_ONNX.item, FLOAT_TFLITE.item) and _converts(state.request):
            if state.found.reference is None:
                raise ChildFailedError("the source model's own answers are missing, so nothing can be checked", "")
            self._check.check(artifact, state.found.reference)
        artifact = state.cache.commit(staged, state.keys[item], ModelArtifact)
        if item in {variant.item for variant in state.request.variants}:
            with self._lock:
                state.found.artifacts[artifact.id] = artifact
        if item == FLOAT_ONNX.item:
            self._float = artifact.path
            self._float_is_settled.set()

    def _leave_out(self, item: str, reason: str) -> None:
        with self._lock:
            self._state.found.unfit[self._state.artifact_id(item)] = reason
            self._state.display.step()

    def _fail(self, item: str, failure: ChildFailedError) -> None:
        root = self._state.cache.root
        full = shortage(root, _COPIES * _size_of(self._state.request.source.path))
        if item == REFERENCE:
            raise ExportError(full or f"{failure.reason} (artifacts are built in {root})")
        if full is not None:
            # what a library says of a file cut short misleads: it goes to the details
            failure = ChildFailedError(full, f"{failure.stderr_tail}\n{failure.reason}".strip())
        if item == FLOAT_ONNX.item:
            self._float_is_settled.set()
        with self._lock:
            self._state.found.problems[self._state.artifact_id(item)] = failure
            self._state.display.failure(f"  {item}: not built: {failure.reason}")
            self._state.display.step()
