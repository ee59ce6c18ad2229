"""Agreement with the reference: the task where there are no labels, and a part of every other one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from crossrt.core.evaluation import Evaluation, Packed
from crossrt.core.metric import BIGGER, SMALLER, MetricDefinition
from crossrt.datasets.tasks.closeness import TOLERANCE, Closeness, answers_sha256, compare
from crossrt.datasets.tasks.options import check_options, tolerance
from crossrt.datasets.tasks.protocol import Outputs
from crossrt.datasets.tasks.slices import checked_samples

AGREEMENT: Final = MetricDefinition(
    name="agreement",
    label="agreement",
    unit="share",
    direction=BIGGER,
    description=(
        "Share of samples whose outputs all agree with the reference's: ||x - x'|| <= 0.05 max(||x||, m), where m is"
        " the median of ||x|| over samples; for booleans, text, 32- and 64-bit integers at most 5% of elements differ."
    ),
    format="percent",
    judged_by="samples",
    paired_test="mcnemar",
    margin=0.001,
    worse="agrees less",
    better="agrees more",
)
SAME_CLASS: Final = msgspec.structs.replace(
    AGREEMENT, description="Share of samples that get the same class as from the reference."
)
RELATIVE_ERROR: Final = MetricDefinition(
    name="relative_error",
    label="relative error",
    unit="ratio",
    direction=SMALLER,
    description="||x - x'|| / ||x|| over all samples, x being the reference's output: the largest of all outputs.",
    worse="further from the reference",
    better="closer to the reference",
)
SQNR: Final = MetricDefinition(
    name="sqnr_db",
    label="SQNR",
    unit="dB",
    direction=BIGGER,
    description=(
        "Signal-to-quantization-noise ratio, 10 log10(sum x^2 / sum (x - x')^2), x being the reference's output: the"
        " smallest of all outputs; absent where nothing differs."
    ),
    worse="noisier",
    better="less noisy",
)
MAX_ABS_ERROR: Final = MetricDefinition(
    name="max_abs_error",
    label="max abs error",
    unit="output",
    direction=SMALLER,
    description="max |x - x'| over all samples and outputs, x being the reference's output.",
    worse="further from the reference",
    better="closer to the reference",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far outputs agree with the reference's; labels are not looked at.

    Attributes:
        tolerance: What a sample may differ by and still agree, relative to the scale of the output.
    """

    tolerance: float = TOLERANCE

    def with_options(self, options: Mapping[str, str]) -> Agreement:
        """The same task with options: `tolerance`.

        Raises:
            DataError: An option is unknown, or its value cannot be used.
        """
        check_options(self.name, options, ("tolerance",))
        return replace(self, tolerance=tolerance(self.name, options, self.tolerance))

    @property
    def name(self) -> str:
        """The name in reports."""
        return "agreement"

    @property
    def metrics(self) -> tuple[MetricDefinition, ...]:
        """Agreement, and how far outputs are apart."""
        return (agreement_definition(self.tolerance), SQNR, RELATIVE_ERROR, MAX_ABS_ERROR)

    def check(self, outputs: Outputs, labels: NDArray[Any] | None) -> None:  # noqa: ARG002
        """Looks whether the outputs can be compared at all.

        Raises:
            DataError: There are none, or one is of a dtype that cannot be compared.
        """
        checked_samples(outputs)

    def evaluate(
        self,
        outputs: Outputs,
        labels: NDArray[Any] | None,  # noqa: ARG002
        reference: Outputs | None,
        steps: Mapping[str, float],
    ) -> Evaluation:
        """Compares outputs with the reference's; the reference itself has no values.

        Raises:
            DataError: Names, shapes or kinds of outputs differ from the reference's.
        """
        samples = checked_samples(outputs)
        plain = Evaluation(task=self.name, samples=samples, values={}, answers_sha256=answers_sha256(outputs))
        if reference is None:
            return plain
        found = compare(outputs, reference, steps, self.tolerance)
        return with_agreement(plain, found, extra=_sizes(found))


def agreement_definition(tolerance: float = TOLERANCE) -> MetricDefinition:
    """The definition of `agreement` for a tolerance."""
    text = AGREEMENT.description.replace("0.05 max", f"{tolerance:g} max").replace("5%", f"{100 * tolerance:g}%")
    return AGREEMENT if tolerance == TOLERANCE else msgspec.structs.replace(AGREEMENT, description=text)


def with_agreement(
    evaluation: Evaluation,
    found: Closeness,
    *,
    extra: Mapping[str, float] | None = None,
    agrees: NDArray[Any] | None = None,
) -> Evaluation:
    """An evaluation with its comparison with the reference added.

    Args:
        evaluation: What is known without the reference.
        found: The comparison.
        extra: Further values.
        agrees: Which samples agree, where the task has a rule of its own.
    """
    same = found.agrees if agrees is None else agrees
    count = int(same.sum())
    return msgspec.structs.replace(
        evaluation,
        values={
            **evaluation.values,
            "agreement": count / evaluation.samples,
            **(extra or {}),
            "max_abs_error": found.max_abs,
        },
        counts={**evaluation.counts, "agreement": count},
        per_sample={**evaluation.per_sample, "agreement": Packed.of(same)},
        outputs=found.errors,
        notes=(*evaluation.notes, *found.notes),
    )


def _sizes(found: Closeness) -> dict[str, float]:
    """SQNR and relative error of the output that is worst, where they are defined."""
    relative = [error.relative for error in found.errors if error.relative is not None]
    noise = [error.sqnr_db for error in found.errors if error.sqnr_db is not None]
    return {
        **({"sqnr_db": min(noise)} if noise else {}),
        **({"relative_error": max(relative)} if relative else {}),
    }
