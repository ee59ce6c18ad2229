"""The report, schema version 2. These types are the schema: `json_schema` derives the JSON Schema from them.

Times are integer nanoseconds, sizes are bytes. Raw samples are kept, so that every statistic can be derived again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from crossrt.core.artifact import RecipeValue, Training
from crossrt.core.evaluation import Evaluation, Packed
from crossrt.core.metric import Direction, MetricDefinition
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.schema.evidence import Evidence
from crossrt.reports.schema.exclusive import ExclusiveUse
from crossrt.reports.schema.machine import Machine
from crossrt.reports.schema.roofline import Roofline
from crossrt.reports.schema.scenarios import ScenarioOutcome

if TYPE_CHECKING:
    from crossrt.reports.tables.rows import Row

SCHEMA_VERSION: Final = 2

Count = Annotated[int, Meta(ge=0, le=2**53)]
Nanoseconds = Annotated[int, Meta(ge=0, le=10**15)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(min_length=1)]
MachineName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
Status = Literal["ok", "skipped", "failed"]


class Tensor(Struct, frozen=True, kw_only=True):
    """One input or output of a model file; a name in `shape` is a dynamic dimension, `null` an unknown one.

    `scale` and `zero_point` are those of a tensor of integers. `step` is the scale of the integers that a float32
    output is made from, where the file dequantizes it last.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]
    scale: float | None = None
    zero_point: int | None = None
    step: float | None = None


class Quantization(Struct, frozen=True, kw_only=True):
    """How a variant was quantized, in the words of the ONNX Runtime and LiteRT documentation.

    `recipe` is all that was asked of the quantizer; `known_issues` are what is known to make such files answer wrongly,
    `cost_issues` what is known to make them slower or larger.
    `quantized_share` is the share of the bytes of the file's weights that are quantized.
    """

    scheme: str
    representation: str
    activation_type: str | None
    weight_type: str
    granularity: str
    symmetric_activations: bool
    symmetric_weights: bool
    calibration_method: str | None
    calibration_samples: Count
    calibration_sha256: str | None
    io_dtype: str
    reduce_range: bool = False
    known_issues: tuple[str, ...] = ()
    cost_issues: tuple[str, ...] = ()
    recipe: dict[str, RecipeValue] | None = None
    quantized_share: Share | None = None


class Artifact(Struct, frozen=True, kw_only=True):
    """One model file.

    `source_sha256` is the hash of what it was made from, or of the file itself; `activation_bytes` what tensors between
    its operators need at once for one sample, a bound by their lives, where that can be read from the graph; `training`
    holds the curves of the training of its weights, where crossrt did that.
    """

    id: Text
    model: Text
    variant: Text
    format: Text
    sha256: str
    size_bytes: Count
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    quantization: Quantization | None
    producer: dict[str, str]
    source_sha256: str
    role: Literal["float", "quantized"] = "float"
    batch_dimension: str | None = None
    activation_bytes: Count | None = None
    training: Training | None = None


class Round(Struct, frozen=True, kw_only=True):
    """What one fresh process measured: steady-state calls in the order they were made.

    `blocks_ns` holds the durations of single calls, block by block: calls of a block follow each other, between blocks
    the other cases run. `position` is the place of this case in the round's random launch order. A block that other
    load or stolen time hit was thrown away and timed again once: `repeated_blocks` counts these, `disturbed_blocks`
    numbers the kept ones that were hit as well.
    """

    index: Count
    position: Count
    load_ns: Nanoseconds
    first_inference_ns: Nanoseconds
    blocks_ns: Annotated[tuple[Annotated[tuple[Nanoseconds, ...], Meta(min_length=1)], ...], Meta(min_length=1)]
    repeated_blocks: Count = 0
    disturbed_blocks: tuple[Count, ...] = ()


class Memory(Struct, frozen=True, kw_only=True):
    """High-water marks (`VmHWM`) of a process: with the model loaded and run, and before it was loaded."""

    peak_bytes: Count
    before_load_bytes: Count


class KernelCounts(Struct, frozen=True, kw_only=True):
    """How many kernels a runtime runs for one call, which is free of noise.

    `hybrid` computes on floats with integer weights; `conversion` only quantizes, dequantizes or casts; `layout` moves
    data and changes none.
    """

    integer: Count = 0
    hybrid: Count = 0
    float: Count = 0
    conversion: Count = 0
    layout: Count = 0


class KernelShares(Struct, frozen=True, kw_only=True):
    """Share of each kind of kernel in the time of a call's kernels, while a profiler looked on.

    `kernels_ns` is that time. The kinds are those of `KernelCounts`.
    """

    kernels_ns: Nanoseconds
    integer: Share
    hybrid: Share
    float: Share
    conversion: Share
    layout: Share


class Result(Struct, frozen=True, kw_only=True):
    """One case: an artifact on a runtime in a scenario. A failure is a result, with its reason.

    `case` is unique in a report, and `subject` is what its scenarios share; both are names, from which nothing follows.
    `runtime` is the runtime as it was chosen, such as `ort-cpu:arena=off`; `runtime_options` holds its options' values.
    `rounds` are those of single-stream; `scenarios` are the others.
    """

    case: Text
    subject: Text
    artifact: Text
    runtime: Text
    runtime_version: str | None
    batch_size: Positive
    threads: Positive
    io: Literal["float32", "native"]
    status: Status
    model: str = ""
    variant: str = ""
    reason: str | None = None
    stderr_tail: str | None = None
    rounds: tuple[Round, ...] = ()
    scenarios: tuple[ScenarioOutcome, ...] = ()
    evaluation: Evaluation | None = None
    memory: Memory | None = None
    operators: tuple[str, ...] | None = None
    kernels: KernelCounts | None = None
    kernel_shares: KernelShares | None = None
    runtime_options: dict[str, str] = field(default_factory=dict)


class Distance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far the answers of two cases are apart over the same samples: each pair once, at the smallest batch size.

    `agreement` is the share of samples that both answer alike, for tasks with classes. `relative` is the largest of
    `||x - x'|| / ||x||` over outputs, x being those of `one`. `max_steps` is the largest difference in steps of the
    quantized output (LSB), the coarser of two; it is absent where neither output comes from integers. `kl_nats` is the
    mean over samples of `sum p log(p / q)`, where p are the probabilities of `one` and q those of `other`;
    `kl_back_nats` is the same with their roles swapped. Both are absent for tasks without classes.
    """

    one: Text
    other: Text
    agreement: Share | None = None
    relative: Annotated[float, Meta(ge=0)] | None = None
    kl_nats: Annotated[float, Meta(ge=0)] | None = None
    kl_back_nats: Annotated[float, Meta(ge=0)] | None = None
    max_steps: Annotated[float, Meta(ge=0)] | None = None


class TensorError(Struct, frozen=True, kw_only=True):
    """A tensor x' of a quantized file beside its float32 counterpart x.

    `sqnr_db` is `10 log10(sum x**2 / sum (x - x')**2)`, and null without any noise; `relative_error` is
    `||x - x'|| / ||x||` and `cosine` that of the angle between them. `saturated` is the share of integers at either end
    of their range (a folded Relu puts its zeros there), `clipped` the share of float32 values beyond it.
    """

    tensor: Text
    role: Literal["activation", "weight", "bias"]
    dtype: str
    sqnr_db: float | None
    relative_error: float
    cosine: float
    saturated: Share
    clipped: Share


class LayerErrors(Struct, frozen=True, kw_only=True):
    """The tensors of a quantized file over `samples` samples: activations in the order of the layers, constants."""

    artifact: Text
    samples: Annotated[int, Meta(ge=1)]
    tensors: tuple[TensorError, ...]


class Control(Struct, frozen=True, kw_only=True):
    """What was timed in the same rounds to judge them by, and is not a result itself.

    `replicate` is a second set of processes of the case `of` (A/A): the two differ by noise alone. `noop` is a model
    that only copies its input, on the runtime `of`: what a call costs without a model. `reference` is a product of two
    float32 128 × 128 matrices in numpy: the same work on every machine and in every run.
    """

    kind: Literal["replicate", "noop", "reference"]
    of: Text
    batch_size: Positive
    threads: Positive
    rounds: tuple[Round, ...]


class Metric(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One number for consumers; `lower` and `upper` are absent (`msgspec.UNSET`) where no interval is known."""

    case: Text
    name: Text
    value: float
    unit: Text
    direction: Direction
    lower: float | UnsetType = UNSET
    upper: float | UnsetType = UNSET

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both bounds, or None where no interval is known."""
        if isinstance(self.lower, UnsetType) or isinstance(self.upper, UnsetType):
            return None
        return self.lower, self.upper


class Settings(Struct, frozen=True, kw_only=True):
    """How the run measured.

    `asked_rounds` is how many rounds were asked for, of which the time may have left fewer: `rounds`.
    """

    rounds: Count
    blocks_per_round: Count
    block_target_ns: Nanoseconds
    baseline: str
    minimum_agreement: float
    time_budget_s: float | None = None
    seed: int
    timeout_s: float
    memory_limit_bytes: Count
    pinned_cpu: int | None
    asked_rounds: Count | None = None


class Run(Struct, frozen=True, kw_only=True):
    """When, what and how; times are ISO 8601 in UTC.

    `broken_off` is what ended an interrupted run where no signal did, such as a system without free processes.
    """

    id: Text
    started_at: str
    finished_at: str
    status: Literal["complete", "interrupted"]
    command: tuple[str, ...]
    crossrt_version: str
    settings: Settings
    parent_cpu_share: float | None = None
    broken_off: str | None = None


class Data(Struct, frozen=True, kw_only=True):
    """What models were fed with.

    `labels` are what is right for each sample, for tasks with classes and numbers, so that answers can be judged again
    without the data set; `classes` are the names of the classes that they number. `is_random` says that inputs were
    drawn from the model's specs: they say nothing of accuracy.
    """

    name: str
    fingerprint: str
    samples: Count
    is_random: bool = False
    labels: Packed | None = None
    classes: tuple[str, ...] = ()
    inputs: tuple[Tensor, ...] = ()


class Environment(Struct, frozen=True, kw_only=True):
    """The machine and its software: what decides whether times may be compared.

    `cpu_quota` is the smallest limit of the control groups, in processors; null where none that can be read sets one.
    `name` is what its people call the machine, where they say so: nothing is decided by it.
    `hardware` is absent in reports of earlier versions.
    """

    cpu_model: str
    cpu_flags: tuple[str, ...]
    logical_cpus: Count
    usable_cpus: tuple[int, ...]
    cpu_quota: float | Literal["unknown"] | None
    memory_bytes: Count | None
    kernel: str
    machine: str
    governor: str | None
    load_average: tuple[float, ...]
    python: str
    packages: dict[str, str]
    thread_variables: dict[str, str]
    git_revision: str | None
    git_dirty: bool | None
    name: MachineName | None = None
    hardware: Machine | None = None


class Report(Struct, frozen=True, kw_only=True):
    """Everything that one run found out.

    `definitions` hold every metric of the report, the task's own first, the first of which is what the task is about.
    `reference` says in words what answers were compared with. `dimensions` are the sizes of dynamic dimensions.
    `cautions` are what speaks against believing all that follows, so that nothing can be advised; `warnings` are what a
    reader has to look at before. `left_out` says which variants were not built, with the reason: a recipe does not fit
    the model, or needs calibration data. `emulated` says how cases answer on a processor that
    this machine does not have, `roofline` how near to the limits of this one calls are, and `evidence` what calls cost
    its processor. `exclusive` says how it was proved that nothing else used the machine, where that was asked for.
    """

    schema_version: Literal[2]
    run: Run
    environment: Environment
    data: Data
    task: str
    definitions: tuple[MetricDefinition, ...]
    artifacts: tuple[Artifact, ...]
    results: tuple[Result, ...]
    metrics: tuple[Metric, ...]
    reference: str | None = None
    model_sha256: str | None = None
    dimensions: dict[str, Positive] = {}
    cautions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    distances: tuple[Distance, ...] = ()
    layers: tuple[LayerErrors, ...] = ()
    emulated: tuple[EmulatedAnswers, ...] = ()
    roofline: Roofline | None = None
    evidence: Evidence | None = None
    exclusive: ExclusiveUse | None = None

    def __iter__(self) -> Iterator[Row]:
        """Each case with its metrics."""
        from crossrt.reports.tables.rows import rows_of

        return iter(rows_of(self))

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.results)

    def __bool__(self) -> bool:
        """True, also without any case."""
        return True

    def __repr__(self) -> str:
        """One line: a report can be megabytes long."""
        models = ", ".join(dict.fromkeys(result.model for result in self.results if result.model)) or "nothing"
        cases, measured = len(self.results), sum(result.status == "ok" for result in self.results)
        return f"<Report of {models}: {cases} case{'s' * (cases != 1)}, {measured} measured, {self.run.status}>"

    def to_dataframe(self) -> Any:
        """A `pandas.DataFrame`: a row for each case, a column for each metric; raises `ReportError` without pandas."""
        from crossrt.reports.tables.rows import dataframe_of

        return dataframe_of(self)

    def save(self, path: str | Path) -> Path:
        """Writes the report as JSON, whole or not at all; raises `ReportError` where that cannot be done."""
        from crossrt.reports.schema.files import write_report

        write_report(self, Path(path))
        return Path(path)

    def _repr_html_(self) -> str:
        """The tables of the report, for notebooks."""
        from crossrt.reports.tables.rows import html_of

        return html_of(self)


class Arm(Struct, frozen=True, kw_only=True):
    """One side of an A/B comparison: two sets of processes of one case, and where they ran."""

    result: Result
    replicate_rounds: tuple[Round, ...]
    environment: Environment


class Look(Struct, frozen=True, kw_only=True):
    """A time at which the rounds so far were judged, and the chance of error that it may use on each side."""

    rounds: Annotated[int, Meta(ge=2)]
    alpha: Annotated[float, Meta(gt=0, lt=0.5)]


class Duel(Struct, frozen=True, kw_only=True):
    """An A/B comparison of two cases; the verdict follows from the rounds, the looks and the margin.

    Rounds after the last look confirm: they were measured after a verdict that one arm is slower. `cautions` and
    `warnings` are what speaks against believing it, as in a report; `answers_repeat` is false where the reference of
    both arms does not give the same samples the same answers again, so that answers cannot be compared. `distance` is
    how far the answers of both arms are apart, where they are of different cases and can be compared.
    """

    schema_version: Literal[2]
    kind: Literal["duel"]
    run: Run
    data: Data
    task: str
    definitions: tuple[MetricDefinition, ...]
    margin: Annotated[float, Meta(ge=0)]
    budget_s: Annotated[float, Meta(gt=0)]
    artifacts: tuple[Artifact, ...]
    a: Arm
    b: Arm
    looks: tuple[Look, ...]
    cautions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    answers_repeat: bool = True
    distance: Distance | None = None

    def __repr__(self) -> str:
        """One line, without the verdict: that is judged from the rounds."""
        rounds = self.run.settings.rounds
        sides = f"{self.a.result.case} and {self.b.result.case}"
        return f"<Duel of {sides}: {rounds} round{'s' * (rounds != 1)}, {self.run.status}>"
