"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from crossrt.cli.shared.json_output import recording_console
from crossrt.cli.shared.option_types import COUNT, SIZES, DimensionParam, FiniteRange, ModelPath, each_once

if TYPE_CHECKING:
    from rich.console import Console

    from crossrt.harness.measure.settings import BenchSettings, Subject

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

CONFIGURATION: Final = "crossrt.configuration"
"""Key of a context's `meta` under which the `Configuration` is, where there is one."""

CPUS: Final = ("avx2",)
LONGEST_TIMEOUT_S = 86_400
LARGEST_LIMIT_MIB = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The file that options were read from.

    Attributes:
        name: As messages name it.
        models: What it names as the model: files, or a folder of artifacts.
    """

    name: str
    models: tuple[Path, ...]


_SUBJECT = (
    click.option(
        "--data",
        metavar="DATA",
        help="What models are fed with: .npz keyed by input name, with labels under 'labels'; .npy, .csv, .parquet,"
        " IDX, a folder of images by class, ONNX test data, the name of a data set, or file.py:function, which runs"
        " that code.  [default: random inputs; the bundled data for bundled models]",
    ),
    click.option("--labels", metavar="FILE", help="What is right for each sample, in a file of its own."),
    click.option(
        "--classes",
        metavar="NAMES",
        help="Names of the classes in the order of the output, as cat,dog or a file with one a line: for labels that"
        " are names, and for tables.  [default: the data set's own]",
    ),
    click.option(
        "--split", metavar="NAME", help="Part of --data that is tested on, where it has parts, such as test or train."
    ),
    click.option(
        "--calibration",
        metavar="DATA",
        help="What quantizers are calibrated with; like --data, without labels. Of data with parts it is the part"
        " train.  [default: none; the training data of bundled models]",
    ),
    click.option(
        "--task",
        metavar="TASK",
        help="How answers are scored: classification, regression, multilabel, agreement, or module:function for a"
        " metric of your own.  [default: by labels and outputs]",
    ),
    click.option(
        "--dim",
        "dimensions",
        multiple=True,
        type=DimensionParam(),
        callback=each_once,
        metavar="NAME=SIZE",
        help="Size of a dynamic dimension. May be repeated.",
    ),
    click.option("--samples", type=COUNT, help="Answer only so many samples, from the first.  [default: all]"),
    click.option("--allow-h5", is_flag=True, help="Load a legacy .h5 file, which can run code of whoever made it."),
    click.option(
        "--artifacts",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Take the artifacts in this folder, written by crossrt export or quantize; needs no TensorFlow.",
    ),
)


def subject_options(command: Decorated) -> Decorated:
    """The options of every command that runs models on data."""
    for option in reversed(_SUBJECT):
        command = option(command)
    return command


models_argument = click.argument("models", nargs=-1, metavar="[MODEL]...", type=ModelPath())


def is_given(name: str) -> bool:
    """True if an option or argument stands on the command line itself, not in a configuration."""
    context = click.get_current_context(silent=True)
    return context is not None and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _only_given(**values: Any) -> list[Any]:
    """Each value, or None where it comes from a configuration."""
    context = click.get_current_context(silent=True)
    configured = context.default_map or {} if context is not None else {}
    return [value if is_given(name) or name not in configured else None for name, value in values.items()]


def _configuration() -> Configuration | None:
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(CONFIGURATION)


def configured_models() -> tuple[Path, ...]:
    """What the configuration names as the model."""
    found = _configuration()
    return () if found is None else found.models


def _are_configured(models: Sequence[Path]) -> bool:
    """True if what the configuration says of its model is true of these: it names them all, or no model."""
    known = {each.resolve() for each in configured_models()}
    return not known or all(each.resolve() in known for each in models)


def _origin(name: str, value: object) -> str | None:
    """The configuration that says this, or None for the command line."""
    found = _configuration()
    return None if found is None or value is None or is_given(name) else found.name


def subject_from(
    *,
    models: tuple[Path, ...] = (),
    sides: tuple[Path, ...] = (),
    data: str | None = None,
    labels: str | None = None,
    classes: str | None = None,
    split: str | None = None,
    calibration: str | None = None,
    task: str | None = None,
    dimensions: tuple[tuple[str, int], ...] = (),
    samples: int | None = None,
    allow_h5: bool = False,
    artifacts: Path | None = None,
    seed: int = 0,
) -> Subject:
    """What these options name; `sides` are files that the command line names as something else than MODEL."""
    from crossrt.datasets.request import DataRequest, calibration_request
    from crossrt.harness.measure.settings import Subject

    named = sides or (models if is_given("models") or is_given("model") else ())
    if named:
        (artifacts,) = _only_given(artifacts=artifacts)  # a folder stands for the model that is not named
    if not _are_configured(named):  # what a configuration says of its model is not true of another
        dimensions, allow_h5 = _only_given(dimensions=dimensions, allow_h5=allow_h5)
    if data is None or is_given("data"):
        labels, classes, split, samples = _only_given(labels=labels, classes=classes, split=split, samples=samples)
    if is_given("artifacts") and not is_given("models"):
        models = ()  # the folder stands for the model of a configuration
    if models and artifacts:
        raise click.UsageError("MODEL and --artifacts exclude each other: the folder says which model it holds")
    if (labels or classes) and not data:
        raise click.UsageError(f"{'--labels' if labels else '--classes'} goes with --data")
    bound = dict(dimensions or ())
    return Subject(
        models=models,
        artifacts=artifacts,
        data=None
        if data is None
        else DataRequest(reference=data, labels=labels, classes=classes, split=split, seed=seed, dimensions=bound),
        calibration=None if calibration is None else calibration_request(calibration, seed, bound),
        task=task,
        dimensions=bound,
        samples=samples,
        allow_h5=bool(allow_h5),
        seed=seed,
        data_origin=_origin("data", data),
        calibration_origin=_origin("calibration", calibration),
    )


only_option = click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Only what contains PATTERN in its name, or matches it as a shell pattern. May be repeated.",
)

margin_option = click.option(
    "--margin",
    "margins",
    multiple=True,
    metavar="[CASES:]METRIC=PERCENT",
    help="How much worse a metric may become, such as latency_p50_ns=3% or 'int8*:top1=off'. May be repeated; the last"
    " that fits counts.",
)

minimum_agreement_option = click.option(
    "--min-agreement",
    type=FiniteRange(0, 1),
    default=0.99,
    show_default=True,
    help="A variant that answers a smaller share of the samples like the reference is a failed row; a quantized one,"
    " where labels are known and 90% agree, only if its accuracy falls by more than the rest, and not by chance.",
)


artifacts_out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results/artifacts"),
    show_default=True,
    help="Folder for the model files and their manifests, the float32 files among them.",
)


def timeout_option(default_s: float = 60.0) -> Callable[[Decorated], Decorated]:
    """The `--timeout` option of a command that works in processes of its own."""
    return click.option(
        "--timeout",
        type=FiniteRange(0.01, LONGEST_TIMEOUT_S),
        default=default_s,
        show_default=True,
        metavar="SECONDS",
        help="Deadline of each single step of a worker process.",
    )


_THREADS = click.option(
    "--threads", type=COUNT, default=1, show_default=True, help="Threads per operator, on every runtime."
)
_THREAD_COUNTS = click.option(
    "--threads",
    multiple=True,
    type=SIZES,
    help="Threads per operator, on every runtime: a number, a list 1,2,4 or doublings 1..8. May be repeated."
    "  [default: 1]",
)
_MEASURING = (
    click.option(
        "--io",
        type=click.Choice(["float32", "native"]),
        default="float32",
        show_default=True,
        help="Feed and read float32, or the model's own types where they are quantized or narrower.",
    ),
    timeout_option(),
    click.option(
        "--memory-limit",
        type=click.IntRange(64, LARGEST_LIMIT_MIB),
        default=4096,
        show_default=True,
        metavar="MIB",
        help="Private memory that a worker process may have; a large model gets four times its size.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random orders."),
)


cpu_option = click.option(
    "--cpu",
    type=click.Choice(CPUS),
    help="Also answer the data as a CPU without AVX-512 and VNNI would, under an emulator (valgrind): answers alone, no"
    " times. Comes on top of --time.",
)


def measuring_options(command: Decorated) -> Decorated:
    """The options of every command that measures."""
    for option in reversed((_THREADS, *_MEASURING)):
        command = option(command)
    return command


def sweeping_options(command: Decorated) -> Decorated:
    """The same for a command that measures with several numbers of threads."""
    for option in reversed((_THREAD_COUNTS, *_MEASURING)):
        command = option(command)
    return command


def out_option(name: str) -> Callable[[Decorated], Decorated]:
    """The `--out` option of a command that writes `<run>/<name>`."""
    return click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("results"),
        show_default=True,
        help=f"Folder for <run>/{name}.",
    )


def bench_settings(
    *,
    threads: int,
    batch: tuple[int, ...],
    io: Any,
    min_agreement: float,
    timeout: float,
    memory_limit: int,
    seed: int,
    **subject: Any,
) -> BenchSettings:
    """What the shared options ask for."""
    from crossrt.harness.measure.settings import BenchSettings, WorkerLimits

    return BenchSettings(
        subject=subject_from(seed=seed, **subject),
        batch_sizes=tuple(sorted(set(batch))),
        threads=threads,
        io=io,
        minimum_agreement=min_agreement,
        seed=seed,
        limits=WorkerLimits(timeout_s=timeout, memory_limit_bytes=memory_limit * 2**20),
    )


def message_console() -> Console:
    """Where progress goes: standard error."""
    from crossrt.reports.text import consoles

    return consoles.message_console()


def result_console() -> Console:
    """Where results go: standard output."""
    from crossrt.reports.text import consoles

    return recording_console() or consoles.result_console()


model_option = click.option("--model", type=click.Path(path_type=Path))
