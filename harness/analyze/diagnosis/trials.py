"""Changes of a recipe that a diagnosis suggests, built and evaluated before they are recommended."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from crossrt.analysis.diagnosis.record import Diagnosis
from crossrt.exporters.cache import ArtifactCache
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxStatic, OnnxWeightOnly, Recipe, TfliteStatic
from crossrt.exporters.recipes.rules import impossible
from crossrt.exporters.sources.keras_file import model_name
from crossrt.exporters.variants import Variant
from crossrt.harness.analyze.diagnosis.run import saturates, worst_activation
from crossrt.harness.build.builder import BuildRequest
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.build.subject import Found, Subject
from crossrt.harness.cli.progress import Display
from crossrt.harness.evaluate.answers import read_reference
from crossrt.harness.evaluate.evaluation import evaluate_artifact
from crossrt.harness.evaluate.workspace import open_workspace
from crossrt.harness.locations import cache_folder
from crossrt.reports.schema.records import Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A change of the recipe, tried out.

    Attributes:
        change: In words, as it would stand in TOML.
        accuracy: How the changed variant answers, or None where it cannot be built.
        size_bytes: Its size.
    """

    change: str
    accuracy: Accuracy | None
    size_bytes: int = 0


def changes(recipe: Recipe, diagnosis: Diagnosis) -> Iterator[Mapping[str, Any]]:
    """Changes worth trying, each as fields of the recipe."""
    if isinstance(recipe, OnnxStatic):
        if saturates(diagnosis):
            yield {"reduce_range": True}
            yield {"weight_type": "uint8", "weight_symmetric": False}
        yield {"per_channel": True}
        yield {"calibrate_method": "minmax", "calibration_symmetric": False}
        yield {"calibrate_method": "percentile", "percentile": 99.99}
        yield {"calibrate_method": "entropy"}
        yield {"calibration_samples": 10_000}
        yield {"keep_removable_activations": True}
        yield {"activation_type": "uint16"}
        worst = worst_activation(diagnosis)
        if worst is not None and worst.node is not None:
            yield {"nodes_to_exclude": (*recipe.nodes_to_exclude, worst.node)}
    if isinstance(recipe, OnnxDynamic):
        yield {"per_channel": True}
        yield {"weight_type": "int8", "weight_symmetric": True, "reduce_range": True}
    if isinstance(recipe, OnnxWeightOnly):
        yield {"bits": 8}
        yield {"block_size": 16}
        yield {"weight_symmetric": False}
    if isinstance(recipe, TfliteStatic):
        yield {"per_channel": True, "per_channel_dense": True}
        yield {"calibration_samples": 10_000}
        yield {"activation_type": "int16", "io_type": "float32"}


def try_changes(subject: Subject, found: Found, diagnosis: Diagnosis, display: Display) -> list[Trial]:
    """Builds the variant with each change and evaluates it on all test digits; the variant itself comes first."""
    recipe = msgspec.convert(found.recipe, Recipe)
    variants: dict[str, Variant] = {}
    for number, fields in enumerate(changes(recipe, diagnosis)):
        changed = {name: value for name, value in fields.items() if getattr(recipe, name) != value}
        other = msgspec.structs.replace(recipe, **changed)
        if changed and impossible(other) is None:
            name = f"{found.artifact.variant}-try{number}"
            variants[_words(changed)] = Variant(name=name, format=found.artifact.format, recipe=other)
    model = model_name(subject.model_path)
    request = BuildRequest(model=model, model_path=subject.model_path, variants=list(variants.values()))
    with open_workspace() as workspace:
        built = get_artifacts(request, ArtifactCache(cache_folder() / "artifacts"), workspace, display)
        assert built.reference is not None
        reference = read_reference(built.reference, workspace)
        display.phase("trying changes", len(variants) + 1)
        trials = [
            Trial(
                change="as it is",
                accuracy=evaluate_artifact(found.artifact, workspace, reference),
                size_bytes=found.artifact.size_bytes,
            )
        ]
        for words, variant in variants.items():
            artifact = built.artifacts.get(f"{model}.{variant.item}")
            if artifact is None:
                trials.append(Trial(change=words, accuracy=None))
            else:
                accuracy = built.accuracies.get(artifact.id) or evaluate_artifact(artifact, workspace, reference)
                trials.append(Trial(change=words, accuracy=accuracy, size_bytes=artifact.size_bytes))
            display.step(words)
    return [trials[0], *sorted(trials[1:], key=lambda trial: -_sqnr(trial))]


def _words(fields: Mapping[str, Any]) -> str:
    """`per_channel = true`, as in TOML."""
    found = []
    for name, value in fields.items():
        shown = value if isinstance(value, str) else ", ".join(value) if isinstance(value, tuple) else value
        found.append(f"{name} = {str(shown).lower() if isinstance(value, bool) else shown}")
    return ", ".join(found)


def _sqnr(trial: Trial) -> float:
    return trial.accuracy.sqnr_db if trial.accuracy and trial.accuracy.sqnr_db is not None else -math.inf
