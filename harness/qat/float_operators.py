"""Which operators of a TFLite file compute in float, where a model has layers that may stay in float there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from crossrt.core.artifact import ModelArtifact
from crossrt.reports.text.cells import counted


def float_operator_notes(notes: Sequence[str], pair: Mapping[str, ModelArtifact]) -> Iterator[str]:
    """What became of layers of which the notes say that they stay in float in TFLite only without an integer kernel.

    Args:
        notes: Those of the training.
        pair: Both files.

    Raises:
        ExportError: The TFLite file cannot be read.
    """
    if not any("no integer kernel" in note for note in notes):
        return
    from crossrt.analysis.findings.tflite_file import float_operators

    for name, artifact in pair.items():
        if artifact.format == "tflite":
            kinds = float_operators(artifact.path)
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(kinds).items()))
            counts = f"{counted(len(kinds), 'operator')} in float ({told})" if kinds else "every operator in integers"
            yield f"{name} computes {counts}"
