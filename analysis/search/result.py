"""What a search found, as it is saved after every candidate and given to Python."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from crossrt.analysis.search.budget import Budget
from crossrt.analysis.search.record import Unit
from crossrt.core.metric import MetricDefinition

SCHEMA_VERSION = 1
REPORT = "search.json"
SearchStatus = Literal["searching", "interrupted", "found", "none", "unjudged"]


class Loss(Struct, frozen=True, kw_only=True):
    """What the task's first metric loses against the float model, sample by sample.

    Attributes:
        value: The metric itself.
        loss: How much worse than the float model's, in its own unit; below 0 where it is better.
        upper: Upper confidence bound of the loss.
        confidence: Of that bound, one-sided.
        samples: Samples that both answered.
        changed: Samples that are right in one and wrong in the other; None for numbers.
    """

    value: float
    loss: float
    upper: float
    confidence: float
    samples: int
    changed: int | None = None


class Speed(Struct, frozen=True, kw_only=True):
    """Time of the float file over that of the candidate, in the same rounds of fresh processes.

    Attributes:
        ratio: The speed-up.
        lower: Lower end of its 95% interval.
        upper: Upper end.
        rounds: In how many rounds both were timed.
        float_ns: Median call of the float file.
    """

    ratio: float
    lower: float
    upper: float
    rounds: int
    float_ns: float


class NodeSensitivity(Struct, frozen=True, kw_only=True):
    """One unit of the graph, and what quantizing it alone does.

    Attributes:
        unit: The nodes.
        sqnr_db: Of the worst output where this unit alone is quantized; None without any noise, or where it was not
            tried.
        noise: The inverse of that ratio; 0 where nothing was measured.
    """

    unit: Unit
    sqnr_db: float | None
    noise: float


class Candidate(Struct, frozen=True, kw_only=True):
    """One file that was tried.

    Attributes:
        name: In words.
        recipe: As in a file of recipes.
        float_units: First nodes of the units that stay in float on purpose.
        wide_units: Those whose activations have 16 bits.
        channel_units: Those whose weights have a scale for each channel, where those of others have one.
        sqnr_db: Of the worst output over some samples; None without any noise.
        size_bytes: Of the file.
        loss: On the samples of the search; None where the ratio was too low to go on, or time was over.
        strict_upper: The upper bound of the loss at 99.5%, for a choice that holds on other samples too.
        speed: Where it was timed.
        is_hopeless: Whether it was not scored because it is hardly more signal than noise, or no less noisy than a
            candidate that loses too much.
        problem: Why it is not a result.
    """

    name: str
    recipe: dict[str, Any]
    float_units: tuple[str, ...] = ()
    wide_units: tuple[str, ...] = ()
    channel_units: tuple[str, ...] = ()
    sqnr_db: float | None = None
    size_bytes: int = 0
    loss: Loss | None = None
    strict_upper: float | None = None
    speed: Speed | None = None
    is_hopeless: bool = False
    problem: str | None = None


class Confirmation(Struct, frozen=True, kw_only=True):
    """A candidate judged on samples and in rounds that the search did not see.

    Attributes:
        candidate: Its name.
        loss: On the samples that were kept aside.
        speed: In fresh rounds.
        passes: Whether it keeps to the budget.
        reasons: Why it does not.
    """

    candidate: str
    loss: Loss | None
    speed: Speed | None
    passes: bool
    reasons: tuple[str, ...] = ()


class SearchReport(Struct, frozen=True, kw_only=True):
    """Everything that a search found.

    Attributes:
        schema_version: Of this record.
        crossrt: Version that wrote it.
        status: `found` and `none` are final; `unjudged` is the end of a search whose time was over before it could say.
        model: Name of the model.
        model_sha256: Hash of what the user brought.
        data: Name of the data set.
        data_fingerprint: Its hash.
        calibration_fingerprint: That of the calibration data.
        seed: Of the cut into parts.
        held_out: Share that was kept aside.
        budget: What was asked for.
        allowed: The loss that is allowed, in the metric's unit.
        metric: What is judged.
        float_value: The float model's on the samples of the search.
        float_size_bytes: Size of the float file.
        search_samples: Samples that candidates were chosen on.
        held_out_samples: Samples that the verdict rests on.
        sensitivities: Unit by unit, those that lose most first.
        sensitivity_base: The whole-model recipe that units were quantized by.
        candidates: Everything that was tried, in that order.
        confirmations: What was judged on the samples kept aside.
        best: Name of the candidate that is saved, or None.
        file: Name of its file in the folder.
        file_sha256: Its hash.
        sentence: Which file to ship, and why it can be trusted; or why none.
        cautions: What speaks against believing any of it.
        notes: What was cut, and what a reader must know.
        time_s: How long it was allowed to take.
        took_s: How long it took, all its parts together.
    """

    schema_version: int
    crossrt: str
    status: SearchStatus
    model: str
    model_sha256: str
    data: str
    data_fingerprint: str
    calibration_fingerprint: str
    seed: int
    held_out: float
    budget: Budget
    allowed: float
    metric: MetricDefinition
    float_value: float
    float_size_bytes: int
    search_samples: int
    held_out_samples: int
    sensitivities: tuple[NodeSensitivity, ...] = ()
    sensitivity_base: str | None = None
    candidates: tuple[Candidate, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    best: str | None = None
    file: str | None = None
    file_sha256: str | None = None
    sentence: str = ""
    cautions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    time_s: float = 0.0
    took_s: float = 0.0

    def candidate(self, name: str) -> Candidate | None:
        """A candidate by its name."""
        return next((each for each in self.candidates if each.name == name), None)

    @property
    def found(self) -> Candidate | None:
        """What keeps to the budget, confirmed on samples that the search did not see; None where nothing does."""
        return self.candidate(self.best) if self.status == "found" and self.best is not None else None
