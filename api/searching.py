"""`crossrt.search`: mixed precision to a budget, from Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossrt.progress import display_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossrt.analysis.search.result import SearchReport
    from crossrt.given import Data, Model


def search(
    model: Model,
    out: str | Path,
    *,
    max_drop: str | float,
    data: Data | None = None,
    labels: NDArray[Any] | str | Path | None = None,
    calibration: Data | None = None,
    min_speedup: float | None = 1.0,
    max_size: float | None = None,
    time: str | float = 300.0,
    held_out: float = 0.5,
    task: str | None = None,
    dimensions: Mapping[str, int] | None = None,
    batch: int | None = None,
    threads: int = 1,
    samples: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = False,
) -> SearchReport:
    """Searches for the fastest int8 or mixed ONNX file that keeps to a budget, and writes it into a folder.

    Args:
        model: A float ONNX file or model, a Keras or SavedModel model, or the name of a bundled model.
        out: The folder for the best file, `search.json` and the plot; the best file so far is there at every moment.
        max_drop: What may be lost of the task's first metric: `"0.2pp"` or 0.2 for percentage points of a share,
            `"1%"` or 1 for percent of any other number. The upper confidence bound of the loss counts.
        data: Samples; one part is searched on, the other is kept aside for the verdict.
        labels: What is right for each sample, where the data do not say it.
        calibration: What candidates are calibrated with; none of the samples may be in `data`.
        min_speedup: Time of the float file over that of the file, at least; None lets a slower file count.
        max_size: Size of the file over that of the float file, at most.
        time: How long the search may take, in seconds or as `"10m"`.
        held_out: Share of the samples that is kept aside.
        task: How answers are scored; None chooses by labels and outputs.
        dimensions: Sizes of dynamic dimensions, by name.
        batch: Samples of a timed call.
        threads: Threads per operator.
        samples: How many samples are used, from the first.
        seed: Seed of the cut into parts, and of random orders.
        resume: Go on with the search in `out`.
        progress: Whether progress is shown on standard error.

    Returns:
        Everything that was tried; `found` is the confirmed candidate, or None, and `sentence` says what to ship.

    Raises:
        CrossrtError: Something cannot be used, or the samples are too few to show that the budget holds.
    """
    from crossrt.analysis.search.budget import Budget, drop_in
    from crossrt.harness.run.arguments import path_in
    from crossrt.harness.run.given import given_subject, python_words
    from crossrt.harness.search.plot import write_plot
    from crossrt.harness.search.request import SearchRequest, seconds_in
    from crossrt.harness.search.run import run_search

    folder = path_in("out", out)
    with (
        python_words(),
        given_subject(model, data, labels, calibration, task, dimensions, samples, seed) as subject,
        display_for(shows=progress) as display,
    ):
        request = SearchRequest(
            subject=subject,
            budget=Budget(drop=drop_in(max_drop), min_speedup=min_speedup, max_size=max_size),
            out=folder,
            time_s=seconds_in(time),
            held_out=held_out,
            resumes=resume,
            batch_size=batch,
            threads=threads,
            seed=seed,
        )
        found = run_search(request, display, lambda report: write_plot(report, folder))
    return _in_python(found)


def _in_python(found: SearchReport) -> SearchReport:
    """The same with what it says in the words of the Python interface."""
    import msgspec

    from crossrt.core.in_python import in_python

    return msgspec.structs.replace(
        found, sentence=in_python(found.sentence), notes=tuple(in_python(note) for note in found.notes)
    )
