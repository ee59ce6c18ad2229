from __future__ import annotations

import dataclasses
import signal
import sys
from pathlib import Path

import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import read_manifest
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import write_folder
from crossrt.harness.cli.main import main
from crossrt.harness.cli.progress import Silent
from crossrt.harness.measure.duel.run import run_duel
from crossrt.harness.measure.settings import BenchSettings, DuelSettings, Effort, WorkerLimits
from crossrt.harness.run.bench import run_bench
from crossrt.reports.schema.records import Report

DATA = Path(__file__).parents[2] / "data"
SHORT = Effort(rounds=3, blocks=2, block_target_ns=500_000, warmup_ns=100_000)
SHORT_DUEL = Effort(rounds=1, blocks=6, block_target_ns=300_000, warmup_ns=100_000, sessions=2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def no_floors(request, monkeypatch) -> None:
    """Saves two processes a round in all tests but those of the floor itself."""
    if not request.node.get_closest_marker("with_floors"):
        monkeypatch.setattr("crossrt.harness.measure.participants.floor_artifacts", dict)


@pytest.fixture
def folder(tmp_path) -> Path:
    """The small models as `crossrt export` would write them."""
    found = [read_manifest(path, ModelArtifact) for path in (DATA / "models").glob("*/artifact.json")]
    write_folder(Artifacts(artifacts={artifact.id: artifact for artifact in found}), tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def chaos(monkeypatch, tmp_path):
    """Registers the runtime that misbehaves, and says how it shall."""
    monkeypatch.setenv("PYTHONPATH", str(DATA / "chaos"))
    monkeypatch.syspath_prepend(str(DATA / "chaos"))
    monkeypatch.setenv("CHAOS_COUNT", str(tmp_path / "loads"))
    return lambda fault: monkeypatch.setenv("CHAOS", fault)


@pytest.fixture
def bench(folder):
    """Runs a short bench over the small models."""

    def run(**changes) -> Report:
        settings = BenchSettings(model_path=Path("unused.keras"), artifacts=folder, batch_sizes=(1,), effort=SHORT)
        if (rounds := changes.pop("effort_rounds", None)) is not None:
            changes["effort"] = dataclasses.replace(SHORT, rounds=rounds)
        limits = WorkerLimits(timeout_s=changes.pop("timeout_s", 20.0), memory_limit_bytes=2**30)
        return run_bench(dataclasses.replace(settings, limits=limits, **changes), ["crossrt", "bench"], Silent())

    return run


@pytest.fixture
def duel(folder, monkeypatch):
    """Fights a short duel over the small models."""
    monkeypatch.setattr("crossrt.harness.measure.duel.prepare.DUEL_EFFORT", SHORT_DUEL)
    monkeypatch.setattr("crossrt.harness.measure.duel.fight.FEWEST_ROUNDS", 3)

    def fight(a="fp32@ort-cpu", b=None, *, display=None, timeout_s=20.0, **changes):
        run = BenchSettings(
            model_path=Path("unused.keras"),
            artifacts=folder,
            batch_sizes=(1,),
            limits=WorkerLimits(timeout_s=timeout_s, memory_limit_bytes=2**30),
        )
        run = dataclasses.replace(run, **{name: changes.pop(name) for name in ("seed", "threads") if name in changes})
        settings = DuelSettings(run=run, a=a, b=b or a, **{"budget_s": 0.5, "margin": 0.5, **changes})
        return run_duel(settings, ["crossrt", "duel"], display or Silent())

    return fight


@dataclasses.dataclass
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def crossrt(tmp_path, monkeypatch, capfd):
    """Runs the command in this process, which saves starting one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments, **variables) -> Done:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["crossrt", *map(str, arguments)])
        code = main()
        output, errors = capfd.readouterr()
        return Done(code, output, errors)

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)
