from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest

from crossrt.cli.main import main
from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.datasets.opening import DataRequest
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import write_folder
from crossrt.harness.measure.duel.run import run_duel
from crossrt.harness.measure.settings import BenchSettings, DuelSettings, Effort, Subject, WorkerLimits
from crossrt.harness.run.bench import run_bench
from crossrt.reports.schema.records import Report
from crossrt.reports.text.progress import Silent

DATA = Path(__file__).parents[2] / "data"
CONFORMANCE = Path(__file__).parents[3] / "runtimes" / "conformance" / "models"
SHORT = Effort(rounds=3, blocks=2, block_target_ns=500_000, warmup_ns=100_000)
SHORT_DUEL = Effort(rounds=1, blocks=6, block_target_ns=300_000, warmup_ns=100_000, sessions=2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def inspected(tmp_path_factory) -> Path:
    """What was found out about model files, which takes TensorFlow seconds: a folder for all processes of a session."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "inspected"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def known_files(own_cache, inspected) -> None:
    """The cache of a test knows the files that other tests looked into."""
    own_cache.mkdir()
    (own_cache / "inspections").symlink_to(inspected)


@pytest.fixture(autouse=True)
def without_noops(request, monkeypatch) -> None:
    """Saves two processes a round in all tests but those that ask for `noops`."""
    if "noops" not in request.fixturenames:
        monkeypatch.setattr("crossrt.harness.measure.participants.noop_artifacts", dict)


@pytest.fixture
def noops() -> None:
    """Measures the no-op models as well."""


@pytest.fixture(scope="session")
def samples() -> dict[str, np.ndarray]:
    """64 images of different brightness to which the small models answer different classes clearly, and the classes."""
    rng = np.random.default_rng(0)
    shades = rng.uniform(0.2, 5, (1000, 1, 1, 1)), rng.uniform(0, 1, (1000, 1, 1, 1))
    images = (rng.random((1000, 28, 28, 1)) ** shades[0] * shades[1]).astype(np.float32)
    session = onnxruntime.InferenceSession(DATA / "models" / "conv.fp32.onnx" / "model.onnx")
    (logits,) = session.run(None, {"image": images})
    classes, two_best = logits.argmax(axis=1), np.sort(logits, axis=1)[:, -2:]
    clearest = np.argsort(two_best[:, 0] - two_best[:, 1])
    chosen = np.concatenate([clearest[classes[clearest] == each][:30] for each in range(10)])[:64]
    return {"image": images[chosen], "labels": classes[chosen]}


@pytest.fixture
def data(tmp_path, samples) -> Path:
    """The same as a file."""
    np.savez(tmp_path / "test.npz", allow_pickle=False, **samples)
    return tmp_path / "test.npz"


@pytest.fixture
def folder(tmp_path) -> Path:
    """The small models as `crossrt export` would write them."""
    return written_models(tmp_path / "models")


def written_models(target: Path) -> Path:
    """Writes the small models into a folder."""
    read = [read_manifest(path, ModelArtifact) for path in (DATA / "models").glob("*/artifact.json")]
    found = [dataclasses.replace(artifact, source_sha256="5" * 64) for artifact in read]
    write_folder(Artifacts(artifacts={artifact.id: artifact for artifact in found}), target)
    return target


@pytest.fixture
def model(tmp_path):
    """`model("pair.fp32.onnx")` copies a model of the conformance suite, named like its folder, and its samples."""

    def copy(name: str, target: str | None = None) -> Path:
        source = next(found for root in (CONFORMANCE, DATA / "models") if (found := root / name).is_dir())
        path = tmp_path / (target or name)
        for each in source.glob("*"):
            if each.suffix in (".onnx", ".tflite"):
                shutil.copyfile(each, path)
            elif each.name == "inputs.npz":
                shutil.copyfile(each, path.with_suffix(".npz"))
            elif each.suffix != ".json":
                shutil.copyfile(each, tmp_path / each.name)
        return path

    return copy


@pytest.fixture
def chaos(monkeypatch, tmp_path):
    """Registers the runtime that misbehaves, and says how it shall."""
    monkeypatch.setenv("PYTHONPATH", str(DATA / "chaos"))
    monkeypatch.syspath_prepend(str(DATA / "chaos"))
    monkeypatch.setenv("CHAOS_COUNT", str(tmp_path / "loads"))
    return lambda fault: monkeypatch.setenv("CHAOS", fault)


@pytest.fixture
def bench(folder, data, remembered_runtimes):
    """Runs a short bench over the small models."""

    return partial(short_bench, remembered_runtimes, folder, data)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, samples, remembered_runtimes) -> Report:
    """One short bench of everything, the no-op models included, which the tests of a file share."""
    return shared_bench(remembered_runtimes, tmp_path_factory.mktemp("whole"), samples, batch_sizes=(1, 4))


@pytest.fixture(scope="module")
def answered(tmp_path_factory, samples, remembered_runtimes) -> Report:
    """One round of each small model, for tests of a file that read what was answered."""
    return shared_bench(remembered_runtimes, tmp_path_factory.mktemp("answered"), samples, effort_rounds=1)


def shared_bench(remembered, folder: Path, samples, **changes) -> Report:
    """A short bench in a folder of its own."""
    np.savez(folder / "test.npz", allow_pickle=False, **samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSRT_CACHE_DIR", str(folder / "cache"))
        return short_bench(remembered, written_models(folder / "models"), folder / "test.npz", **changes)


def short_bench(remembered, folder: Path, data: Path, **changes) -> Report:
    """A short bench of the models in a folder."""
    subject = Subject(artifacts=folder, data=DataRequest(reference=str(data)))
    settings = BenchSettings(subject=subject, batch_sizes=(1,), effort=SHORT)
    if (rounds := changes.pop("effort_rounds", None)) is not None:
        changes["effort"] = dataclasses.replace(SHORT, rounds=rounds)
    limits = WorkerLimits(timeout_s=changes.pop("timeout_s", 20.0), memory_limit_bytes=2**30)
    display, keep = changes.pop("display", Silent()), changes.pop("keep", lambda _: None)
    checkpoint = changes.pop("checkpoint", None)
    settings = dataclasses.replace(settings, limits=limits, **changes)
    with remembered():
        return run_bench(settings, ["crossrt", "bench"], display, keep, checkpoint)


@pytest.fixture
def short_duels(monkeypatch) -> None:
    """Rounds of A/B comparisons are short, and three are enough."""
    monkeypatch.setattr("crossrt.harness.measure.duel.prepare.DUEL_EFFORT", SHORT_DUEL)
    monkeypatch.setattr("crossrt.harness.measure.duel.fight.FEWEST_ROUNDS", 3)


@pytest.fixture
def duel(folder, data, short_duels, remembered_runtimes):
    """Runs a short A/B comparison over the small models."""

    def compare(a="fp32@ort-cpu", b=None, *, display=None, timeout_s=20.0, checkpoint=None, **changes):
        subject = changes.pop("subject", Subject(artifacts=folder, data=DataRequest(reference=str(data))))
        run = BenchSettings(
            subject=subject,
            batch_sizes=(1,),
            limits=WorkerLimits(timeout_s=timeout_s, memory_limit_bytes=2**30),
        )
        run = dataclasses.replace(run, **{name: changes.pop(name) for name in ("seed", "threads") if name in changes})
        settings = DuelSettings(run=run, a=str(a), b=str(b or a), **{"budget_s": 0.5, "margin": 0.5, **changes})
        with remembered_runtimes():
            return run_duel(settings, ["crossrt", "duel"], display or Silent(), checkpoint=checkpoint)

    return compare


class Remarks(Silent):
    """Keeps what is remarked."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def remark(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def remarks() -> Remarks:
    """A display that keeps what is remarked."""
    return Remarks()


class Done(NamedTuple):
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def crossrt(tmp_path, monkeypatch, capfd):
    """Runs the command in this process, which saves starting one; gives exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments, **variables) -> Done:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["crossrt", *map(str, arguments)])
        code = main()
        return Done(code, *capfd.readouterr())

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)
