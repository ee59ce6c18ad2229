"""Changes of a recipe that a diagnosis suggests, built and evaluated before they are recommended."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from crossrt.analysis.diagnosis.record import Diagnosis
from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxStatic, OnnxWeightOnly, Recipe, TfliteStatic
from crossrt.exporters.recipes.rules import impossible
from crossrt.exporters.variants import Variant
from crossrt.harness.analyze.diagnosis.run import saturates, worst_activation
from crossrt.harness.analyze.diagnosis.suggestions import suggestions, together
from crossrt.harness.build.export import run_export
from crossrt.harness.build.subject import Found, Target
from crossrt.reports.text.progress import Display

MANY_SAMPLES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A change of the recipe, tried out.

    Attributes:
        change: In words, as it would stand in TOML.
        evaluation: How the changed variant answers, or None where it cannot be built.
        size_bytes: Its size.
    """

    change: str
    evaluation: Evaluation | None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """The variant as it is, then with each change, the best first.

    Attributes:
        tried: One entry for each.
        metric: What the task is about, or None where nothing was scored.
        samples: How many samples each answered.
    """

    tried: Sequence[Trial]
    metric: MetricDefinition | None
    samples: int


def worst_sqnr(evaluation: Evaluation) -> float | None:
    """The ratio of the worst output; None where no output has any noise."""
    return min((each.sqnr_db for each in evaluation.outputs if each.sqnr_db is not None), default=None)


def changes(recipe: Recipe, diagnosis: Diagnosis) -> Iterator[Mapping[str, Any]]:
    """Changes worth trying, each as fields of the recipe."""
    if isinstance(recipe, OnnxStatic):
        if recipe.quant_format == "qoperator" and diagnosis.causes:
            yield {"quant_format": "qdq"}
        if saturates(diagnosis):
            yield {"reduce_range": True}
            yield {"weight_type": "uint8", "weight_symmetric": False}
        suggested = suggestions(diagnosis, recipe)
        yield from (each.fields for each in suggested)
        yield together(suggested)
        yield {"per_channel": True}
        yield {"calibrate_method": "minmax", "calibration_symmetric": False}
        yield {"calibrate_method": "percentile", "percentile": 99.99}
        yield {"calibrate_method": "entropy"}
        yield {"calibration_samples": MANY_SAMPLES}
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
        yield {"algorithm": "k-quant", "weight_symmetric": False}
        yield {"algorithm": "gptq", "weight_symmetric": False}
    if isinstance(recipe, TfliteStatic):
        yield {"per_channel": True, "per_channel_dense": True}
        yield {"calibration_samples": MANY_SAMPLES}
        yield {"activation_type": "int16", "io_type": "float32"}


def try_changes(target: Target, found: Found, diagnosis: Diagnosis, display: Display) -> Trials | None:
    """Builds the variant with each change and evaluates it; None where nothing can be built or changed.

    Raises:
        ExportError: The model cannot be loaded.
        HarnessError: Packages are missing.
    """
    if found.opened is None or found.recipe is None:
        return None
    recipe = msgspec.convert(found.recipe, Recipe)
    variants = {"as it is": Variant(name=found.artifact.variant, format=found.artifact.format, recipe=recipe)}
    for number, fields in enumerate(changes(recipe, diagnosis)):
        changed = {name: value for name, value in fields.items() if getattr(recipe, name) != value}
        other = msgspec.structs.replace(recipe, **changed)
        too_few = "calibration_samples" in changed and not _has_more(found, recipe)
        if changed and not too_few and impossible(other) is None and in_words(changed) not in variants:
            name = f"{found.artifact.variant}-try{number}"
            variants[in_words(changed)] = Variant(name=name, format=found.artifact.format, recipe=other)
    display.phase("trying changes", len(variants))
    built = run_export(found.opened, target.subject, list(variants.values()), 0.0, display)
    model, tried = found.artifact.model, []
    for words, variant in variants.items():
        artifact = built.found.artifacts.get(f"{model}.{variant.item}")
        evaluation = built.evaluations.get(f"{model}.{variant.item}")
        size_bytes = 0 if artifact is None else artifact.size_bytes
        tried.append(Trial(change=words, evaluation=evaluation, size_bytes=size_bytes))
    return Trials(
        tried=[tried[0], *sorted(tried[1:], key=lambda trial: -_sqnr(trial))],
        metric=next(iter(built.definitions), None),
        samples=found.opened.data.samples,
    )


def _has_more(found: Found, recipe: Recipe) -> bool:
    """True if there are more calibration samples than a recipe takes."""
    calibration = found.opened.calibration if found.opened is not None else None
    taken = getattr(recipe, "calibration_samples", 0)
    return calibration is not None and len(calibration) > taken


def in_words(fields: Mapping[str, Any]) -> str:
    """`per_channel = true`, much as in TOML."""
    found = []
    for name, value in fields.items():
        shown = value if isinstance(value, str) else ", ".join(value) if isinstance(value, tuple) else value
        found.append(f"{name} = {str(shown).lower() if isinstance(value, bool) else shown}")
    return ", ".join(found)


def _sqnr(trial: Trial) -> float:
    """For sorting: what cannot be built last, what has no noise first."""
    if trial.evaluation is None:
        return -math.inf
    worst = worst_sqnr(trial.evaluation)
    return math.inf if worst is None else worst
