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
_WHY: Final = (
    ": that comes from training further rather than from quantization. For a fair comparison train the float model"
    " until it gains no more, and run qat on the result"
)


def training_notes(found: Trained) -> Iterator[str]:
    """Says that what was gained comes from further training, where it is more than chance and rounding explain.

    Files that lost accuracy are none of that: there quantization may well be the cause.
    """
    changes = _changes(found)
    agreement = min((each.values.get("agreement", 1.0) for each in found.evaluations.values()), default=1.0)
    if not changes or any(each.upper < 0 for each in changes):
        return
    least = min(changes, key=lambda each: each.change)
    agreed = f"agree with the float model on {agreement:.2%} of the samples"
    if least.change >= NOTABLE_GAIN and all(each.lower > 0 for each in changes):
        gain = f"{100 * least.change:.2f} pp [{100 * least.lower:+z.2f}, {100 * least.upper:+z.2f}] better than float"
        yield f"the trained files are {gain} and {agreed}{_WHY}"
    elif agreement < LOW_AGREEMENT:
        yield f"the trained files {agreed} alone, though no accuracy is lost{_WHY}"


def _changes(found: Trained) -> list[PairedChange]:
    """How the share of right answers of each trained file differs from the float file's."""
    scored = found.evaluations
    base = next((scored[key] for key, each in found.artifacts.items() if each.role == "float" and key in scored), None)
    definition = found.definitions[0] if found.definitions else None
    if base is None or definition is None or definition.paired_test != "mcnemar":
        return []
    trained = [scored[key] for key, each in found.artifacts.items() if each.role == "quantized" and key in scored]
    changes = [paired_change(base, each, definition, (1 - CONFIDENCE) / 2) for each in trained]
    return [each for each in changes if each is not None]
