"""What is asked of a build, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossrt.core.artifact import ModelArtifact, ReferenceAnswers
from crossrt.datasets.opening import DataRequest
from crossrt.datasets.protocol import Dataset
from crossrt.exporters.cache import ArtifactCache
from crossrt.exporters.inspection import Inspection
from crossrt.exporters.variants import Variant
from crossrt.harness.errors import ChildFailedError
from crossrt.reports.text.cells import grouped
from crossrt.reports.text.progress import Display


@dataclass(slots=True, kw_only=True)
class Artifacts:
    """What there is to run.

    Attributes:
        artifacts: Artifacts by id.
        problems: Why others could not be had, by id.
        unfit: Why a recipe that nobody named does not fit the model, by id: no problem, for it was only tried.
        reference: The answers of the model that they were made from.
        built: How many items were built, the reference included.
    """

    artifacts: dict[str, ModelArtifact] = field(default_factory=dict)
    problems: dict[str, ChildFailedError] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    reference: ReferenceAnswers | None = None
    built: int = 0

    @property
    def left_out(self) -> list[str]:
        """What does not fit, each reason once behind the ids that it is said of."""
        return grouped(self.unfit)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What to build.

    Attributes:
        model: Name of the model.
        source: What it is built from.
        variants: What is asked for.
        data: The data set that the source answers, for the reference, and by which float files are checked.
        dataset: The same, opened.
        samples: How many samples the source answers.
        calibration: What quantizers are calibrated with, or None.
        calibration_fingerprint: Fingerprint of that data set.
        dimensions: Sizes of dynamic dimensions, by name.
        allow_h5: Whether a legacy `.h5` file may be loaded.
        is_named: Whether the user named the variants: one that does not fit the model, by a known limit, is then a
            problem.
    """

    model: str
    source: Inspection
    variants: Sequence[Variant]
    data: DataRequest
    dataset: Dataset
    samples: int
    calibration: DataRequest | None = None
    calibration_fingerprint: str | None = None
    dimensions: Mapping[str, int] = field(default_factory=dict)
    allow_h5: bool = False
    is_named: bool = True


@dataclass(slots=True, kw_only=True)
class BuildState:
    """A request while it is served: what was found, where results go, who watches.

    Attributes:
        request: What is asked for.
        keys: Key in the cache of every item.
        found: What there is so far.
        cache: Where results are kept.
        folder: A scratch folder.
        display: Follows.
    """

    request: BuildRequest
    keys: Mapping[str, str]
    found: Artifacts
    cache: ArtifactCache
    folder: Path
    display: Display

    def artifact_id(self, item: str) -> str:
        """`<model>.<item>`."""
        return f"{self.request.model}.{item}"
