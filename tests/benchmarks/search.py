"""How often `crossrt search` ends inside its budget: `python tests/benchmarks/search.py`, some minutes for each search.

Each seed cuts the test data anew. Beside the result stand the whole-model recipes of the same searches and, with
`--nncf-python PYTHON` (one that has nncf), NNCF's quantization with accuracy control: it gets the samples that the
search chose on, and its file is judged like the search's, on the samples kept aside and in shared rounds.

A line is printed behind each search. With `--keep FOLDER` searches that are over stay there and are not made again: the
same call continues a run that was killed; the search that was under way begins anew, so that it has all of its time.
Those whose time was over before anything was judged count as outside the budget; `--again` makes them again.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

import crossrt
from crossrt.analysis.search.budget import Budget, drop_in
from crossrt.analysis.search.result import Candidate, SearchReport
from crossrt.datasets.opening import DataRequest
from crossrt.datasets.reference import model_file
from crossrt.harness.build.model_files import model_artifact
from crossrt.harness.measure.settings import BenchSettings, Subject
from crossrt.harness.run.prepare import scratch_folder
from crossrt.harness.search.ledger import read_search
from crossrt.harness.search.opening import open_search
from crossrt.harness.search.request import SearchRequest
from crossrt.harness.search.run import run_search
from crossrt.harness.search.scoring import Scorer
from crossrt.harness.search.timing import CONFIRMING, Stopwatch
from crossrt.reports.text.progress import Silent

HELPER = Path(__file__).with_name("nncf_control.py")
EXAMPLE = Path(__file__).parents[2] / "examples" / "mixed-precision" / "make.py"
GOAL = 0.95
OVER = ("found", "none", "unjudged")
INTERRUPTED = 130
MODELS = ("mnist-cnn", "mnist-separable", "mnist-transformer")


def subject_of(model: str, folder: Path) -> Subject:
    """A bundled model with its data, or `faulty`: that of the example, with a layer that has to stay in float."""
    if model != "faulty":
        return Subject(models=(model_file(model),))
    if not (folder / "faulty.onnx").exists():
        subprocess.run([sys.executable, EXAMPLE], cwd=folder, check=True)
    data, calibration = (DataRequest(reference=str(folder / name)) for name in ("test.npz", "train.npz"))
    return Subject(models=(folder / "faulty.onnx",), data=data, calibration=calibration)


def searched(
    model: str, budget: Budget, time_s: float, seed: int, folder: Path, *, again: bool
) -> tuple[SearchRequest, SearchReport]:
    """A search that is over: the one in the folder, or a new one."""
    request = SearchRequest(
        subject=subject_of(model, folder), budget=budget, out=folder / f"{model}-{seed}", time_s=time_s, seed=seed
    )
    known = read_search(request.out)
    if known is not None and (known.budget, known.time_s) != (budget, time_s):
        raise click.UsageError(
            f"{request.out} holds a search for another budget or of {known.time_s:g} s: give another --keep"
        )
    if known is not None and known.status in (OVER[:-1] if again else OVER):
        return request, known
    shutil.rmtree(request.out, ignore_errors=True)
    return request, run_search(request, Silent())


def row(name: str, loss: str, speed: str, size: str, verdict: str) -> str:
    return f"| {name} | {loss} | {speed} | {size} | {verdict} |"


def outcome(model: str, seed: int, found: SearchReport) -> str:
    last = next((each for each in reversed(found.confirmations) if each.passes), None)
    last = last or (found.confirmations[-1] if found.confirmations else None)
    if last is None or last.loss is None:
        return row(f"{model}, seed {seed}", "-", "-", "-", f"{found.status}: {found.sentence}")
    candidate = found.candidate(last.candidate)
    assert candidate is not None
    speed = "-" if last.speed is None else f"{last.speed.ratio:.2f} [{last.speed.lower:.2f}, {last.speed.upper:.2f}]"
    return row(
        f"{model}, seed {seed}: {last.candidate}",
        f"{100 * last.loss.loss:+.2f}, at most {100 * last.loss.upper:.2f}",
        speed,
        f"{candidate.size_bytes / found.float_size_bytes:.0%}",
        f"{found.status} in {found.took_s:.0f} s",
    )


def recipe(each: Candidate, found: SearchReport) -> str:
    loss = "-" if each.loss is None else f"{100 * each.loss.loss:+.2f}, at most {100 * each.loss.upper:.2f}"
    speed = "-" if each.speed is None else f"{each.speed.ratio:.2f} [{each.speed.lower:.2f}, {each.speed.upper:.2f}]"
    sqnr = "" if each.sqnr_db is None else f"{each.sqnr_db:.1f} dB"
    size = f"{each.size_bytes / found.float_size_bytes:.0%}"
    return row(f"{each.name} (samples of the search)", loss, speed, size, sqnr)


def with_nncf(python: Path, request: SearchRequest, drop: str) -> str:
    """NNCF's file for the same float file, samples and budget, judged as the search judges its own."""
    with scratch_folder() as folder:
        start = open_search(request, folder, Silent())
        search, aside = start.parts()
        calibration = start.opened.calibration
        assert calibration is not None
        for name, part, count in (("search", search, len(search)), ("calibration", calibration, 1000)):
            labels = {} if part.labels is None else {"labels": part.labels[:count]}
            np.savez(folder / f"{name}.npz", **part.feeds(range(count)), **labels)
        path = folder / "nncf.onnx"
        asked = [str(each) for each in (start.original.path, folder, path, drop_in(drop).value)]
        done = subprocess.run([python, HELPER, *asked], capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no reason"])[-1]
            return row("NNCF accuracy control", "-", "-", "-", f"failed: {said}")
        settings = BenchSettings(subject=request.subject, minimum_agreement=0.0, seed=request.seed)
        judged = Scorer(aside, start.original, settings, folder / "aside")
        artifact = dataclasses.replace(model_artifact(path), variant="nncf", model=start.original.model)
        loss = judged.score(artifact)[0]
        speed = Stopwatch(start.original, judged, settings, 1).time([artifact], CONFIRMING, 30.0, Silent())[artifact.id]
        return row(
            "NNCF accuracy control",
            f"{100 * loss.loss:+.2f}, at most {100 * loss.upper:.2f}",
            f"{speed.ratio:.2f} [{speed.lower:.2f}, {speed.upper:.2f}]",
            f"{artifact.size_bytes / start.original.size_bytes:.0%}",
            done.stdout.strip().splitlines()[-1],
        )


@click.command()
@click.option("--model", "models", multiple=True, default=MODELS, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--max-drop", default="0.2pp", show_default=True)
@click.option("--allow-slower", is_flag=True, help="As of crossrt search.")
@click.option("--time", "time_s", type=float, default=300.0, show_default=True)
@click.option("--nncf-python", type=click.Path(exists=True, path_type=Path))
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the searches; those over stay.")
@click.option("--again", is_flag=True, help="Makes searches again that judged nothing in time.")
def main(
    models: tuple[str, ...],
    seeds: int,
    max_drop: str,
    allow_slower: bool,
    time_s: float,
    nncf_python: Path | None,
    keep: Path | None,
    again: bool,
) -> None:
    """Prints a Markdown table; the exit code is 1 where fewer than 19 of 20 searches end inside their budget."""
    asked = f"--max-drop {max_drop} --time {time_s:g}{' --allow-slower' if allow_slower else ''}"
    print(f"crossrt {crossrt.__version__}, {asked}", flush=True)
    print(row("file", "loss, pp", "speed-up", "size", "verdict"), row("---", "---", "---", "---", "---"), sep="\n")
    budget = Budget(drop=drop_in(max_drop), min_speedup=None if allow_slower else 1.0)
    found: dict[str, list[SearchReport]] = {model: [] for model in models}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        for seed, model in itertools.product(range(seeds), models):
            request, each = searched(model, budget, time_s, seed, folder, again=again)
            if each.status == "interrupted":
                raise SystemExit(INTERRUPTED)
            found[model].append(each)
            print(outcome(model, seed, each), flush=True)
            if not seed:
                plain = [one for one in each.candidates if not one.float_units and not one.wide_units]
                print(*(recipe(one, each) for one in plain), sep="\n", flush=True)
                if nncf_python is not None:
                    print(with_nncf(nncf_python, request, max_drop), flush=True)
    print(*(summary(model, each) for model, each in found.items()), sep="\n")
    raise SystemExit(int(any(inside(each) < GOAL * len(each) for each in found.values())))


def inside(found: Sequence[SearchReport]) -> int:
    """Searches whose file keeps to the budget on the samples kept aside."""
    return sum(each.status == "found" for each in found)


def summary(model: str, found: Sequence[SearchReport]) -> str:
    """How many searches of a model end inside the budget, on samples kept aside, and how long they take."""
    took = sorted(each.took_s for each in found)
    return f"{model}: inside the budget in {inside(found)} of {len(found)}, in {took[0]:.0f} to {took[-1]:.0f} s"


if __name__ == "__main__":
    main()
