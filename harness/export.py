"""Building artifacts for their own sake."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exporters.build import item_name
from exporters.cache import ArtifactCache
from exporters.keras_model import model_name
from exporters.variants import VARIANTS, Variant
from harness.builder import Artifacts, BuildRequest, get_artifacts
from harness.case import matches
from harness.errors import HarnessError
from harness.locations import cache_folder
from harness.progress import Display
from harness.workspace import open_workspace


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
    request = BuildRequest(model=model, model_path=model_path, variants=variants, minimum_agreement=minimum_agreement)
    with open_workspace() as workspace:
        return get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, display)


def _is_selected(model: str, variant: Variant, only: Sequence[str]) -> bool:
    item = item_name(variant)
    return not only or any(matches(pattern, f"{model}.{item}", item, variant.name) for pattern in only)
