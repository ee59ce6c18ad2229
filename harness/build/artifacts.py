"""Which model files a run can have: those of an exported folder, or those that the cache holds and builds."""

from __future__ import annotations

from collections.abc import Sequence

from crossrt.exporters.cache import ArtifactCache
from crossrt.exporters.sources.keras_file import model_name
from crossrt.exporters.variants import main_variants
from crossrt.harness.build.builder import Artifacts, BuildRequest
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.cli.progress import Display
from crossrt.harness.evaluate.workspace import Workspace
from crossrt.harness.locations import cache_folder
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.plan import Candidate
from crossrt.harness.measure.settings import BASELINE_VARIANT, BenchSettings


def candidates_of(settings: BenchSettings, folder: Artifacts | None) -> list[Candidate]:
    """The files of an exported folder, or every variant of the model."""
    if folder is not None:
        return [
            Candidate(model=each.model, variant=each.variant, format=each.format) for each in folder.artifacts.values()
        ]
    model = model_name(settings.model_path)
    return [Candidate(model=model, variant=each.name, format=each.format) for each in main_variants()]


def artifacts_for(cases: Sequence[Case], settings: BenchSettings, workspace: Workspace, display: Display) -> Artifacts:
    """The files that these cases run, from the cache where it has them.

    Raises:
        ExportError: The model cannot be loaded.
        HarnessError: Something must be built, and packages for that are missing.
    """
    wanted = {(case.variant, case.format) for case in cases}
    if settings.diagnoses:
        wanted |= {(BASELINE_VARIANT, case.format) for case in cases}
    request = BuildRequest(
        model=model_name(settings.model_path),
        model_path=settings.model_path,
        variants=[variant for variant in main_variants() if (variant.name, variant.format) in wanted],
    )
    return get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, display)
