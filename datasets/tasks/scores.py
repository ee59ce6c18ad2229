"""Scores of classes among the outputs of a model: which output, of which kind, and as numbers in slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.datasets.tasks.labels import MOST_CLASSES
from crossrt.datasets.tasks.protocol import Outputs
from crossrt.datasets.tasks.slices import row_slices, squeezed, width_of

ScoreKind = Literal["logits", "probabilities", "independent probabilities", "classes"]
_SUM_TOLERANCE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """An output that says which class each sample is of.

    Attributes:
        output: Its name.
        values: `(samples, classes)`; `(samples,)` for the score of class 1 of two, and for classes themselves.
        kind: Probabilities are rows in 0..1 that sum to 1 (or one number in 0..1 of two classes); independent ones do
            not sum to 1, such as sigmoids; classes are integers without scores; all else are logits.
    """

    output: str
    values: NDArray[Any]
    kind: ScoreKind

    @property
    def is_single(self) -> bool:
        """True for the score of class 1 of two."""
        return self.values.ndim == 1 and self.kind != "classes"

    @property
    def classes(self) -> int:
        """Number of classes; for an output of classes, of those up to the largest."""
        if self.kind == "classes":
            return int(self.values.max()) + 1
        return 2 if self.is_single else self.values.shape[1]

    @property
    def threshold(self) -> float:
        """The score above which a sample is of class 1, for a single score."""
        return 0.0 if self.kind == "logits" else 0.5

    @property
    def note(self) -> str:
        """What was found, for the report."""
        where = f"output {self.output!r}"
        if self.kind == "classes":
            return f"{where} holds classes, not scores"
        if self.is_single:
            form = "a logit" if self.kind == "logits" else "a probability"
            return f"{where} holds one score per sample, taken for {form}: class 1 above {self.threshold:g}"
        return f"{where} holds {self.kind} of {self.classes} classes"

    def pieces(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Scores `(samples, classes)` a slice at a time: the largest wins. NaN never wins."""
        for rows in row_slices(len(self.values), max(2, width_of(self.values))):
            scores = self.values[rows].astype(np.float64)
            scores[np.isnan(scores)] = -np.inf
            if self.is_single:
                scores = np.stack([np.full(len(scores), self.threshold), scores], axis=1)
            yield rows, scores

    def like(self, output: NDArray[Any]) -> ClassScores:
        """The same output of another case, read in the same way."""
        return ClassScores(output=self.output, values=squeezed(output), kind=self.kind)


def find_scores(outputs: Outputs, labels: NDArray[np.int64] | None = None, output: str | None = None) -> ClassScores:
    """The output that answers a classification: scores of classes, else one score of two classes, else classes.

    Args:
        outputs: All outputs.
        labels: Classes, which tell several outputs apart: those with too few classes are not meant.
        output: Name of the output, where the user gave one.

    Raises:
        DataError: No output fits, or several do.
    """
    highest = int(labels.max()) if labels is not None and labels.size else 0
    named = _named(outputs, output)
    views = {name: squeezed(array) for name, array in named.items() if array.ndim}
    groups = (
        [name for name, array in views.items() if _is_matrix(array)],
        [name for name, array in views.items() if array.ndim == 1 and array.dtype.kind == "f" and highest < 2],
        [name for name, array in views.items() if array.ndim == 1 and array.dtype.kind in "biu"],
    )
    for names in groups:
        fitting = [name for name in names if views[name].ndim == 1 or views[name].shape[1] > highest]
        if name := _only(fitting or names, outputs):
            return ClassScores(output=name, values=views[name], kind=score_kind(views[name]))
    raise DataError(
        f"no output holds scores of classes: {_described(named)}; expected (samples, classes), or one score or one"
        " integer per sample; use the task agreement or regression, or a metric of your own"
    )


def score_kind(values: NDArray[Any]) -> ScoreKind:
    """What scores are: see `ClassScores.kind`. Samples with NaN or infinite values are not looked at."""
    if values.ndim == 1 and values.dtype.kind in "biu":
        return "classes"
    sums_to_one = True
    for rows in row_slices(len(values), width_of(values)):
        piece = values[rows].astype(np.float64)
        piece = piece[np.isfinite(piece) if piece.ndim == 1 else np.isfinite(piece).all(axis=1)]
        if piece.size and (piece.min() < 0 or piece.max() > 1):
            return "logits"
        if piece.ndim == 2:
            sums_to_one = sums_to_one and bool((np.abs(piece.sum(axis=1) - 1) <= _SUM_TOLERANCE).all())
    return "probabilities" if sums_to_one else "independent probabilities"


def _named(outputs: Outputs, output: str | None) -> Outputs:
    if output is None:
        return outputs
    if output not in outputs:
        raise DataError(f"the model does not have an output {output!r}; available: {', '.join(outputs)}")
    return {output: outputs[output]}


def _is_matrix(array: NDArray[Any]) -> bool:
    """True for `(samples, classes)` of numbers; integers of 32 and 64 bits are ids, not scores."""
    scores = array.dtype.kind == "f" or (array.dtype.kind in "iu" and array.dtype.itemsize <= 2)
    return array.ndim == 2 and 2 <= array.shape[1] <= MOST_CLASSES and scores


def _only(names: list[str], outputs: Outputs) -> str | None:
    if len(names) > 1:
        raise DataError(
            f"several outputs could be what is classified: {_described({name: outputs[name] for name in names})}; name"
            f" one, as in classification:output={names[0]}"
        )
    return names[0] if names else None


def _described(outputs: Outputs) -> str:
    return ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in outputs.items())
