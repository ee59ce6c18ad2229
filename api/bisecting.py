"""`crossrt.bisect_runtime`: which release changed the time or the answers, from Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crossrt.progress import display_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossrt.analysis.bisection.record import BisectionReport
    from crossrt.given import Data, Model


def bisect_runtime(
    case: str | Path,
    *,
    runtime: str,
    good: str,
    bad: str,
    by: Literal["time", "answers"] | None = None,
    model: Model | None = None,
    data: Data | None = None,
    labels: NDArray[Any] | str | Path | None = None,
    calibration: Data | None = None,
    task: str | None = None,
    dimensions: Mapping[str, int] | None = None,
    samples: int | None = None,
    batch: int | None = None,
    threads: int = 1,
    margin: float = 0.02,
    tolerance: float = 1e-3,
    budget: float = 8.0,
    out: str | Path = "results",
    fresh: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> BisectionReport:
    """Finds the release of a runtime that changed how long a model takes, or what it answers.

    Args:
        case: A model file, or a variant of `model`, such as `"int8-qdq"`.
        runtime: The runtime, such as `"ort-cpu"`; with options, where it has any.
        good: A version that is as it should be.
        bad: A version that is slower, faster or answers otherwise.
        by: What changed; None to find out.
        model: What the case is a variant of; None for the bundled model.
        data: What models are fed with; None for random inputs.
        labels: What is right for each sample, where the data do not say it.
        calibration: What quantizers are calibrated with.
        task: How answers are scored; None chooses by labels and outputs.
        dimensions: Sizes of dynamic dimensions, by name.
        samples: How many samples are answered, at most.
        batch: Samples per call; None for 1, or the model's own.
        threads: Threads per operator.
        margin: Both ends must differ by a larger share in time: noise is not bisected.
        tolerance: Outputs of both ends must differ by a larger share to be other answers, or classes must flip.
        budget: How long each comparison may measure, in seconds; three times as long where it stays open.
        out: The folder for `<bisection>/bisection.json`.
        fresh: Begin again, whatever was found before.
        seed: Seed of all random orders.
        progress: Whether progress is shown on standard error.

    Returns:
        Every step; `status` is `"found"` where a single release is to blame: `first_bad`, after `last_good`.

    Raises:
        CrossrtError: An end cannot be run, a version cannot be installed, or something else cannot be used.
    """
    from crossrt.harness.bisect.request import BisectRequest
    from crossrt.harness.bisect.run import run_bisection
    from crossrt.harness.measure.settings import BenchSettings
    from crossrt.harness.run.arguments import path_in, word_in
    from crossrt.harness.run.given import given_subject, python_words
    from crossrt.runtimes.registry import selector_of

    subjects = given_subject(() if model is None else model, data, labels, calibration, task, dimensions, samples, seed)
    with python_words(), subjects as subject, display_for(shows=progress) as display:
        sizes = () if batch is None else (batch,)
        request = BisectRequest(
            run=BenchSettings(subject=subject, batch_sizes=sizes, threads=threads, seed=seed),
            case=str(case),
            runtime=selector_of(word_in("runtime", runtime)),
            good=word_in("good", good),
            bad=word_in("bad", bad),
            by=by,
            margin=margin,
            tolerance=tolerance,
            budget_s=budget,
            out=path_in("out", out),
            is_fresh=fresh,
        )
        return run_bisection(request, display)
