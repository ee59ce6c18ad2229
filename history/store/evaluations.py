"""What a history keeps of an evaluation, in few bytes: what pairs answers sample by sample."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Sequence
from typing import Final

import msgspec
import numpy as np

from crossrt.core.evaluation import Evaluation, Packed
from crossrt.core.metric import MetricDefinition
from crossrt.reports.errors import ReportError

MOST_BYTES: Final = 2**30
"""What an evaluation may be unpacked to: far more than any that was packed here."""


def slim(evaluation: Evaluation, definitions: Sequence[MetricDefinition], labels: Packed | None) -> Evaluation:
    """An evaluation without what only its report is asked for: differences of outputs, scores of classes, notes.

    Samples are kept for the metrics that are judged by them. A class that is the label is kept as -1, which takes
    nearly no room, as most answers are right.

    Args:
        evaluation: As a report holds it.
        definitions: Of its metrics.
        labels: Of the data set.
    """
    judged = {each.name for each in definitions if each.judged_by == "samples"}
    return Evaluation(
        task=evaluation.task,
        samples=evaluation.samples,
        values=_of(evaluation.values, judged),
        counts=evaluation.counts,
        per_sample={name: packed for name, packed in evaluation.per_sample.items() if name in judged},
        predictions=evaluation.predictions and _mistakes(evaluation.predictions, labels),
        reference_values=_of(evaluation.reference_values, judged),
        answers_sha256=evaluation.answers_sha256,
    )


def _of(values: dict[str, float], names: Collection[str]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name in names}


def _mistakes(predictions: Packed, labels: Packed | None) -> Packed:
    """Classes that were given, -1 where that is the label; all of them where there are no labels."""
    given = predictions.unpack()
    if given.dtype.kind not in "iu":
        return predictions
    if labels is not None and labels.shape == predictions.shape and np.dtype(labels.dtype).kind in "iu":
        given = np.where(given == labels.unpack(), -1, given.astype(np.int64))
    return Packed.of(given.astype(np.min_scalar_type(-1 - int(given.max(initial=0)))))


def packed(evaluation: Evaluation) -> tuple[str, bytes]:
    """The digest and the bytes of an evaluation."""
    content = msgspec.msgpack.encode(evaluation)
    return hashlib.sha256(content).hexdigest(), zlib.compress(content, 9)


def unpacked(content: bytes) -> Evaluation:
    """What was packed.

    Raises:
        ReportError: The bytes are damaged.
    """
    try:
        return msgspec.msgpack.decode(zlib.decompressobj().decompress(content, MOST_BYTES), type=Evaluation)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ReportError(f"the history holds a damaged evaluation: {error}; add its report again") from error
