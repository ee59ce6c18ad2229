"""What is done with a mutant: the functions and commands that read such a file, as a user would come to them."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import mutants
import numpy as np
from hypothesis import strategies as st
from outcomes import HANG_S, HangError, Outcomes, in_time, restart_clock
from report_commands import QUICK, report_commands

from crossrt.cli.main import cli, main
from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import CrossrtError
from crossrt.core.manifest import check_file, read_manifest
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.exporters.recipes.toml_files import read_recipes
from crossrt.reports.schema.files import read_report

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "tests" / "data" / "report-v1.json"
MODELS = ROOT / "runtimes" / "conformance" / "models"
DESCRIBED = MODELS / "pair.fp32.onnx" / "artifact.json"
KERAS = ROOT / "datasets" / "mnist" / "models"
DEFECT = 70
FORK_MEMORY_BYTES = 3 * 2**30
_WAIT_S = 120.0
CONFIGURED = ("bench", "compare", "duel", "quantize")

CONFIG = {
    "model": {"path": "a.onnx", "dimensions": {"seq": 8}, "allow-h5": False},
    "data": {"path": "test.npz", "labels": "labels.npy", "samples": 10},
    "calibration": {"path": "train.npz"},
    "task": {"name": "classification:top_k=3"},
    "bench": {"batch": [1, 8], "threads": 2, "only": ["fp32", "int8*"], "time": 60, "seed": 1},
    "compare": {"margin": ["latency_p50_ns=3%", "int8*:size_bytes=off"]},
    "duel": {"margin": "2%"},
}
GRID = {
    "grid": {
        "kind": "onnx-static",
        "quant_format": ["qdq", "qoperator"],
        "activation_type": ["uint8"],
        "per_channel": [True, False],
        "calibrate_method": ["minmax"],
    }
}


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: How figures name it.
        strategy: Its mutants, as bytes.
        read: Reads one at a path; returns whether it was taken, and raises what it should not.
        suffix: Of its file.
        forks: Whether each mutant is read in a process of its own, as native code may crash on it.
        imports: What such a process would import for seconds each time: imported once, before the first one.
    """

    name: str
    strategy: st.SearchStrategy[bytes]
    read: Callable[[Path], bool]
    suffix: str
    forks: bool = False
    imports: str = ""


class DefectError(Exception):
    """A command ended with a defect; the text is its standard error, with the traceback."""


def run_command(arguments: list[str]) -> bool:
    """Runs a command in this process; true where it came to a result."""
    before, streams = sys.argv, (io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8"))
    sys.argv = ["crossrt", *arguments]
    os.environ["CROSSRT_DEBUG"] = "1"
    restart_clock()
    try:
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            code = main()
    finally:
        sys.argv = before
        del os.environ["CROSSRT_DEBUG"]
    streams[1].flush()
    said = streams[1].buffer.getvalue().decode(errors="replace")
    if "HangError" in said:
        raise HangError
    if code == DEFECT or "out of memory" in said:
        raise DefectError(said)
    return code in (0, 1, 3)


def read_by_commands(path: Path, names: tuple[str, ...] | None) -> bool:
    """Lets commands read a report, all of them without names; what the first one of some refuses, all of them do."""
    taken = False
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in report_commands(path, REPORT, Path(folder)):
            if names is None or name in names:
                taken |= run_command(arguments)
                if names is not None and not taken:
                    return False
    return taken


def read_history(path: Path) -> bool:
    """Lets commands read a damaged history."""
    wanted = ("history-list", "history-trend", "history-gate", "history-export", "history-add")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "history.sqlite").write_bytes(path.read_bytes())
        found = [
            run_command(arguments)
            for name, arguments in report_commands(REPORT, REPORT, Path(folder))
            if name in wanted
        ]
    return any(found)


def read_artifact(path: Path) -> bool:
    """Reads a manifest that lies beside its file, and looks whether it is the one described."""
    shutil.copyfile(DESCRIBED.with_name("model.onnx"), path.with_name("model.onnx"))
    check_file(read_manifest(path, ModelArtifact))
    return True


def read_config(path: Path) -> bool:
    """Reads options of commands as a configuration gives them, without running one."""
    import click

    taken = False
    for name in CONFIGURED:
        command = cli.commands[name]
        arguments = ["--config", str(path), *(["a", "b"] if name in ("compare", "duel") else [])]
        with contextlib.suppress(click.ClickException):
            command.make_context(name, arguments)
            taken = True
    return taken


def read_recipe_file(path: Path) -> bool:
    """Reads recipes and grids."""
    return bool(read_recipes(path).recipes)


def read_data(path: Path) -> bool:
    """Opens a data set, and reads its first samples, its labels and its fingerprint."""
    found = open_dataset(DataRequest(reference=str(path)))
    for index in (0, len(found) - 1):
        for array in found.feeds(np.array([index])).values():
            np.asarray(array).sum()
    return bool(found.fingerprint)


def read_model(path: Path) -> bool:
    """Inspects a model as the inspecting process does."""
    from crossrt.exporters.inspect import inspect_model

    found = inspect_model(path)
    return found.problem is None and bool(msgspec.json.encode(found))


def kinds() -> Iterator[Kind]:
    """All kinds, the cheap ones first."""
    report = json.loads(msgspec.json.encode(read_report(REPORT)))
    version1 = json.loads(REPORT.read_bytes())
    reports = st.one_of(
        mutants.documents(report).map(mutants.as_json),
        mutants.documents(version1).map(mutants.as_json),
        mutants.raw_bytes(msgspec.json.encode(report)),
    )
    yield Kind("report", reports, lambda path: read_by_commands(path, QUICK), ".json")
    yield Kind("report, all commands", reports, lambda path: read_by_commands(path, None), ".json")
    manifest = json.loads(DESCRIBED.read_bytes())
    manifests = st.one_of(
        mutants.documents(manifest).map(mutants.as_json), mutants.raw_bytes(mutants.as_json(manifest))
    )
    yield Kind("manifest", manifests, read_artifact, ".json")
    yield Kind("configuration", _toml(CONFIG), read_config, ".toml")
    shipped = tomllib.loads((ROOT / "exporters" / "recipes" / "shipped.toml").read_text())
    yield Kind("recipes", st.one_of(_toml(shipped), _toml(GRID)), read_recipe_file, ".toml")
    archive, array = (MODELS / "pair.fp32.onnx" / "inputs.npz").read_bytes(), io.BytesIO()
    np.save(array, np.zeros((4, 3), np.float32))
    yield Kind("npz", mutants.archives(archive), read_data, ".npz")
    yield Kind("npy", mutants.raw_bytes(array.getvalue()), read_data, ".npy")
    yield Kind("history", st.one_of(mutants.raw_bytes(_history()), mutants.tables(_history())), read_history, ".sqlite")
    for suffix, names in (("onnx", ("pair.fp32", "dense.uint8-io")), ("tflite", ("pair.fp32", "dense.int8-io"))):
        files = [(MODELS / f"{name}.{suffix}" / f"model.{suffix}").read_bytes() for name in names]
        yield Kind(suffix, st.one_of(*map(mutants.raw_bytes, files)), read_model, f".{suffix}", forks=True)
    keras = next(iter(sorted(KERAS.glob("*.keras")))).read_bytes()
    yield Kind("keras", mutants.archives(keras), read_model, ".keras", forks=True, imports="tensorflow")


def _toml(document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    changed = mutants.documents(document).map(mutants.as_toml)
    return st.one_of(changed, changed, mutants.raw_bytes(mutants.as_toml(document)))


def _history() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h.sqlite"
        run_command(["history", "add", str(REPORT), "--history", str(path)])
        return path.read_bytes()


def try_out(kind: Kind, content: bytes, outcomes: Outcomes) -> None:
    """Reads one mutant and notes what came out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mutant{kind.suffix}"
        path.write_bytes(content)
        outcomes.add(kind.name, "mutants")
        if kind.forks:
            if kind.imports:
                importlib.import_module(kind.imports)
            _try_in_fork(kind, path, content, outcomes)
            return
        with in_time(outcomes, kind.name):
            _try(kind, path, content, outcomes)


def _try(kind: Kind, path: Path, content: bytes, outcomes: Outcomes) -> None:
    try:
        outcomes.add(kind.name, "taken" if kind.read(path) else "refused")
    except (CrossrtError, OSError):  # what the system refuses is one message of the command, too
        outcomes.add(kind.name, "refused")
    except HangError:
        outcomes.fault(kind.name, "hangs", content, f"longer than {HANG_S:g} s")
    except DefectError as error:
        outcomes.fault(kind.name, "tracebacks", content, str(error))
    except Exception:
        outcomes.fault(kind.name, "tracebacks", content, traceback.format_exc())


def _try_in_fork(kind: Kind, path: Path, content: bytes, outcomes: Outcomes) -> None:
    """A crash of native code is what the process is for; an error without a name of ours is a fault."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        _answer_in_fork(kind, path, sending)
    os.close(sending)
    try:
        is_there = bool(select.select([receiving], [], [], _WAIT_S)[0])
        said = os.read(receiving, 1 << 16).decode() if is_there else ""
    finally:
        os.close(receiving)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status, used = os.wait4(child, 0)
        outcomes.note(kind.name, used.ru_utime + used.ru_stime)
    if not is_there or (not said and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        outcomes.fault(kind.name, "hangs", content, f"longer than {HANG_S:g} s")
    elif said in ("taken", "refused"):
        outcomes.add(kind.name, said)
    elif not said:
        outcomes.add(kind.name, "crashes")
    else:
        outcomes.fault(kind.name, "tracebacks", content, said)


def _answer_in_fork(kind: Kind, path: Path, sending: int) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(quiet, descriptor)
    resource.setrlimit(resource.RLIMIT_DATA, (FORK_MEMORY_BYTES, FORK_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(HANG_S), int(HANG_S) + 1))
    try:
        said = "taken" if kind.read(path) else "refused"
    except (CrossrtError, MemoryError):
        said = "refused"
    except BaseException:
        said = traceback.format_exc()[-8000:]
    os.write(sending, said.encode(errors="replace")[-60_000:])
    os._exit(0)
