"""The environments of versions: a folder for each, which appears whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from crossrt.core.owned import is_own, make_own, read_regular
from crossrt.core.scratch import STAGING, owned_folder
from crossrt.runtimes.errors import EnvironmentFailedError
from crossrt.runtimes.versions.filling import fill, made_environment, own_numpy
from crossrt.runtimes.versions.installer import find_installer
from crossrt.runtimes.versions.numbers import check_version, version_key
from crossrt.runtimes.versions.packages import packages_of

MANIFEST: Final = "environment.json"
IN_USE: Final = "in-use"
_LOCK: Final = ".making.lock"
_LOOK_EVERY_S: Final = 0.2

_held: Final[dict[Path, int]] = {}
"""Descriptors that keep the environments of this process from being pruned."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment holds.

    Attributes:
        runtime: Name of the runtime.
        version: Version of its package, as installed.
        package: The package.
        python: Version of Python.
        packages: Versions of all that is installed.
        contents: Hash of the names and sizes of all files.
        made_at: ISO 8601 in UTC.
    """

    schema_version: Literal[1] = 1
    runtime: str
    version: str
    package: str
    python: str
    packages: dict[str, str]
    contents: str
    made_at: str


class VersionEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that is whole: its folder, and what it holds."""

    folder: Path
    manifest: Manifest

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


class VersionEnvironments:
    """All environments of one cache folder."""

    def __init__(self, root: Path, remark: Callable[[str], object] = lambda _: None) -> None:
        """`remark` is told what takes long."""
        self.root, self._remark = root, remark

    def open(self, name: str, version: str) -> VersionEnvironment:
        """The environment of a version, made where there is none or it is damaged; kept from being pruned from now on.

        Raises:
            VersionRefusedError: There is no such version, or none for this Python.
            EnvironmentFailedError: It cannot be made.
        """
        packages_of(name)
        target = self.root / key_of(name, check_version(version))
        if (found := self._usable(target)) is not None:
            return found
        try:
            make_own(self.root)
            with self._making():
                if (found := self._usable(target)) is not None:  # another run was faster
                    return found
                if target.exists():
                    self._remark(f"  the environment of {name} {version} is damaged: it is made again")
                self._make(target, name, version)
        except OSError as error:
            raise EnvironmentFailedError(
                f"the environment of {name} {version} cannot be made in {self.root}: {error.strerror or error};"
                " make room, or name another cache folder with CROSSRT_CACHE_DIR=FOLDER"
            ) from error
        if (found := self._usable(target)) is None:
            raise EnvironmentFailedError(f"{target} was made and cannot be used: delete that folder, and try again")
        return found

    def _usable(self, target: Path) -> VersionEnvironment | None:
        found = read_environment(target)
        if found is None or not found.python.exists() or contents_of(target) != found.manifest.contents:
            return None
        _hold(target)
        return found

    @contextmanager
    def _making(self) -> Iterator[None]:
        """Waits until nobody else makes an environment."""
        descriptor = os.open(self.root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if not _take(descriptor):
                self._remark("  waiting: another crossrt run is making an environment")
                while not _take(descriptor):
                    time.sleep(_LOOK_EVERY_S)
            yield
        finally:
            os.close(descriptor)

    def _make(self, target: Path, runtime: str, version: str) -> None:
        with owned_folder(self.root, STAGING) as staging:
            began = time.monotonic()
            installer = find_installer(staging)
            self._remark(f"  making an environment with {runtime} {version}, once: {installer.name} installs it")
            folder = made_environment(staging / "environment")
            filled = fill(folder / "bin" / "python", installer, runtime, version)
            (folder / IN_USE).touch()
            manifest = Manifest(
                runtime=runtime,
                version=filled.packages[filled.package],
                package=filled.package,
                python=platform.python_version(),
                packages=dict(filled.packages),
                contents=contents_of(folder),
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
            folder.chmod(folder.stat().st_mode & ~0o022)
            if target.exists():
                target.rename(staging / "damaged")
            folder.rename(target)
            for note in filled.notes:
                self._remark(f"  {note}")
            self._remark(f"  made in {time.monotonic() - began:.0f} s: {target}")


def key_of(runtime: str, version: str) -> str:
    """Folder name of an environment: readable parts, then a hash of what else decides whether it fits this process."""
    release, marks = version_key(version)
    number = ".".join(map(str, release)) + "".join(f"-{each}" for each in marks[1:])
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    fits = [sys.base_prefix, sys.version, platform.machine(), " ".join(platform.libc_ver()), own_numpy()]
    return f"{runtime}-{number}-{tag}-{hashlib.sha256(msgspec.json.encode(fits)).hexdigest()[:8]}"


def read_environment(folder: Path) -> VersionEnvironment | None:
    """What a folder holds by its manifest, or None where that is missing, damaged or not of our making."""
    if not is_own(folder) or not is_own(folder / MANIFEST):
        return None
    try:
        manifest = msgspec.json.decode(read_regular(folder / MANIFEST), type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return VersionEnvironment(folder=folder, manifest=manifest)


def contents_of(folder: Path) -> str:
    """A hash of the names and sizes of all files, without those that Python writes when it imports."""
    found = hashlib.sha256()
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        for name in sorted(files):
            if not name.endswith(".pyc") and name not in (MANIFEST, IN_USE):
                file = os.path.join(path, name)  # noqa: PTH118 - thousands of files
                found.update(f"{os.path.relpath(file, folder)} {os.lstat(file).st_size}\n".encode())
    return found.hexdigest()


def _hold(folder: Path) -> None:
    """Locks an environment for as long as this process lives, and notes that it was used."""
    with suppress(OSError):  # a file system without locks
        if folder not in _held:
            descriptor = os.open(folder / IN_USE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            _held[folder] = descriptor
        os.utime(folder / IN_USE)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
