"""Gets artifacts from the cache, and builds what it lacks.

One process converts from Keras with TensorFlow; beside it one quantizes the float32 ONNX file.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Event, Lock
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact, ReferenceLogits, sha256_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.exporters.build import REFERENCE
from crossrt.exporters.cache import ArtifactCache, reference_key, variant_key
from crossrt.exporters.errors import ExportError
from crossrt.exporters.jobs import BuildJob
from crossrt.exporters.sources.keras_file import check_model_file
from crossrt.exporters.variants import FLOAT_ONNX, Variant
from crossrt.harness.build.builder import Artifacts, BuildRequest, BuildState
from crossrt.harness.cli.progress import Display
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.answers import read_reference
from crossrt.harness.evaluate.evaluation import evaluate_artifact
from crossrt.harness.evaluate.workspace import Workspace
from crossrt.harness.process.child import ChildProcess, kill_all_children
from crossrt.harness.process.packages import QUIET, check_packages

BUILD_TIMEOUT_S = 300.0
LARGEST_FLOAT_ERROR = 1e-3


def get_artifacts(request: BuildRequest, cache: ArtifactCache, workspace: Workspace, display: Display) -> Artifacts:
    """Finds artifacts in the cache and builds what is missing.

    Raises:
        ExportError: The model cannot be loaded.
        HarnessError: Something must be built, and packages for that are missing.
    """
    check_model_file(request.model_path)
    model_sha256 = sha256_of(request.model_path)
    keys = {REFERENCE: reference_key(request.model, model_sha256)}
    wanted = {variant.item: variant for variant in (*request.variants, FLOAT_ONNX)}
    keys |= {item: variant_key(request.model, model_sha256, variant) for item, variant in wanted.items()}
    state = BuildState(
        request=request,
        model_sha256=model_sha256,
        keys=keys,
        found=Artifacts(reference=cache.find(keys[REFERENCE], ReferenceLogits)),
        cache=cache,
        workspace=workspace,
        display=display,
    )
    for item in (variant.item for variant in request.variants):
        if (artifact := cache.find(keys[item], ModelArtifact)) is not None:
            state.found.artifacts[artifact.id] = artifact
    missing = [each for each in request.variants if state.artifact_id(each.item) not in state.found.artifacts]
    if missing or state.found.reference is None:
        check_packages("building artifacts")
        build_missing(state, missing)
    return state.found


def build_missing(state: BuildState, missing: Sequence[Variant]) -> None:
    """Builds variants, and the Keras model's own answers where they are missing.

    Raises:
        ExportError: The model cannot be loaded or run.
    """
    building = _Building(state)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(work) for work in building.works(missing)]
        try:
            for future in futures:
                future.result()
        except BaseException:
            building.give_up()
            raise


class _Building:
    """One build. Its two processes are driven by threads, which wait and never compute."""

    def __init__(self, state: BuildState) -> None:
        self._state = state
        self._lock = Lock()
        self._float_is_settled = Event()
        self._float: ModelArtifact | None = state.cache.find(state.keys[FLOAT_ONNX.item], ModelArtifact)
        self._gave_up = False

    def works(self, missing: Sequence[Variant]) -> list[Callable[[], None]]:
        """What can be done side by side."""
        quantized = [variant for variant in missing if variant.format == "onnx" and variant.recipe is not None]
        from_keras = [variant for variant in missing if variant not in quantized]
        if quantized and self._float is None and FLOAT_ONNX not in from_keras:
            from_keras.append(FLOAT_ONNX)
        from_keras.sort(key=lambda variant: variant != FLOAT_ONNX)  # the other process waits for it
        if self._float is not None:
            self._float_is_settled.set()
        items = [] if self._state.found.reference else [REFERENCE]
        items += [variant.item for variant in from_keras]
        self._state.display.phase("building artifacts", len(items) + len(quantized))
        source = self._state.request.model_path
        works: list[Callable[[], None]] = []
        if items:
            works.append(lambda: self._run_keras(source, items, from_keras))
        if quantized:
            works.append(lambda: self._quantize(quantized))
        return works

    def give_up(self) -> None:
        """Ends both processes."""
        self._gave_up = True
        self._float_is_settled.set()
        kill_all_children()

    def _run_keras(self, source: Path, items: Sequence[str], variants: Sequence[Variant]) -> None:
        try:
            self._run("crossrt.exporters.build", source, items, variants)
        finally:
            self._float_is_settled.set()

    def _quantize(self, variants: Sequence[Variant]) -> None:
        self._float_is_settled.wait()
        if self._gave_up:
            return
        items = [variant.item for variant in variants]
        if self._float is None:
            for item in items:
                self._fail(item, ChildFailedError("the float32 ONNX file that it is made from could not be built", ""))
            return
        with tempfile.TemporaryDirectory(dir=self._state.workspace.folder) as folder:
            copy = Path(folder) / self._float.path.name  # quantizers leave files beside their input
            copy.write_bytes(self._float.path.read_bytes())
            self._run("crossrt.exporters.quantize", copy, items, variants)

    def _run(self, module: str, source: Path, items: Sequence[str], variants: Sequence[Variant]) -> None:
        """Runs a building process, again without the item at which it crashed."""
        recipes = {each.item: msgspec.to_builtins(each.recipe) for each in variants if each.recipe is not None}
        left = list(items)
        while left and not self._gave_up:
            with self._state.cache.staging() as folder:
                job = BuildJob(
                    model=self._state.request.model,
                    model_sha256=self._state.model_sha256,
                    source=str(source),
                    folder=str(folder),
                    items=left,
                    recipes=recipes,
                )
                crashed = self._run_process(module, job)
            left = left[left.index(crashed) + 1 :] if crashed else []

    def _run_process(self, module: str, job: BuildJob) -> str | None:
        """Builds items; returns the one at which the process ended before its time."""
        current = job.items[0]
        with ChildProcess(module, variables={**QUIET, "TMPDIR": job.folder}) as child:
            child.send(dataclasses.asdict(job))
            while True:
                try:
                    event = child.receive(BUILD_TIMEOUT_S)
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
        else:
            self._fail(item, child.failure(event["reason"]))

    def _check_and_keep(self, item: str, staged: Path) -> None:
        """An artifact that runs, and in float answers like the Keras model, moves to the cache; others are dropped."""
        state = self._state
        try:
            if item == REFERENCE:
                state.found.reference = state.cache.commit(staged, state.keys[item], ReferenceLogits)
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
        if state.found.reference is None:
            raise ChildFailedError("the Keras model's own answers are missing, so nothing can be checked", "")
        accuracy = evaluate_artifact(artifact, state.workspace, self._reference)
        if artifact.quantization is None and (accuracy.max_abs_error or 0) > LARGEST_FLOAT_ERROR:
            raise ChildFailedError(f"its logits differ from the Keras model's by up to {accuracy.max_abs_error:g}", "")
        artifact = state.cache.commit(staged, state.keys[item], ModelArtifact)
        if item in {variant.item for variant in state.request.variants}:
            with self._lock:
                state.found.artifacts[artifact.id] = artifact
                state.found.accuracies[artifact.id] = accuracy
        if item == FLOAT_ONNX.item:
            self._float = artifact
            self._float_is_settled.set()

    @cached_property
    def _reference(self) -> NDArray[np.float32]:
        reference = self._state.found.reference
        assert reference is not None
        return read_reference(reference, self._state.workspace)

    def _fail(self, item: str, failure: ChildFailedError) -> None:
        if item == REFERENCE:
            raise ExportError(f"{failure.reason} (artifacts are built in {self._state.cache.root})")
        if item == FLOAT_ONNX.item:
            self._float_is_settled.set()
        with self._lock:
            self._state.found.problems[self._state.artifact_id(item)] = failure
            self._state.display.remark(f"  {item}: not built: {failure.reason}")
            self._state.display.step()
