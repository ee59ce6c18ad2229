"""Regression: numbers for each sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation, Packed
from crossrt.core.metric import BIGGER, SMALLER, MetricDefinition
from crossrt.datasets.tasks.agreement import MAX_ABS_ERROR, agreement_definition, with_agreement
from crossrt.datasets.tasks.closeness import TOLERANCE, answers_sha256, compare
from crossrt.datasets.tasks.labels import required_labels
from crossrt.datasets.tasks.options import check_options, tolerance
from crossrt.datasets.tasks.protocol import Outputs
from crossrt.datasets.tasks.slices import (
    checked_samples,
    finite,
    finite_float32,
    row_slices,
    rows_of,
    squeezed,
    width_of,
)

MAE: Final = MetricDefinition(
    name="mae",
    label="MAE",
    unit="label",
    direction=SMALLER,
    description="Mean absolute error, mean |y - y'|, y being the label; samples are judged by their mean |y - y'|.",
    judged_by="samples",
    paired_test="paired-t",
    margin=0.01,
    worse="less accurate",
    better="more accurate",
)
RMSE: Final = MetricDefinition(
    name="rmse",
    label="RMSE",
    unit="label",
    direction=SMALLER,
    description="Root mean squared error, sqrt(mean (y - y')^2); samples hold their mean (y - y')^2, without the root.",
    worse="less accurate",
    better="more accurate",
)
R2: Final = MetricDefinition(
    name="r2",
    label="R²",
    unit="ratio",
    direction=BIGGER,
    description=(
        "Coefficient of determination, 1 - sum (y - y')^2 / sum (y - mean y)^2, the mean being that of each position of"
        " the label (as scikit-learn's r2_score with 'variance_weighted'); absent where labels do not vary."
    ),
    format="decimal",
    worse="less accurate",
    better="more accurate",
)
MAX_ERROR: Final = MetricDefinition(
    name="max_error",
    label="max error",
    unit="label",
    direction=SMALLER,
    description="Largest error, max |y - y'|, y being the label.",
    worse="less accurate",
    better="more accurate",
)

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errors:
    """Errors of one case: for each sample the means of |y - y'| and (y - y')^2."""

    absolute: NDArray[np.float64]
    squared: NDArray[np.float64]
    largest: float

    def values(self, spread: float) -> dict[str, float]:
        """Metrics, given the mean squared distance of labels from their mean."""
        mean_square = float(self.squared.mean())
        return {
            "mae": finite(float(self.absolute.mean())),
            "rmse": finite(math.sqrt(mean_square)),
            **({"r2": finite(1 - mean_square / spread)} if spread > 0 else {}),
            "max_error": finite(self.largest),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Scores numbers against labels of the same shape.

    Attributes:
        output: Name of the output, or None to find it.
        tolerance: What a sample may differ by from the reference and still agree, relative to the output's scale.
    """

    output: str | None = None
    tolerance: float = TOLERANCE

    def with_options(self, options: Mapping[str, str]) -> Regression:
        """The same task with options: `output`, `tolerance`.

        Raises:
            DataError: An option is unknown, or its value cannot be used.
        """
        check_options(self.name, options, ("output", "tolerance"))
        share = tolerance(self.name, options, self.tolerance)
        return replace(self, output=options.get("output", self.output), tolerance=share)

    @property
    def name(self) -> str:
        """The name in reports."""
        return "regression"

    @property
    def metrics(self) -> tuple[MetricDefinition, ...]:
        """Errors, R², and agreement with the reference."""
        return (MAE, RMSE, R2, MAX_ERROR, agreement_definition(self.tolerance), MAX_ABS_ERROR)

    def check(self, outputs: Outputs, labels: NDArray[Any] | None) -> None:
        """Looks whether labels have the shape of an output.

        Raises:
            DataError: Labels are missing, or no output fits.
        """
        self._read(outputs, labels)

    def evaluate(
        self,
        outputs: Outputs,
        labels: NDArray[Any] | None,
        reference: Outputs | None,
        steps: Mapping[str, float],
    ) -> Evaluation:
        """Scores answers; see the protocol.

        Raises:
            DataError: Labels or outputs do not fit, or differ in shape from the reference's.
        """
        found = compare(outputs, reference, steps, self.tolerance) if reference is not None else None
        name, truth = self._read(outputs if reference is None else reference, labels)
        spread = _spread(truth)
        errors = _errors(squeezed(outputs[name]), truth)
        plain = Evaluation(
            task=self.name,
            samples=len(truth),
            values=errors.values(spread),
            per_sample={
                "mae": Packed.of(finite_float32(errors.absolute)),
                "rmse": Packed.of(finite_float32(errors.squared)),
            },
            answers_sha256=answers_sha256(outputs),
            notes=() if spread > 0 else ("labels do not vary: R² is not defined",),
        )
        if found is None or reference is None:
            return plain
        expected = _errors(squeezed(reference[name]), truth).values(spread)
        return with_agreement(msgspec.structs.replace(plain, reference_values=expected), found)

    def looks_like_chance(self, evaluation: Evaluation, labels: NDArray[Any]) -> str | None:  # noqa: ARG002
        """Why the answers say nothing, or None where they do: see the function."""
        return looks_like_chance(evaluation)

    def _read(self, outputs: Outputs, labels: NDArray[Any] | None) -> tuple[str, NDArray[Any]]:
        """The output that answers, and labels of its shape."""
        truth = squeezed(required_labels(self.name, labels, checked_samples(outputs)))
        if self.output is not None and self.output not in outputs:
            raise DataError(f"the model does not have an output {self.output!r}; available: {', '.join(outputs)}")
        names = [self.output] if self.output is not None else list(outputs)
        numbers = [name for name in names if outputs[name].dtype.kind in "biuf"]
        fitting = [name for name in numbers if squeezed(outputs[name]).shape == truth.shape]
        floats = [name for name in fitting if outputs[name].dtype.kind == "f"]
        best = floats or fitting
        shapes = ", ".join(f"{name} {outputs[name].dtype} {outputs[name].shape}" for name in best or names)
        if not best:
            raise DataError(f"labels of the shape {truth.shape} do not fit any output; found {shapes}")
        if len(best) > 1:
            raise DataError(f"labels fit several outputs: {shapes}; name one, as in regression:output={best[0]}")
        return best[0], truth


def looks_like_chance(evaluation: Evaluation) -> str | None:
    """Why answers say nothing, in one sentence: R² of 0 or below is no better than always answering the mean label."""
    r2 = evaluation.values.get("r2")
    if r2 is None or r2 > _ROUNDING:
        return None
    return f"the reference's R² is {r2:.3g}: it is no better than always answering the mean of the labels"


def _errors(output: NDArray[Any], labels: NDArray[Any]) -> _Errors:
    absolute, squared, largest = np.zeros(len(labels)), np.zeros(len(labels)), 0.0
    for rows in row_slices(len(labels), width_of(labels)):
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.abs(rows_of(output, rows).astype(np.float64) - rows_of(labels, rows).astype(np.float64))
            error[np.isnan(error)] = np.inf
            absolute[rows], squared[rows] = error.mean(axis=1), np.square(error).mean(axis=1)
        largest = max(largest, float(error.max()))
    return _Errors(absolute=absolute, squared=squared, largest=largest)


def _spread(labels: NDArray[Any]) -> float:
    """Mean squared distance of labels from the mean of their position; 0 where they are all equal."""
    total = np.zeros(width_of(labels))
    first = rows_of(labels, slice(0, 1)).astype(np.float64)
    for rows in row_slices(len(labels), width_of(labels)):
        total += (rows_of(labels, rows).astype(np.float64) - first).sum(axis=0)
    middle, squares = total / len(labels), 0.0
    for rows in row_slices(len(labels), width_of(labels)):
        away = rows_of(labels, rows).astype(np.float64) - first - middle
        squares += float(np.einsum("ij,ij->", away, away))
    return squares / labels.size
