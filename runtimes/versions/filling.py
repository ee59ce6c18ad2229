"""Installs a version of a runtime and a numpy that fits it into a fresh environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from crossrt.runtimes.errors import EnvironmentFailedError, VersionRefusedError
from crossrt.runtimes.versions.commands import run
from crossrt.runtimes.versions.installer import Installer, InstallError, last_words
from crossrt.runtimes.versions.packages import BEFORE_NUMPY_2, import_problem, packages_of

_LIST: Final = """
import importlib.metadata, json
print(json.dumps({each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What was installed.

    Attributes:
        package: The package of the runtime.
        packages: Versions of all packages.
        notes: What a reader of results must know.
    """

    package: str
    packages: Mapping[str, str]
    notes: tuple[str, ...]


def own_numpy() -> str:
    """Version of numpy in this environment: others get the same where they can, so that nothing else differs."""
    return version_of("numpy")


def made_environment(folder: Path) -> Path:
    """A virtual environment without anything in it; raises `EnvironmentFailedError` where there can be none."""
    command = [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)]
    done = run(command)
    if done.returncode:
        said = last_words(done.stderr or done.stdout)
        raise EnvironmentFailedError(f"{sys.executable} -m venv makes no environment: {said}")
    return folder


def fill(python: Path, installer: Installer, runtime: str, version: str) -> Filled:
    """Installs the runtime with the numpy of this environment, or with another where the version needs that.

    Raises:
        VersionRefusedError: There is no such version, or none for this Python.
        EnvironmentFailedError: The index cannot be reached, or the disk is full.
    """
    package = _installed(python, installer, runtime, version)
    problem = import_problem(python, runtime, package)
    if problem is not None and "numpy" in problem.lower() and _major(_packages(python)["numpy"]) >= 2:
        _install(installer, python, package, version, "numpy<2")  # built before numpy 2, and does not say so
        problem = import_problem(python, runtime, package)
    packages = _packages(python)
    return Filled(package=package, packages=packages, notes=tuple(_notes(packages, package, problem)))


def _installed(python: Path, installer: Installer, runtime: str, version: str) -> str:
    """Installs the first package that has the version; returns its name."""
    packages = packages_of(runtime)
    for package in packages:
        for numpy in ("numpy<2",) if package in BEFORE_NUMPY_2 else (f"numpy=={own_numpy()}", "numpy"):
            try:
                installer.install(python, [numpy, f"{package}=={version}"])
            except InstallError as error:
                if error.problem != "version":
                    _give_up(error, installer, package, version)
                refused = error
                continue
            return package
    raise VersionRefusedError(_no_such_version(installer, python, packages, version, refused))


def _install(installer: Installer, python: Path, package: str, version: str, numpy: str) -> None:
    try:
        installer.install(python, [numpy, f"{package}=={version}"])
    except InstallError as error:
        if error.problem != "version":
            _give_up(error, installer, package, version)


def _give_up(error: InstallError, installer: Installer, package: str, version: str) -> NoReturn:
    what = f"{package} {version} cannot be installed by {installer.name}"
    if error.problem == "network":
        raise EnvironmentFailedError(
            f"{what}: the package index cannot be reached ({error.said}); it is needed once for each version"
        ) from error
    if error.problem == "disk":
        raise EnvironmentFailedError(
            f"{what}: the disk is full ({error.said}); make room, with crossrt cache prune too, or name another cache"
            " folder with CROSSRT_CACHE_DIR=FOLDER"
        ) from error
    raise EnvironmentFailedError(f"{what}: {error.said}") from error


def _no_such_version(
    installer: Installer, python: Path, packages: tuple[str, ...], version: str, refused: InstallError
) -> str:
    number = f"{sys.version_info.major}.{sys.version_info.minor}"
    said = f"{' or '.join(packages)} {version} cannot be installed for Python {number}"
    try:
        near = installer.nearest(python, packages[0], version)
    except InstallError:
        near = []
    if not near or version in near:
        return f"{said}: {refused.said}"
    return f"{said}: there is no such release for it; nearest of {packages[0]}: {' and '.join(near)}"


def _notes(packages: Mapping[str, str], package: str, problem: str | None) -> list[str]:
    notes = []
    if packages["numpy"] != own_numpy():
        notes.append(f"{package} {packages[package]} needs another numpy than {own_numpy()}: {packages['numpy']} there")
    if problem is not None:
        notes.append(f"{package} {packages[package]} was installed and cannot be imported: {last_words(problem)}")
    return notes


def _packages(python: Path) -> dict[str, str]:
    done = run([python, "-I", "-c", _LIST])
    try:
        return msgspec.json.decode(done.stdout, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise EnvironmentFailedError(f"{python} does not run: {last_words(done.stderr)}") from error


def _major(version: str) -> int:
    return int(version.partition(".")[0])
