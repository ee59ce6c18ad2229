"""What a training changed beyond quantization: a trained file that answers otherwise than the float model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossrt.harness.qat.request import Trained
from crossrt.reports.statistics.estimates import CONFIDENCE
from crossrt.reports.statistics.paired import PairedChange, paired_change

NOTABLE_GAIN: Final = 0.005
"""Of the share of right answers: quantization by itself rarely gains as much."""
LOW_AGREEMENT: Final = 0.95


def training_notes(found: Trained) -> Iterator[str]:
    """Says that what was gained comes from further training, where it is more than chance and rounding explain."""
    gained = _gain(found)
    agreement = min((each.values.get("agreement", 1.0) for each in found.evaluations.values()), default=1.0)
    why = (
        "that comes from training further, not from quantization. For a fair comparison train the float model until it"
        " gains no more, and run qat on the result"
    )
    if gained is not None:
        interval = f"[{100 * gained.lower:+z.2f}, {100 * gained.upper:+z.2f}]"
        yield (
            f"the trained files are {100 * gained.change:.2f} pp {interval} better than the float model and agree with"
            f" it on {agreement:.2%} of the samples: {why}"
        )
    elif agreement < LOW_AGREEMENT:
        yield f"the trained files agree with the float model on {agreement:.2%} of the samples alone: {why}"


def _gain(found: Trained) -> PairedChange | None:
    """The smaller change of both files, if it is notable and not due to chance."""
    scored = found.evaluations
    base = next((scored[key] for key, each in found.artifacts.items() if each.role == "float" and key in scored), None)
    definition = found.definitions[0] if found.definitions else None
    if base is None or definition is None or definition.paired_test != "mcnemar":
        return None
    trained = [scored[key] for key, each in found.artifacts.items() if each.role == "quantized" and key in scored]
    changes = [paired_change(base, each, definition, (1 - CONFIDENCE) / 2) for each in trained]
    known = [each for each in changes if each is not None]
    if not known or any(each.lower <= 0 or each.change < NOTABLE_GAIN for each in known):
        return None
    return min(known, key=lambda each: each.change)
