"""What is asked of a build, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossrt.core.artifact import ModelArtifact, ReferenceLogits
from crossrt.exporters.cache import ArtifactCache
from crossrt.exporters.variants import Variant
from crossrt.harness.cli.progress import Display
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.workspace import Workspace
from crossrt.reports.schema.records import Accuracy


@dataclass(slots=True, kw_only=True)
class Artifacts:
    """What there is to run.

    Attributes:
        artifacts: Artifacts by id.
        problems: Why others could not be had, by id.
        reference: The Keras model's own answers.
        accuracies: How the artifacts that were built just now answer, by id.
        built: How many items were built, the reference included.
    """

    artifacts: dict[str, ModelArtifact] = field(default_factory=dict)
    problems: dict[str, ChildFailedError] = field(default_factory=dict)
    reference: ReferenceLogits | None = None
    accuracies: dict[str, Accuracy] = field(default_factory=dict)
    built: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What to build."""

    model: str
    model_path: Path
    variants: Sequence[Variant]


@dataclass(slots=True, kw_only=True)
class BuildState:
    """A request while it is served: what was found, where results go, who watches.

    Attributes:
        request: What is wanted.
        model_sha256: Hash of the Keras file.
        keys: Key in the cache of every item.
        found: What there is so far.
    """

    request: BuildRequest
    model_sha256: str
    keys: Mapping[str, str]
    found: Artifacts
    cache: ArtifactCache
    workspace: Workspace
    display: Display

    def artifact_id(self, item: str) -> str:
        """`<model>.<item>`."""
        return f"{self.request.model}.{item}"
