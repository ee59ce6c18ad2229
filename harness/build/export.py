"""Building artifacts for their own sake."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from crossrt.exporters.cache import ArtifactCache
from crossrt.exporters.sources.keras_file import model_name
from crossrt.exporters.variants import Variant
from crossrt.harness.build.builder import Artifacts, BuildRequest
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.cli.progress import Display
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.evaluate.answers import agreement_problem, read_reference
from crossrt.harness.evaluate.evaluation import evaluate_artifact
from crossrt.harness.evaluate.workspace import Workspace, open_workspace
from crossrt.harness.locations import cache_folder
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.child import kill_all_children
from crossrt.reports.text.cells import listed
from crossrt.reports.text.patterns import matches


def run_export(
    model_path: Path, variants: Sequence[Variant], only: Sequence[str], minimum_agreement: float, display: Display
) -> Artifacts:
    """Builds the selected variants, or finds them in the cache.

    Those that answer too differently from the Keras model are among the problems.

    Raises:
        HarnessError: The patterns select nothing, or packages are missing.
        ExportError: The model cannot be loaded.
    """
    model = model_name(model_path)
    chosen = select_variants(model, variants, only)
    request = BuildRequest(model=model, model_path=model_path, variants=chosen)
    with open_workspace() as workspace:
        found = get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, display)
        _evaluate(found, workspace, display)
    for artifact in list(found.artifacts.values()):
        problem = agreement_problem(found.accuracies[artifact.id], minimum_agreement, artifact.quantization)
        if problem is not None:
            found.problems[artifact.id] = ChildFailedError(problem, "")
            del found.artifacts[artifact.id]
    order = {f"{model}.{variant.item}": place for place, variant in enumerate(chosen)}
    found.artifacts = dict(sorted(found.artifacts.items(), key=lambda each: order[each[0]]))
    return found


def select_variants(model: str, variants: Sequence[Variant], only: Sequence[str]) -> list[Variant]:
    """The variants that fit a pattern; all of them where there is none.

    Raises:
        HarnessError: The patterns select nothing.
    """
    found = [each for each in variants if not only or any(_fits(pattern, model, each.item) for pattern in only)]
    if not found:
        known = listed([variant.item for variant in variants])
        raise HarnessError(f"{' '.join(only)} selects no artifact; there are: {known}")
    return found


def _fits(pattern: str, model: str, item: str) -> bool:
    """True if a pattern selects `<variant>.<format>`; a plain variant's name selects that variant alone."""
    return matches(pattern, f"{model}.{item}", item, item.partition(".")[0])


def _evaluate(found: Artifacts, workspace: Workspace, display: Display) -> None:
    """Fills in how those answer that come from the cache; nothing is timed, so several run at once."""
    reference = read_reference(found.reference, workspace) if found.reference else None
    left = [each for each in found.artifacts.values() if each.id not in found.accuracies]
    display.phase("checking answers", len(left))
    with ThreadPoolExecutor(len(usable_cpus())) as pool:
        futures = {pool.submit(evaluate_artifact, each, workspace, reference): each for each in left}
        try:
            for future in as_completed(futures):
                artifact = futures[future]
                try:
                    found.accuracies[artifact.id] = future.result()
                except ChildFailedError as failure:
                    found.problems[artifact.id] = failure
                    del found.artifacts[artifact.id]
                display.step(artifact.id)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            kill_all_children()
            raise
