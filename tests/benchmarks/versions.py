"""How often two versions are told apart: `python tests/benchmarks/versions.py MODEL.onnx --version 1.31.1`.

Three environments of one version of onnxruntime are made: A and B are equal, and in the third each call takes a share
longer, which is planted into its package. Each trial is one `crossrt duel` of A with one of the others. A verdict that
one side of A and B is faster is false; one that the planted side is slower is right. Every trial is one line of
`--results`; a script that was stopped goes on where it was. Environments come from the package index, once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from crossrt.reports.schema.files import read_duel
from crossrt.reports.verdicts.duel import judge_duel
from crossrt.runtimes.versions.environments import VersionEnvironments

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
PLANTED = """
import time as _time

_plain = InferenceSession


class InferenceSession(_plain):
    def run(self, *arguments, **named):
        start = _time.perf_counter_ns()
        found = super().run(*arguments, **named)
        end = start + (_time.perf_counter_ns() - start) * {factor}
        while _time.perf_counter_ns() < end:
            pass
        return found
"""


def environments(folder: Path, version: str, share: float) -> dict[str, Path]:
    """The Python of each side.

    The second and third are copies whose files are links: a library copied byte by byte lies in other pages of memory,
    which alone moved its speed by half a percent.
    """
    first = VersionEnvironments(folder / "cache" / "environments", print).open("ort-cpu", version)
    found = {"a": first.python}
    for name in ("same", "planted"):
        copy = folder / name
        if not copy.exists():
            shutil.copytree(first.folder, copy, symlinks=True, copy_function=os.link)
        found[name] = copy / "bin" / "python"
    (module,) = (folder / "planted").glob("lib/python*/site-packages/onnxruntime/__init__.py")
    plain = next(first.folder.glob("lib/python*/site-packages/onnxruntime/__init__.py")).read_text()
    module.unlink()  # a link: never written through
    module.write_text(plain + PLANTED.format(factor=1 + share))
    return found


def trial(model: Path, version: str, python: Path, cache: Path, options: list[str]) -> dict[str, object]:
    """One A/B comparison."""
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [
                *(CROSSRT, "duel", f"{model}@ort-cpu=={version}", f"{model}@ort-cpu"),
                *("--python-b", str(python), "--out", out, *options),
            ],
            env={**os.environ, "CROSSRT_CACHE_DIR": str(cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        found = list(Path(out).glob("*/duel.json"))
        if not found:
            raise click.ClickException(done.stderr[-2000:])
        judgement = judge_duel(read_duel(found[0]))
    return {"verdict": judgement.verdict, "ratio": judgement.ratio.mean, "half": judgement.ratio.half}


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--version", default="1.31.1", show_default=True)
@click.option("--trials", default=100, show_default=True, help="With what is planted.")
@click.option("--equals", default=100, show_default=True, help="Trials of one version twice.")
@click.option("--share", default=0.03, show_default=True, help="What is planted, of each call.")
@click.option("--margin", default="1%", show_default=True)
@click.option("--budget", default=10, show_default=True, help="Seconds of each comparison.")
@click.option("--batch", default=32, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("results/versions"), show_default=True)
def main(
    model: Path,
    version: str,
    trials: int,
    equals: int,
    share: float,
    margin: str,
    budget: int,
    batch: int,
    folder: Path,
) -> None:
    """Runs the trials that are missing and prints the table."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    pythons, results = environments(folder, version, share), folder / "trials.jsonl"
    found = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    options = ["--margin", margin, "--budget", str(budget), "--batch", str(batch)]
    wanted = {"same": equals, "planted": trials}
    for number in range(max(wanted.values())):
        for side in (side for side, most in wanted.items() if number < most):
            if any((each["side"], each["number"]) == (side, number) for each in found):
                continue
            seed = ["--seed", str(number)]
            one = trial(model.absolute(), version, pythons[side], folder / "cache", [*options, *seed])
            found.append({"side": side, "number": number, **one})
            with results.open("a") as file:
                file.write(json.dumps(found[-1]) + "\n")
    for side in ("same", "planted"):
        ours = [each for each in found if each["side"] == side]
        counts = Counter(str(each["verdict"]) for each in ours)
        halves = sorted(float(each["half"]) for each in ours)
        print(f"{side:8} {dict(counts)} of {len(ours)}; median half-width {100 * halves[len(halves) // 2]:.2f}%")


if __name__ == "__main__":
    main()
