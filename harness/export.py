"""Building artifacts for their own sake."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exporters.build import item_name
from exporters.cache import ArtifactCache
from exporters.keras_model import model_name
from exporters.variants import VARIANTS, Variant
from harness.answers import agreement_problem, read_reference
from harness.builder import Artifacts, BuildRequest, evaluate_artifact, get_artifacts
from harness.errors import ChildFailedError, HarnessError
from harness.locations import cache_folder
from harness.progress import Display
from harness.workspace import Workspace, open_workspace
from reports.patterns import matches


def run_export(model_path: Path, only: Sequence[str], minimum_agreement: float, display: Display) -> Artifacts:
    """Builds the selected variants, or finds them in the cache.

    Raises:
        HarnessError: The patterns select nothing, or packages are missing.
        ExportError: The model cannot be loaded.
    """
    model = model_name(model_path)
    variants = [variant for variant in VARIANTS if _is_selected(model, variant, only)]
    if not variants:
        known = ", ".join(item_name(variant) for variant in VARIANTS)
        raise HarnessError(f"--only {' '.join(only)} selects no artifact; there are: {known}")
    request = BuildRequest(model=model, model_path=model_path, variants=variants)
    with open_workspace() as workspace:
        found = get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, display)
        _reject(found, minimum_agreement, workspace, display)
        return found


def _reject(found: Artifacts, minimum_agreement: float, workspace: Workspace, display: Display) -> None:
    """Moves artifacts that answer too differently from the Keras model to the problems."""
    reference = read_reference(found.reference, workspace) if found.reference else None
    display.phase("checking answers", len(found.artifacts))
    for artifact in list(found.artifacts.values()):
        accuracy = evaluate_artifact(artifact, workspace, reference)
        if (problem := agreement_problem(accuracy, minimum_agreement)) is not None:
            found.problems[artifact.id] = ChildFailedError(problem, "")
            del found.artifacts[artifact.id]
        display.step(artifact.id)


def _is_selected(model: str, variant: Variant, only: Sequence[str]) -> bool:
    item = item_name(variant)
    return not only or any(matches(pattern, f"{model}.{item}", item, variant.name) for pattern in only)
