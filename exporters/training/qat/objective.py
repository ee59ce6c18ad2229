"""What is learnt: the loss that fits labels and output, and how answers are scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.datasets.tasks.labels import check_range, class_labels, is_one_hot, required_labels
from crossrt.exporters.training.qat.jobs import TaskName

Kind = Literal["classes", "two classes", "numbers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A loss.

    Attributes:
        kind: Several classes, two classes by one score, or numbers.
    """

    kind: Kind

    @property
    def task(self) -> TaskName:
        """The task in the words of the command."""
        return "regression" if self.kind == "numbers" else "classification"

    @property
    def metric(self) -> str:
        """What `measures` gives, in words."""
        return "mean absolute error" if self.kind == "numbers" else "accuracy"

    @property
    def is_higher_better(self) -> bool:
        """Of the metric."""
        return self.kind != "numbers"

    def losses(self, answer: Any, scores: Any, labels: Any) -> Any:
        """The loss of each sample."""
        from keras import ops

        if self.kind == "classes":
            return ops.sparse_categorical_crossentropy(labels, scores, from_logits=True)
        if self.kind == "two classes":
            return ops.binary_crossentropy(labels, ops.reshape(scores, ops.shape(labels)), from_logits=True)
        return ops.mean(_by_sample(ops.square(answer - labels)), axis=1)

    def measures(self, scores: Any, answer: Any, labels: Any) -> Any:
        """For each sample: 1 for a right answer and 0 for a wrong one, or the mean absolute error."""
        from keras import ops

        if self.kind == "classes":
            return ops.cast(ops.equal(ops.argmax(scores, axis=-1), labels), "float32")
        if self.kind == "two classes":
            found = ops.cast(ops.reshape(scores, ops.shape(labels)) > 0, "float32")
            return ops.cast(ops.equal(found, labels), "float32")
        return ops.mean(_by_sample(ops.abs(answer - labels)), axis=1)


def _by_sample(values: Any) -> Any:
    from keras import ops

    return ops.reshape(values, (ops.shape(values)[0], -1))


def objective_for(
    labels: NDArray[Any] | None, samples: int, shape: tuple[int, ...], output: str, task: TaskName | None
) -> tuple[Objective, NDArray[Any]]:
    """The objective that fits labels and an output of a shape, and the labels as its loss takes them.

    Raises:
        DataError: There are no labels, or they do not fit the output.
    """
    if labels is None:
        raise DataError(
            "training needs labels, and the data hold none: add an array `labels` to the npz, or give --labels FILE"
        )
    array = required_labels("classification" if task != "regression" else "regression", labels, samples)
    looks_like_numbers = array.dtype.kind == "f" and not (array == np.floor(array)).all()
    is_single = int(np.prod(shape)) == 1
    holds_classes = array.size == samples or (array.ndim == 2 and is_one_hot(array))
    if task == "regression" or (task is None and (looks_like_numbers or not holds_classes)):
        return Objective(kind="numbers"), _numbers(array, samples, shape, output)
    if is_single:
        return _two_classes(array, samples, output, task)
    classes, _ = class_labels("classification", array, samples)
    if len(shape) != 1:
        raise DataError(
            f"the output {output} has the shape {shape} for a sample: one score for each class is expected; for other"
            " outputs give --task regression and labels of the same shape"
        )
    check_range(classes, shape[0], output)
    return Objective(kind="classes"), classes


def _two_classes(
    array: NDArray[Any], samples: int, output: str, task: TaskName | None
) -> tuple[Objective, NDArray[Any]]:
    flat = array.reshape(samples).astype(np.float32)
    if ((flat == 0) | (flat == 1)).all():
        return Objective(kind="two classes"), flat
    if task == "classification":
        raise DataError(f"the output {output} is one score: labels of 0 and 1 are expected, found up to {flat.max():g}")
    return Objective(kind="numbers"), _numbers(array, samples, (1,), output)


def _numbers(array: NDArray[Any], samples: int, shape: tuple[int, ...], output: str) -> NDArray[Any]:
    if array.size != samples * int(np.prod(shape)):
        raise DataError(
            f"labels have the shape {array.shape}; the output {output} is {(samples, *shape)}: give labels of that"
            " shape"
        )
    return array.reshape(samples, *shape).astype(np.float32)
