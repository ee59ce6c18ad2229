"""Which emulator stands in for a processor, and whether it really hides what that processor lacks.

`valgrind --tool=none` runs every instruction of a process in software and offers it a processor with AVX2 at most
(Valgrind User Manual, "Limitations"): libraries that ask which instructions there are take their AVX2 kernels.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.core.processor import instruction_sets
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Cpu
from crossrt.harness.process.case_worker import thread_variables

HIDDEN: Final = ("avx512", "vnni", "amx")
"""Instruction sets, by how their names begin or what they hold, that a processor with AVX2 alone lacks."""

_OPTIONS: Final = ("--tool=none", "-q", "--vgdb=no")
_PROBE_TIMEOUT_S: Final = 120.0
_PROBE: Final = """
import json
from numpy._core._multiarray_umath import __cpu_features__ as found
print(json.dumps([name for name, is_there in found.items() if is_there]))
"""
"""numpy asks the processor itself, by CPUID, as runtimes do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """What runs a process as if on another processor.

    Attributes:
        cpu: The processor.
        launcher: The command that runs a process in its turn.
        name: What it is, with its version, for reports.
    """

    cpu: Cpu
    launcher: tuple[str, ...]
    name: str


def is_already(cpu: Cpu, flags: Sequence[str] | None = None) -> bool:
    """True if this machine's processor lacks what the other one lacks, so that its own answers are those.

    Args:
        cpu: The other processor.
        flags: Instruction sets of this machine; None to read them.
    """
    assert cpu == "avx2"
    return not any(hidden in flag for flag in (instruction_sets() if flags is None else flags) for hidden in HIDDEN)


def find_emulator(cpu: Cpu) -> Emulator | None:
    """The emulator of a processor; None where this machine's own is already like that.

    Raises:
        HarnessError: This machine cannot emulate it, valgrind is missing, or it does not hide what it should.
    """
    if platform.machine() != "x86_64":
        raise HarnessError(f"--cpu {cpu} needs an x86-64 processor to run on; this machine is {platform.machine()}")
    flags = instruction_sets()
    if "avx2" not in flags:
        raise HarnessError(f"--cpu {cpu} needs a processor with AVX2 to run on, and this one has none")
    if is_already(cpu, flags):
        return None
    path = shutil.which("valgrind")
    if path is None:
        raise HarnessError(
            f"--cpu {cpu} runs models under valgrind, which is not installed: apt-get install valgrind (Debian, Ubuntu)"
            " or dnf install valgrind (Fedora)"
        )
    emulator = Emulator(cpu=cpu, launcher=(path, *_OPTIONS), name=f"{_version(path)} --tool=none")
    _check(emulator, _features(emulator))
    return emulator


def _version(path: str) -> str:
    return _output([path, "--version"], "valgrind").strip() or "valgrind"


def _features(emulator: Emulator) -> list[str]:
    """What numpy finds there."""
    text = _output([*emulator.launcher, sys.executable, "-P", "-c", _PROBE], emulator.name)
    try:
        return [str(each) for each in json.loads(text)]
    except ValueError as error:
        raise HarnessError(f"{emulator.name} does not run this Python: it printed {text[:80]!r}") from error


def _check(emulator: Emulator, features: Sequence[str]) -> None:
    """Raises `HarnessError` where the emulated processor is not the one that was asked for."""
    shown = [name for name in features if any(hidden in name.lower() for hidden in HIDDEN)]
    if shown:
        raise HarnessError(
            f"{emulator.name} does not hide {', '.join(shown[:3])}: it stands in for no processor with AVX2 alone; use"
            " valgrind 3.19"
        )
    if "AVX2" not in features:
        raise HarnessError(f"{emulator.name} offers no AVX2 here: use valgrind 3.19")


def _output(command: Sequence[str], name: str) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"{name} does not run: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise HarnessError(f"{name} does not run Python here: {last}")
    return done.stdout


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, **thread_variables(1)}
