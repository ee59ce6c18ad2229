"""uv or pip, whichever is found: what installs packages into an environment and knows which releases there are.

Both are run as commands, so that their own settings count: indexes, proxies, certificates, caches.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from crossrt.runtimes.errors import EnvironmentFailedError
from crossrt.runtimes.versions.commands import run
from crossrt.runtimes.versions.numbers import is_release, version_key

Problem = Literal["version", "network", "disk", "other"]

_TIMEOUT_S: Final = 900
_LONGEST: Final = 300
_MOST_RELEASES: Final = 200
_SIGNS: Final[Sequence[tuple[Problem, str]]] = (
    ("disk", r"no space left|disk quota exceeded"),
    ("network", r"failed to fetch|network was disabled|needs to be downloaded from a registry|connection|name resol"),
    ("network", r"dns error|max retries|timed out|error sending request|certificate verify failed"),
    ("version", r"no version of|no matching distribution|could not find a version|unsatisfiable|no solution found"),
    ("version", r"resolutionimpossible|no wheels|was not found in the package registry|no usable wheels"),
)


class InstallError(Exception):
    """An installer failed.

    Attributes:
        problem: What kind of failure that is.
        said: Its own words, on one line.
    """

    def __init__(self, output: str) -> None:
        self.problem: Problem = next((kind for kind, sign in _SIGNS if re.search(sign, output, re.IGNORECASE)), "other")
        self.said = last_words(output)
        super().__init__(self.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """A command that installs packages into other environments."""

    name: Literal["uv", "pip"]
    command: tuple[str, ...]

    def install(self, python: Path, requirements: Sequence[str]) -> None:
        """Installs wheels into the environment of an interpreter; raises `InstallError` where that fails."""
        only_wheels = ["--only-binary", ":all:", *requirements]
        if self.name == "uv":
            self._run("pip", "install", "--quiet", "--python", str(python), *only_wheels)
        else:
            self._run("--python", str(python), "install", "--quiet", "--no-input", *only_wheels)

    def releases(self, python: Path, package: str, above: str, below: str) -> list[str]:
        """Releases between two versions, both left out, that can be installed for an interpreter: the oldest first.

        Raises:
            InstallError: The index cannot be asked.
        """
        found = self._listed(python, package) if self.name == "pip" else self._stepped(python, package, above, below)
        low, high = version_key(above), version_key(below)
        return sorted({each for each in found if is_release(each) and low < version_key(each) < high}, key=version_key)

    def nearest(self, python: Path, package: str, version: str) -> list[str]:
        """The releases next to a version on both sides, as far as there are any; raises `InstallError`."""
        if self.name == "pip":
            known = sorted(filter(is_release, self._listed(python, package)), key=version_key)
            older = [each for each in known if version_key(each) < version_key(version)]
            return [*older[-1:], *known[len(older) : len(older) + 1]]
        sides = (
            self._resolved(python, f"{package}<{version}"),
            self._resolved(python, f"{package}>{version}", "lowest"),
        )
        return [each for each in sides if each is not None]

    def _stepped(self, python: Path, package: str, above: str, below: str) -> list[str]:
        """Since uv lists no releases, it is asked for the newest below a bound again and again."""
        found: list[str] = []
        while len(found) < _MOST_RELEASES:
            bound = found[-1] if found else below
            newest = self._resolved(python, f"{package}>{above},<{bound}")
            if newest is None:
                break
            found.append(newest)
        return found

    def _resolved(self, python: Path, requirement: str, resolution: str = "highest") -> str | None:
        arguments = ("--no-deps", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:")
        chosen = ("--resolution", resolution, "--python", str(python))
        try:
            said = self._run("pip", "compile", "-", *arguments, *chosen, given=requirement)
        except InstallError as error:
            if error.problem == "version":
                return None
            raise
        match = re.search(r"^[\w.-]+==(\S+)", said, re.MULTILINE)
        return match.group(1) if match else None

    def _listed(self, python: Path, package: str) -> list[str]:
        try:
            said = self._run(
                "--python", str(python), "index", "versions", "--no-input", "--only-binary", ":all:", package
            )
        except InstallError as error:
            if error.problem == "version":
                return []
            raise
        match = re.search(r"^Available versions: (.*)$", said, re.MULTILINE)
        return [each.strip() for each in match.group(1).split(",")] if match else []

    def _run(self, *arguments: str, given: str | None = None) -> str:
        quiet = {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "LC_ALL": "C.UTF-8"}
        try:
            done = run(
                [*self.command, *arguments],
                given=given or "",
                timeout_s=_TIMEOUT_S,
                env={key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"} | quiet,
            )
        except subprocess.TimeoutExpired as error:
            raise InstallError(f"timed out after {_TIMEOUT_S} s") from error
        except OSError as error:
            raise InstallError(f"{self.command[0]}: {error.strerror}") from error
        if done.returncode:
            raise InstallError(done.stderr.strip() or done.stdout)
        return done.stdout


def find_installer(folder: Path) -> Installer:
    """The command uv where it is found, else pip: that of this environment, of the Python below it, or a bundled one.

    Args:
        folder: Where the last of these is unpacked.

    Raises:
        EnvironmentFailedError: There is none of them.
    """
    beside = Path(sys.executable).with_name("uv")
    if found := shutil.which("uv") or (str(beside) if beside.is_file() else None):
        return Installer(name="uv", command=(found,))
    if importlib.util.find_spec("pip") is not None:
        return Installer(name="pip", command=(sys.executable, "-m", "pip"))
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    if _works(str(base), "-m", "pip", "--version"):
        return Installer(name="pip", command=(str(base), "-m", "pip"))
    bundled = folder / "pip"
    if _works(sys.executable, "-m", "venv", str(bundled)):
        return Installer(name="pip", command=(str(bundled / "bin" / "python"), "-m", "pip"))
    raise EnvironmentFailedError(
        "another version of a runtime needs an environment of its own, and neither uv nor pip is found to make it:"
        f" install uv, or pip with {sys.executable} -m ensurepip"
    )


def _works(*command: str) -> bool:
    try:
        return run(command, timeout_s=_TIMEOUT_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def last_words(output: str) -> str:
    """What an installer, or a Python that failed, said last of why: one line."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(error|cause|[\w.]*Error)\b", line, re.IGNORECASE)]
    last = (telling or lines or ["it said nothing"])[-1]
    return re.sub(r"^(error|cause):\s*", "", last, flags=re.IGNORECASE)[:_LONGEST]
