"""Kills `crossrt` and its processes at random instants: `nice python tests/fuzz/kills.py --kills 200`, some 20 minutes.

The parent gets SIGINT, SIGTERM, SIGKILL, or SIGINT twice; a child gets SIGKILL, SIGSEGV, or is stopped. Then it is
counted: tracebacks, hangs, rounds that were finished and are in no report, processes that live on, and, after a last
run that is left in peace, files that are still there. Exit code 1 where anything but the kills is counted.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime

MODELS = Path(__file__).parents[1] / "data" / "models"
TIMEOUT_S = 3.0
HANG_S = 10.0
MARK = "CROSSRT_KILLS"

PROGRAM = """
import os, sys
journal = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
try:
    from crossrt.harness.measure.rounds import RoundRunner

    keep = RoundRunner._keep

    def note(self, index, running):
        keep(self, index, running)
        if sys.argv[1] != "duel" or len(running) == 4:
            os.write(journal, b".")  # this round is finished; one of a duel only with both sides

    RoundRunner._keep = note
except KeyboardInterrupt:
    os._exit(130)
from crossrt.cli.entry import main

sys.exit(main())
"""

LIMITS = ("--timeout", str(TIMEOUT_S))
BENCH = ("bench", "--artifacts", "models", "--data", "data.npz", "--batch", "1", "--rounds", "4", *LIMITS)
COMMANDS = {
    "bench": BENCH,
    "bench-fp32": (*BENCH, "--only", "fp32"),  # a third of the time
    "duel": ("duel", "fp32.onnx", "fp32.onnx", "--data", "data.npz", "--budget", "2", "--margin", "0.01%", *LIMITS),
    "quantize": (
        "quantize",
        "fp32.onnx",
        "--recipe",
        "int8-qdq*",
        "--calibration",
        "data.npz",
        "--out",
        "lab",
        "--min-agreement",
        "0",
    ),
    "audit": ("audit", "models/conv.int8-io.tflite"),
}
USUAL = ("bench", "duel", "quantize", "audit")
WEIGHTS = {"bench": 5, "bench-fp32": 5, "duel": 2, "quantize": 2, "audit": 1}
PARENT = {"SIGINT": 3, "SIGTERM": 3, "SIGKILL": 3, "SIGINT twice": 1}
CHILD = ("SIGKILL", "SIGSEGV", "SIGSTOP")
UNLIMITED = ("quantize", "audit")
"""Commands that wait ten minutes for a child: none of theirs is stopped."""


@dataclass
class Figures:
    """What was counted, and where to look for it."""

    kills: Counter[str] = field(default_factory=Counter)
    late: int = 0
    finished: int = 0
    on_disk: int = 0
    wrong: dict[str, list[str]] = field(
        default_factory=lambda: {
            each: []
            for each in (
                "tracebacks",
                "hangs over 10 s",
                "lost finished rounds",
                "damaged reports",
                "processes that live on",
                "left-over files after the next run",
            )
        }
    )

    def __str__(self) -> str:
        lines = ["| what | count |", "|---|---|", f"| kills | {self.kills.total()} |"]
        lines += [f"| {name} | {count} |" for name, count in sorted(self.kills.items())]
        lines += [f"| {name} | {len(found)} |" for name, found in self.wrong.items()]
        details = [f"{name}: {each}" for name, found in self.wrong.items() for each in found]
        lines += ["", f"after the end, and not counted: {self.late}"]
        lines += [f"rounds that were finished before SIGKILL: {self.finished}, of them kept: {self.on_disk}"]
        return "\n".join([*lines, *details])


class Suite:
    """Runs commands in a folder of their own and kills them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random, self.figures = folder, random.Random(seed), Figures()
        self.temporary, self.cache, self.results = folder / "tmp", folder / "cache", folder / "results"
        self.durations: dict[str, float] = {}
        self.temporary.mkdir()
        (folder / "program.py").write_text(PROGRAM)
        write_inputs(folder)

    def run(self, kills: int, commands: list[str], until: float) -> Figures:
        for name in commands:  # also fills the cache of inspections, and says how long a run takes
            self.durations[name] = self.in_peace(name)
        while self.figures.kills.total() < kills and time.monotonic() < until:
            self.kill_one(self.random.choices(commands, [WEIGHTS[each] for each in commands])[0])
        for name in commands[:1]:
            self.in_peace(name)
        self.figures.wrong["left-over files after the next run"] += self.left_over()
        return self.figures

    def in_peace(self, name: str) -> float:
        """Seconds that a command takes when nobody kills it."""
        began = time.monotonic()
        process, _ = self.start(name)
        output, errors = process.communicate(timeout=300)
        if process.returncode:
            raise SystemExit(f"{name} fails by itself, with {process.returncode}:\n{output}{errors}")
        return time.monotonic() - began

    def start(self, name: str) -> tuple[subprocess.Popen[str], Path]:
        if name == "quantize":  # nothing is built where the cache has it
            for each in (self.cache / "artifacts").glob("[!.]*/*"):
                each.unlink()
        journal = self.folder / f"journal-{self.random.random()}"
        process = subprocess.Popen(
            [sys.executable, "-P", str(self.folder / "program.py"), str(journal), *COMMANDS[name]],
            cwd=self.folder,
            env={
                **os.environ,
                "TMPDIR": str(self.temporary),
                "CROSSRT_CACHE_DIR": str(self.cache),
                MARK: str(self.folder),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return process, journal

    def kill_one(self, name: str) -> None:
        before = set(self.results.glob("*/*.json"))
        process, journal = self.start(name)
        instant = self.random.uniform(0.2, self.durations[name])
        time.sleep(instant)
        what = self.shoot(process, [each for each in CHILD if name not in UNLIMITED or each != "SIGSTOP"])
        where = f"{what} in {name} after {instant:.2f} s"
        limit_s = HANG_S if what and what.startswith("parent") else HANG_S + TIMEOUT_S + 2 * self.durations[name]
        try:
            output, errors = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.figures.wrong["hangs over 10 s"].append(where)
            process.kill()
            output, errors = process.communicate()
        if what is None:
            self.figures.late += 1
            return
        self.figures.kills[f"{what}, {name}"] += 1
        if "Traceback" in output + errors:
            self.figures.wrong["tracebacks"].append(f"{where}:\n{output}{errors}")
        self.check_rounds(where, journal, before, is_lost="parent SIGKILL" in what)
        self.check_processes(where)

    def shoot(self, process: subprocess.Popen[str], signals: list[str]) -> str | None:
        """Sends the parent anything, or a child one of the signals; says what, or None where all was over."""
        if self.random.random() < 0.55:
            name = self.random.choices(list(PARENT), list(PARENT.values()))[0]
            if process.poll() is not None:
                return None
            number = signal.Signals[name.partition(" ")[0]]
            process.send_signal(number)
            if name.endswith("twice"):
                time.sleep(self.random.uniform(0, 0.3))
                process.send_signal(number)
            return f"parent {name}"
        name = self.random.choice(signals)
        while process.poll() is None:
            if children := list(children_of(process.pid)):
                try:
                    os.kill(self.random.choice(children), signal.Signals[name])
                except ProcessLookupError:
                    continue
                return f"child {name}"
            time.sleep(0.01)
        return None

    def check_rounds(self, where: str, journal: Path, before: set[Path], *, is_lost: bool) -> None:
        """Every round that was finished is in a report, and every report can be read."""
        finished = journal.stat().st_size if journal.exists() else 0
        saved = 0
        for path in set(self.results.glob("*/*.json")) - before:
            try:
                saved = max(saved, rounds_in(path))
            except (ValueError, KeyError) as error:
                self.figures.wrong["damaged reports"].append(f"{where}: {path.name}: {error}")
        if is_lost:  # how often rounds are kept while others are measured is a matter of time
            self.figures.finished += finished
            self.figures.on_disk += min(saved, finished)
        elif saved < finished:
            self.figures.wrong["lost finished rounds"].append(f"{where}: {finished} finished, {saved} saved")

    def check_processes(self, where: str) -> None:
        deadline = time.monotonic() + HANG_S
        while found := list(marked(str(self.folder))):
            if time.monotonic() > deadline:
                self.figures.wrong["processes that live on"].append(f"{where}: {found}")
                for pid, _ in found:
                    os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.05)

    def left_over(self) -> list[str]:
        """What lies where nothing should."""
        found = list(self.temporary.iterdir())
        found += [path for path in self.cache.rglob("*") if path.name.startswith(".") or path.suffix == ".part"]
        kept = {"report.json", "duel.json", "a.json", "b.json"}
        found += [path for path in self.results.glob("*/*") if path.name not in kept]
        found += [path for path in self.results.iterdir() if not list(path.iterdir())]
        found += list((self.folder / "lab").rglob(".*"))
        found += [path for path in self.folder.iterdir() if path.name.startswith((".", "core"))]
        return [str(path.relative_to(self.folder)) for path in found]


def write_inputs(folder: Path) -> None:
    """The small models as `crossrt export` would write them, and samples."""
    (folder / "models").mkdir()
    for source in MODELS.glob("*/artifact.json"):
        described = msgspec.json.decode(source.read_bytes()) | {"source_sha256": "5" * 64}
        name = source.parent.name
        described["path"] = name
        (folder / "models" / name).write_bytes(next(source.parent.glob("model.*")).read_bytes())
        (folder / "models" / f"{name}.manifest.json").write_bytes(msgspec.json.encode(described))
    (folder / "fp32.onnx").write_bytes((folder / "models" / "conv.fp32.onnx").read_bytes())
    images = np.random.default_rng(0).random((200, 28, 28, 1)).astype(np.float32)
    (logits,) = onnxruntime.InferenceSession(folder / "fp32.onnx").run(None, {"image": images})
    np.savez(folder / "data.npz", image=images, labels=logits.argmax(axis=1))


def rounds_in(path: Path) -> int:
    """How many rounds a report or an A/B comparison holds."""
    found = msgspec.json.decode(path.read_bytes())
    results = found["results"] if "results" in found else (found["a"]["result"], found["b"]["result"])
    return max(len(each["rounds"]) for each in results)


def children_of(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(ppid) == parent and state != "Z":
            yield int(path.parent.name)


def marked(folder: str) -> Iterator[tuple[int, str]]:
    """Processes of this suite that are still alive."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={folder}\0".encode() in path.read_bytes():
                yield int(path.parent.name), path.with_name("cmdline").read_text().replace("\0", " ")
        except OSError:
            continue


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", choices=list(COMMANDS), default=USUAL)
    parser.add_argument("--minutes", type=float, default=120.0, help="after which no further kill begins")
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background, for us and ours
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        began = time.monotonic()
        figures = Suite(Path(name), asked.seed).run(asked.kills, asked.commands, began + 60 * asked.minutes)
    print(figures)
    print(f"{time.monotonic() - began:.0f} s")
    return int(any(figures.wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
