"""Gets artifacts: from the cache, or built in a process of their own and checked before they count."""

from __future__ import annotations

import dataclasses
import importlib.util
import platform
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exporters.artifact import ModelArtifact, ReferenceLogits, sha256_of
from exporters.build import REFERENCE, BuildJob, item_name
from exporters.cache import ArtifactCache, reference_key, variant_key
from exporters.errors import ExportError
from exporters.keras_model import check_model_file
from exporters.manifest import ARTIFACT_MANIFEST, read_manifest
from exporters.variants import Variant
from harness.answers import judge_answers, read_reference
from harness.case import Scenario
from harness.case_worker import CaseWorker
from harness.child import ChildProcess
from harness.errors import ChildFailedError, HarnessError
from harness.progress import Display
from harness.settings import WorkerLimits
from harness.workspace import Workspace
from reports.schema import Accuracy
from runtimes.registry import SHIPPED, install_command

BUILD_TIMEOUT_S = 300.0
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "ORT_DISABLE_TELEMETRY": "1"}
CHECK_BATCH = 100
LARGEST_FLOAT_ERROR = 1e-3

_SMALL_TENSORFLOW = sys.platform == "linux" and platform.machine() == "x86_64"
_NEEDED = {
    "tensorflow": "tensorflow-cpu" if _SMALL_TENSORFLOW else "tensorflow",
    "tf2onnx": "tf2onnx",
    "onnx": "onnx",
    "onnxslim": "onnxslim",
    "sympy": "sympy",
    "onnxruntime": "onnxruntime",
    "ai_edge_litert": "ai-edge-litert",
}


@dataclass(slots=True, kw_only=True)
class Artifacts:
    """What there is to run: artifacts by id, and the reasons why others could not be had."""

    artifacts: dict[str, ModelArtifact] = field(default_factory=dict)
    problems: dict[str, ChildFailedError] = field(default_factory=dict)
    reference: ReferenceLogits | None = None
    built: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What to build."""

    model: str
    model_path: Path
    variants: Sequence[Variant]


def get_artifacts(request: BuildRequest, cache: ArtifactCache, workspace: Workspace, display: Display) -> Artifacts:
    """Finds artifacts in the cache and builds what is missing.

    Raises:
        ExportError: The model cannot be loaded.
        HarnessError: Something must be built, and packages for that are missing.
    """
    check_model_file(request.model_path)
    model_sha256 = sha256_of(request.model_path)
    keys = {REFERENCE: reference_key(request.model, model_sha256)}
    keys |= {item_name(variant): variant_key(request.model, model_sha256, variant) for variant in request.variants}
    found = Artifacts(reference=cache.find(keys[REFERENCE], ReferenceLogits))
    missing = [] if found.reference else [REFERENCE]
    for item in keys.keys() - {REFERENCE}:
        if (artifact := cache.find(keys[item], ModelArtifact)) is not None:
            found.artifacts[artifact.id] = artifact
    missing += [item for item in keys if item != REFERENCE and f"{request.model}.{item}" not in found.artifacts]
    if missing:
        check_packages("building artifacts")
        display.phase("building artifacts", len(missing))
        _Building(request, keys, found, cache, workspace, display).run(missing)
    return found


def check_packages(purpose: str, modules: Collection[str] = tuple(_NEEDED)) -> None:
    """Raises `HarnessError` with the install command where a package that a purpose needs is missing."""
    missing = [_NEEDED[module] for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise HarnessError(f"{purpose} needs {', '.join(missing)}, not installed here: {install_command(*missing)}")


class _Building:
    """One run of the building process, restarted without the item at which it crashed."""

    def __init__(
        self,
        request: BuildRequest,
        keys: Mapping[str, str],
        found: Artifacts,
        cache: ArtifactCache,
        workspace: Workspace,
        display: Display,
    ) -> None:
        self._request = request
        self._keys = keys
        self._found = found
        self._cache = cache
        self._workspace = workspace
        self._display = display
        self._reference: NDArray[np.float32] | None = None

    def run(self, missing: Sequence[str]) -> None:
        left = list(missing)
        while left:
            with self._cache.staging() as folder:
                crashed = self._run_process(folder, left)
            left = left[left.index(crashed) + 1 :] if crashed else []

    def _run_process(self, folder: Path, items: Sequence[str]) -> str | None:
        """Builds items; returns the one at which the process ended before its time."""
        job = BuildJob(
            model=self._request.model, model_path=str(self._request.model_path), folder=str(folder), items=list(items)
        )
        current = items[0]
        with ChildProcess("exporters.build", variables={**QUIET, "TMPDIR": str(folder)}) as child:
            child.send(dataclasses.asdict(job))
            while True:
                try:
                    event = child.receive(BUILD_TIMEOUT_S)
                except ChildFailedError as failure:
                    self._fail(current, failure)
                    return current
                current = event.get("item", current)
                match event["event"]:
                    case "building":
                        self._display.doing(current)
                    case "built":
                        self._check_and_keep(current, folder / current)
                    case "item_failed":
                        self._fail(current, child.failure(event["reason"]))
                    case "failed":
                        raise ExportError(event["reason"])
                    case _:
                        return None

    def _check_and_keep(self, item: str, staged: Path) -> None:
        """An artifact that runs, and in float answers like the Keras model, moves to the cache; others are dropped."""
        try:
            if item == REFERENCE:
                self._found.reference = self._cache.commit(staged, self._keys[item], ReferenceLogits)
            else:
                self._check(read_manifest(staged / ARTIFACT_MANIFEST, ModelArtifact))
                artifact = self._cache.commit(staged, self._keys[item], ModelArtifact)
                self._found.artifacts[artifact.id] = artifact
        except ChildFailedError as failure:
            self._fail(item, failure)
            return
        self._found.built += 1
        self._display.step()

    def _check(self, artifact: ModelArtifact) -> None:
        if self._found.reference is None:
            raise ChildFailedError("the Keras model's own answers are missing, so nothing can be checked", "")
        if self._reference is None:
            self._reference = read_reference(self._found.reference, self._workspace)
        accuracy = evaluate_artifact(artifact, self._workspace, self._reference)
        if artifact.quantization is None and (accuracy.max_abs_error or 0) > LARGEST_FLOAT_ERROR:
            raise ChildFailedError(f"its logits differ from the Keras model's by up to {accuracy.max_abs_error:g}", "")

    def _fail(self, item: str, failure: ChildFailedError) -> None:
        if item == REFERENCE:
            raise ExportError(f"{failure.reason} (artifacts are built in {self._cache.root})")
        self._found.problems[f"{self._request.model}.{item}"] = failure
        self._display.remark(f"  {item}: not built: {failure.reason}")
        self._display.step()


def evaluate_artifact(artifact: ModelArtifact, workspace: Workspace, reference: NDArray[np.float32] | None) -> Accuracy:
    """Accuracy of an artifact on the shipped runtime of its format; raises `ChildFailedError` where it does not run."""
    runtime = next(name for name, shipped in SHIPPED.items() if artifact.format in shipped.formats)
    with CaseWorker(1, WorkerLimits()) as worker:
        worker.start_import(runtime)
        worker.finish_import()
        worker.load(artifact, Scenario(batch_size=CHECK_BATCH, threads=1))
        return judge_answers(worker, CHECK_BATCH, workspace, reference)
