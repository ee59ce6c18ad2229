"""What a task is: metrics, and an evaluation of outputs by labels and by the reference's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition

if TYPE_CHECKING:
    from crossrt.datasets.tasks.scores import ClassScores

Outputs = Mapping[str, NDArray[Any]]


class Task(Protocol):
    """How answers are scored."""

    @property
    def name(self) -> str:
        """The name in reports, such as `classification`."""

    @property
    def metrics(self) -> tuple[MetricDefinition, ...]:
        """Everything that `evaluate` may put into `Evaluation.values`; the first is what the task is about."""

    def check(self, outputs: Outputs, labels: NDArray[Any] | None) -> None:
        """Looks at the reference's outputs and at the labels, before anything else is run.

        Raises:
            DataError: Labels are missing, of a wrong shape or dtype, or outside the classes; or no output fits.
        """

    def evaluate(
        self,
        outputs: Outputs,
        labels: NDArray[Any] | None,
        reference: Outputs | None,
        steps: Mapping[str, float],
    ) -> Evaluation:
        """Scores answers.

        Args:
            outputs: By name, each `(samples, ...)`; they may be memory-mapped, and larger than memory.
            labels: `(samples, ...)`, or None.
            reference: The reference's outputs under the same names and of the same shapes, or None for the reference
                itself and where there is none.
            steps: Scale of the integers that an output is made from, for outputs of quantized files.
        """


@runtime_checkable
class KnowsChance(Protocol):
    """A task that can tell whether the reference's answers say anything; others are taken at their word."""

    def looks_like_chance(self, evaluation: Evaluation, labels: NDArray[Any]) -> str | None:
        """One sentence for the report's cautions where the reference is near chance, or None."""


@runtime_checkable
class NamesClasses(Protocol):
    """A task with a class for each sample."""

    def class_scores(self, outputs: Outputs, labels: NDArray[Any] | None = None) -> ClassScores:
        """The output that is scored.

        Raises:
            DataError: No output fits, or several do.
        """


@runtime_checkable
class HasOptions(Protocol):
    """A task with options, as in `classification:top_k=3`."""

    def with_options(self, options: Mapping[str, str]) -> Task:
        """The same task with options.

        Raises:
            DataError: An option is unknown, or its value cannot be used.
        """
