"""Verdicts as a user asks for them: duels, two honest runs compared, a regression that was injected."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from crossrt.reports.schema.files import read_duel

pytestmark = pytest.mark.timed

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
SLOWED = Path(__file__).parents[1] / "data" / "slowed"
# other work on the machine makes a run slower indeed, or a verdict unsure; a defect fails in all attempts
ATTEMPTS = 4


def crossrt(*arguments, cwd, **variables):
    command = [CROSSRT, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **variables})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with exported artifacts."""
    folder = tmp_path_factory.mktemp("verdicts")
    done = crossrt("export", "--out", "exported", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


FASTER = r"^([AB]) is (\d\.\d+ times|twice) as fast as [AB] \(margin 2%\)"


def fought(done, folder):
    return read_duel(folder / re.search(r"^duel: (.*)$", done.stdout, re.MULTILINE)[1])


def test_duel_between_two_runtimes(folder):
    for _ in range(ATTEMPTS):
        done = crossrt("duel", "int8-qdq@ort-cpu", "int8@tflite", "--artifacts", "exported", cwd=folder)
        assert done.returncode == 0, done.stderr
        verdict = re.search(FASTER, done.stdout, re.MULTILINE)
        if verdict:
            break
    assert verdict, done.stdout  # which one depends on the processor
    duel = fought(done, folder)
    shown = crossrt("show", f"results/{duel.run.id}", cwd=folder)
    assert shown.stdout.strip() == done.stdout.partition("duel: ")[0].strip()
    sides = (f"results/{duel.run.id}/a.json", f"results/{duel.run.id}/b.json")
    compared = crossrt("compare", *sides, "--paired", cwd=folder)
    assert ("slower" if verdict[1] == "A" else "faster") in compared.stdout


def test_duel_of_a_model_with_itself_never_says_slower(folder):
    done = crossrt("duel", "int8@tflite", "--fail-if-slower", "2%", "--artifacts", "exported", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search("^(Same|Inconclusive)", done.stdout, re.MULTILINE), done.stdout  # below cautions, if there are any


def test_duel_against_a_slower_runtime_fails(folder):
    arguments = ("duel", "fp32@slowed-0", "fp32@slowed-15", "--fail-if-slower", "2%", "--artifacts", "exported")
    for _ in range(ATTEMPTS):
        done = crossrt(*arguments, cwd=folder, PYTHONPATH=str(SLOWED))
        if done.returncode == 1:
            break
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^A is 1\.1", done.stdout, re.MULTILINE), done.stdout
    assert "recurred in fresh processes" in " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def slowed(folder):
    """`slowed(60)` measures one case with a runtime that is slower by so many percent."""

    def run(percent: int) -> str:
        done = crossrt(
            *("bench", "--artifacts", "exported", "--only", "fp32@slowed/b1", "--rounds", "6"),
            cwd=folder,
            PYTHONPATH=str(SLOWED),
            SLOWED_PERCENT=str(percent),
        )
        assert done.returncode == 0, done.stderr
        return re.search(r"^report: (.*)$", done.stdout, re.MULTILINE)[1]

    return run


@pytest.fixture(scope="module")
def honest(slowed):
    """A run that is not slower."""
    return slowed(0)


def test_two_honest_runs_have_no_regression(folder, slowed, honest):
    for _ in range(ATTEMPTS):
        done = crossrt("compare", honest, slowed(0), cwd=folder)
        if done.returncode == 0:
            break
        honest = slowed(0)
    assert done.returncode == 0, done.stdout
    assert re.search("^No regression", done.stdout, re.MULTILINE), done.stdout


def test_an_injected_regression_is_found(folder, slowed, honest):
    for _ in range(ATTEMPTS):
        worse = slowed(60)
        as_json = json.loads(crossrt("compare", honest, worse, "--format", "json", cwd=folder).stdout)
        if as_json["findings"][0]["change"] == pytest.approx(0.6, abs=0.25):
            break
        honest = slowed(0)
    assert as_json["findings"][0]["metric"] == "latency_p50_ns"
    assert as_json["findings"][0]["change"] == pytest.approx(0.6, abs=0.25)
    done = crossrt("compare", honest, worse, cwd=folder)
    assert done.returncode == 1
    assert "slower" in done.stdout
    as_junit = crossrt("compare", honest, worse, "--format", "junit", cwd=folder).stdout
    assert ET.fromstring(as_junit).get("failures") == "1"


def test_pytest_fails_with_the_words_of_compare(folder, honest):
    tests = Path(__file__).parents[1] / "benchmarks"
    command = [
        *(sys.executable, "-P", "-m", "pytest", "-q", str(tests), "--crossrt-artifacts", "exported", "--crossrt-short"),
        *("--crossrt-only", "fp32@slowed/b1", "--crossrt-batch", "1", "--crossrt-baseline", honest),
    ]
    variables = {**os.environ, "PYTHONPATH": str(SLOWED), "SLOWED_PERCENT": "300"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=variables)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"mnist-cnn.fp32@slowed/b1/t1: p50 µs slower: [\d.]+ -> [\d.]+, \+", done.stdout)
    assert re.search(r"[1-9] regressions? in 1 case", done.stdout)
