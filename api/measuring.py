"""`crossrt.bench` and `crossrt.duel`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crossrt.progress import display_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossrt.given import Data, Model
    from crossrt.harness.measure.settings import BenchSettings, Exclusivity, Subject
    from crossrt.reports.schema.records import Duel, Report


def bench(
    model: Model | Sequence[Model] = (),
    *,
    data: Data | None = None,
    labels: NDArray[Any] | str | Path | None = None,
    calibration: Data | None = None,
    task: str | None = None,
    runtimes: Sequence[str] = (),
    batch: int | Sequence[int] = (),
    threads: int | Sequence[int] = 1,
    scenarios: Sequence[str] = (),
    dimensions: Mapping[str, int] | None = None,
    time: float | None = None,
    rounds: int | None = None,
    only: Sequence[str] = (),
    recipes: Sequence[str] = (),
    baseline: str | None = None,
    samples: int | None = None,
    minimum_agreement: float = 0.99,
    cpu: Literal["avx2"] | None = None,
    roofline: bool = False,
    evidence: bool = False,
    exclusive: bool | Mapping[str, float] = False,
    seed: int = 0,
    progress: bool = False,
) -> Report:
    """Checks and measures a model on every runtime, or several files of one network side by side.

    Args:
        model: What is run; several files are compared, and the first is the reference. Nothing for the bundled model.
        data: What models are fed with: a path, the name of a data set, `module:function`, arrays, a `Dataset`, or a
            function that gives one of these two, which is called in this process; None for random inputs.
        labels: What is right for each sample, `(samples, ...)`, where the data do not say it.
        calibration: What quantizers are calibrated with.
        task: How answers are scored; None chooses by labels and outputs.
        runtimes: Names of runtimes; none for all that are installed, but for those that run on request (`keras`).
        batch: Samples per call.
        threads: Threads per operator; of several, every case is measured with each.
        scenarios: Scenarios as on the command line, such as `"server:latency=2ms,percentile=99"`; none for
            single-stream, the latency of single calls.
        dimensions: Sizes of dynamic dimensions, by name.
        time: How long the run may take, in seconds.
        rounds: Fresh processes per case, at most.
        only: Patterns that select cases.
        recipes: Names of recipes that are measured as well, such as `int8-same`.
        baseline: `<variant>@<runtime>` that speed-ups refer to.
        samples: How many samples are answered, at most.
        minimum_agreement: A variant that answers a smaller share of the samples like the reference is a failed row; a
            quantized one, where labels are known and 90% agree, only if accuracy falls by more than the rest.
        cpu: A processor on which cases are answered as well, under an emulator: `avx2` has neither AVX-512 nor VNNI.
        roofline: Whether cases are compared with the limits of this machine: peaks and memory bandwidth.
        evidence: Whether instructions, cycles, cache misses and energy of a call are counted, where the machine tells.
        exclusive: Whether runs of all users are kept off this machine, which has to be quiet; or how quiet, as in
            `{"max_pressure": 0.05, "max_steal": 0.01}`: the time in which tasks wait for a CPU, and CPUs taken away.
        seed: Seed of all random orders.
        progress: Whether progress is shown on standard error.

    Returns:
        A report: iterate over it, or see `to_dataframe`, `save`, and `crossrt.compare`.

    Raises:
        CrossrtError: Something cannot be used, or the machine is not quiet where exclusive use of it was asked for; a
            case that fails is a result and raises nothing.
    """
    from crossrt.harness.run.bench import run_bench
    from crossrt.harness.run.given import given_subject, python_words

    with python_words(), given_subject(model, data, labels, calibration, task, dimensions, samples, seed) as subject:
        settings = _bench_settings(
            *(subject, recipes, runtimes, only, baseline),
            batch=_sizes(batch),
            threads=_sizes(threads) or (1,),
            scenarios=scenarios,
            rounds=rounds,
            exclusive=exclusive,
        )
        settings = dataclasses.replace(settings, time_s=time, minimum_agreement=minimum_agreement, cpu=cpu, seed=seed)
        settings = dataclasses.replace(settings, has_roofline=roofline, has_evidence=evidence)
        with display_for(shows=progress) as display:
            return run_bench(settings, ["crossrt.bench"], display)


def _bench_settings(
    subject: Subject,
    recipes: Sequence[str],
    runtimes: Sequence[str],
    only: Sequence[str],
    baseline: str | None,
    *,
    batch: tuple[int, ...],
    threads: tuple[int, ...],
    scenarios: Sequence[str],
    rounds: int | None,
    exclusive: bool | Mapping[str, float],
) -> BenchSettings:
    """What is measured and how often, from names that are looked at first."""
    from crossrt.harness.measure.scenarios.asked import names_single_stream, read_scenarios
    from crossrt.harness.measure.settings import DEFAULT_EFFORT, BenchSettings
    from crossrt.harness.run.arguments import names_in, text_in

    asked = names_in("scenarios", scenarios)
    return BenchSettings(
        subject=dataclasses.replace(subject, recipes=names_in("recipes", recipes)),
        runtimes=names_in("runtimes", runtimes),
        only=names_in("only", only),
        baseline=text_in("baseline", baseline),
        batch_sizes=batch,
        threads=threads[0],
        more_threads=threads[1:],
        scenarios=read_scenarios(asked),
        is_single_stream=names_single_stream(asked),
        effort=DEFAULT_EFFORT if rounds is None else dataclasses.replace(DEFAULT_EFFORT, rounds=rounds),
        exclusive=_exclusivity(exclusive),
    )


def _exclusivity(asked: object) -> Exclusivity | None:
    from crossrt.harness.errors import HarnessError
    from crossrt.harness.measure.settings import Exclusivity

    if isinstance(asked, bool):
        return Exclusivity() if asked else None
    known = {each.name for each in dataclasses.fields(Exclusivity)}
    if not isinstance(asked, Mapping) or not set(asked) <= known:
        raise HarnessError(
            f'exclusive is {asked!r}; expected True, False, or limits as in {{"max_pressure": 0.05, "max_steal": 0.01}}'
        )
    return Exclusivity(**asked)


def duel(
    a: str | Path,
    b: str | Path | None = None,
    *,
    model: Model | None = None,
    data: Data | None = None,
    labels: NDArray[Any] | str | Path | None = None,
    calibration: Data | None = None,
    dimensions: Mapping[str, int] | None = None,
    batch: int | None = None,
    margin: float = 0.02,
    budget: float = 8.0,
    seed: int = 0,
    progress: bool = False,
) -> Duel:
    """Compares two cases side by side until their ratio is known: an A/B comparison.

    Args:
        a: A model file, with `@runtime` behind it where that matters, or `variant@runtime` of `model`.
        b: The other side; None compares A with itself.
        model: What A and B are variants of, where they are no files.
        data: What models are fed with.
        labels: What is right for each sample.
        calibration: What quantizers are calibrated with.
        dimensions: Sizes of dynamic dimensions, by name.
        batch: Samples per call.
        margin: Times that differ by a smaller share count as the same.
        budget: How long may be measured before the verdict, in seconds.
        seed: Seed of all random orders.
        progress: Whether progress is shown on standard error.

    Returns:
        Both sides with their rounds; `crossrt.reports.verdicts.duel.judge_duel` gives the verdict.

    Raises:
        CrossrtError: Something cannot be used, or a side fails.
    """
    from crossrt.harness.measure.duel.run import run_duel
    from crossrt.harness.measure.settings import BenchSettings, DuelSettings
    from crossrt.harness.run.given import given_subject, python_words

    subjects = given_subject(() if model is None else model, data, labels, calibration, None, dimensions, None, seed)
    with python_words(), subjects as subject:
        run = BenchSettings(subject=subject, batch_sizes=() if batch is None else (batch,), seed=seed)
        settings = DuelSettings(run=run, a=str(a), b=str(b or a), budget_s=budget, margin=margin)
        with display_for(shows=progress) as display:
            return run_duel(settings, ["crossrt.duel"], display)


def _sizes(batch: int | Sequence[int]) -> tuple[int, ...]:
    sizes = list(batch) if isinstance(batch, Iterable) and not isinstance(batch, str) else [batch]
    are_numbers = all(isinstance(each, Integral) for each in sizes)
    return tuple(sorted(set(sizes))) if are_numbers else tuple(sizes)  # the settings name what is no number
