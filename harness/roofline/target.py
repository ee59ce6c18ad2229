"""The file that `crossrt roofline` looks at: one of the user's, or a variant in a folder or built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.datasets.opening import DataRequest
from crossrt.exporters.errors import ModelError
from crossrt.exporters.sources.work import UNKNOWN, count_work
from crossrt.harness.analyze.explain import chosen_file
from crossrt.harness.build.model_files import is_model_file, model_artifact
from crossrt.harness.build.subject import Target
from crossrt.harness.build.variant_files import known_variants, variant_files
from crossrt.harness.errors import HarnessError
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.harness.process.user_data import served
from crossrt.harness.roofline.work import check_countable
from crossrt.harness.run.prepare import open_project
from crossrt.reports.text.progress import Display
from crossrt.runtimes.registry import shipped_runtime_for


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenFile:
    """A file, the runtime that runs it, and what it is fed with; None for random inputs."""

    artifact: ModelArtifact
    runtime: RuntimeInfo
    data: DataRequest | None


def artifact_of(
    target: Target,
    what: str,
    runtime: str | None,
    runtime_of: Callable[[str, Display], RuntimeInfo],
    folder: Path,
    display: Display,
) -> ChosenFile:
    """Finds or builds it.

    Args:
        target: What the user names, and how it is opened.
        what: The file or the variant in it.
        runtime: The runtime in it, or None for the shipped one of a file's format.
        runtime_of: Looks up a runtime that can be used.
        folder: A scratch folder.
        display: Follows.

    Raises:
        HarnessError: There is no such file, or the runtime does not read it.
    """
    if is_model_file(what):
        artifact = model_artifact(Path(what))
        _check_work(artifact, target.subject.dimensions)
        info = runtime_of(runtime or shipped_runtime_for(artifact.format), display)
        if artifact.format not in info.formats:
            raise HarnessError(f"{info.name} reads {', '.join(info.formats)}, not {artifact.format}")
        data = target.subject.data
        return ChosenFile(
            artifact=artifact,
            runtime=info,
            data=None if data is None else served(data, artifact.inputs, folder),
        )
    assert runtime is not None
    info = runtime_of(runtime, display)
    opened = open_project(target.subject, folder)
    variants = known_variants(opened.project, target.recipes, what)
    readable = [each for each in variants if each.format in info.formats]
    files = variant_files(opened, target.subject, readable, (), display)
    return ChosenFile(artifact=chosen_file(what, info, files), runtime=info, data=opened.project.data)


def _check_work(artifact: ModelArtifact, dimensions: Mapping[str, int]) -> None:
    """Refuses a file without work before any process is started; what data may tell is asked again later."""
    with suppress(ModelError):
        counted = count_work(artifact, dimensions)
        if not counted.layers and UNKNOWN.issuperset(counted.uncounted):
            check_countable(artifact.path.name, counted)
