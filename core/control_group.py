"""What control groups grant this process, in versions 1 and 2: the smallest limit from its own group up to the root.

A limit counts wherever it is set on the way: Kubernetes sets one for a pod and systemd one for a slice, both above the
group that a process is in. What cannot be read is unknown, never "no limit".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

ROOT: Final = Path("/")
_PERIOD_US: Final = 100_000  # of a quota that is written without one
_NO_LIMIT_BYTES: Final = 2**60  # version 1 writes about 2**63

Version = Literal[1, 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The smallest limit that was found.

    Attributes:
        smallest: Processors, or bytes; None where no group that could be read sets a limit.
        is_known: False where nothing could be read, or where something could not and nothing else sets a limit.
        is_whole: True where every group up to the root could be read; a container may hide those above its own.
        left: Bytes that the fullest of the groups with a limit has left.
    """

    smallest: float | None
    is_known: bool
    is_whole: bool
    left: float | None = None


@dataclass(frozen=True, slots=True)
class _Level:
    """What one group allows, infinity for no limit, and what is left of it."""

    limit: float
    left: float = math.inf


@dataclass(frozen=True, slots=True)
class _Mount:
    """Which part of a hierarchy of groups is seen, and where."""

    root: PurePosixPath
    point: str


_Reader = Callable[[Path], _Level | None]


def cpu_limit(root: Path = ROOT) -> Limit:
    """How many processors' time the groups of this process may use; `root` is where `/proc` and `/sys` are."""
    return _smallest(root, "cpu", {1: _cpu_v1, 2: _cpu_v2})


def cpu_quotas(root: Path = ROOT) -> tuple[float, ...] | None:
    """Every limit of processors' time from this process's group up to the root; None where they cannot be read."""
    try:
        version, groups = _groups(root, "cpu")
    except (OSError, ValueError):
        return None
    levels, is_understood = _read(groups, {1: _cpu_v1, 2: _cpu_v2}[version])
    return tuple(level.limit for level in levels if math.isfinite(level.limit)) if is_understood else None


def memory_limit(root: Path = ROOT) -> Limit:
    """How many bytes the groups of this process may use; `root` is where `/proc` and `/sys` are."""
    return _smallest(root, "memory", {1: _memory_v1, 2: _memory_v2})


def _smallest(root: Path, controller: str, readers: Mapping[Version, _Reader]) -> Limit:
    try:
        version, groups = _groups(root, controller)
        is_whole = _is_root(groups[-1], version)
        # version 2: the root has no limit, and a group has none of what those above it do not share out
        is_free = is_whole and version == 2 and controller in (_text(groups[-1] / "cgroup.controllers") or "").split()
    except (OSError, ValueError):
        return Limit(smallest=None, is_known=False, is_whole=False)
    levels, is_understood = _read(groups, readers[version])
    limit = min((level.limit for level in levels), default=math.inf)
    left = min((level.left for level in levels), default=math.inf)
    return Limit(
        smallest=None if math.isinf(limit) else limit,
        is_known=math.isfinite(limit) or (is_understood and (is_free or bool(levels))),
        is_whole=is_whole and is_understood,
        left=None if math.isinf(left) else left,
    )


def _read(groups: Sequence[Path], reader: _Reader) -> tuple[list[_Level], bool]:
    """What the groups say that say anything, and whether all could be read and understood."""
    levels, is_understood = [], True
    for group in groups:
        try:
            group.stat()  # a group that has been removed says nothing
            level = reader(group)
        except (OSError, ValueError):
            is_understood = False
            continue
        if level is not None:
            levels.append(level)
    return levels, is_understood


def _cpu_v1(group: Path) -> _Level | None:
    quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
    return None if quota is None else _Level(_share(quota, period) if int(quota) > 0 else math.inf)


def _cpu_v2(group: Path) -> _Level | None:
    text = _text(group / "cpu.max")
    if text is None:
        return None
    quota, *period = text.split()
    return _Level(math.inf if quota == "max" else _share(quota, *period[:1]))


def _share(quota_us: str, period_us: str | None = None) -> float:
    """A quota in processors; raises `ValueError` where the two are not positive numbers."""
    quota, period = int(quota_us), _PERIOD_US if period_us is None else int(period_us)
    if quota <= 0 or period <= 0:
        raise ValueError(f"a quota of {quota_us} in {period_us}")
    return quota / period


def _memory_v1(group: Path) -> _Level | None:
    own = _text(group / "memory.limit_in_bytes")
    if own is None:
        return None
    counted = _counted(group)  # the smallest limit of the groups above is told here, also where they are hidden
    limit = min(int(own), counted.get("hierarchical_memory_limit", _NO_LIMIT_BYTES))
    used = int(_text(group / "memory.usage_in_bytes") or 0) - counted.get("total_inactive_file", 0)
    return _Level(math.inf) if limit >= _NO_LIMIT_BYTES else _Level(limit, max(limit - used, 0))


def _memory_v2(group: Path) -> _Level | None:
    texts = [text for name in ("memory.max", "memory.high") if (text := _text(group / name)) is not None]
    if not texts:
        return None
    limit = min(math.inf if text == "max" else int(text) for text in texts)
    used = int(_text(group / "memory.current") or 0) - _counted(group).get("inactive_file", 0)
    return _Level(limit, max(limit - used, 0))


def _counted(group: Path) -> dict[str, int]:
    lines = [line.split() for line in (_text(group / "memory.stat") or "").splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) == 2}


def _groups(root: Path, controller: str) -> tuple[Version, list[Path]]:
    """The version that has the controller, and the folders of this process's group and of those above it.

    Raises:
        ValueError: The system does not tell which group that is, or it is not within what is mounted.
    """
    version, path = _own_group(_text(root / "proc/self/cgroup") or "", controller)
    for mount in _mounts(_text(root / "proc/self/mountinfo") or "", controller, version):
        if path.parts[: len(mount.root.parts)] == mount.root.parts:
            top, below = root / mount.point, path.parts[len(mount.root.parts) :]
            return version, [top.joinpath(*below[:depth]) for depth in range(len(below), -1, -1)]
    raise ValueError(f"{path} is not mounted")


def _own_group(text: str, controller: str) -> tuple[Version, PurePosixPath]:
    """From `/proc/self/cgroup`; a controller of version 1 is in no group of version 2."""
    lines = [line.split(":", 2) for line in text.splitlines() if line.count(":") >= 2]
    for _, controllers, path in lines:
        if controller in controllers.split(","):
            return 1, PurePosixPath(path)
    for number, controllers, path in lines:
        if (number, controllers) == ("0", ""):
            return 2, PurePosixPath(path)
    raise ValueError(f"no group of {controller}")


def _mounts(text: str, controller: str, version: Version) -> Iterator[_Mount]:
    """From `/proc/self/mountinfo`: where the hierarchy is mounted; what shows the largest part of it comes first."""
    found = []
    for line in text.splitlines():
        mounted, _, system = line.partition(" - ")
        fields, (kind, _, options) = mounted.split(), (*system.split(), "", "", "")[:3]
        is_meant = kind == "cgroup2" if version == 2 else kind == "cgroup" and controller in options.split(",")
        if is_meant and len(fields) > 4:
            found.append(_Mount(PurePosixPath(_unescaped(fields[3])), _unescaped(fields[4]).lstrip("/")))
    yield from sorted(found, key=lambda mount: len(mount.root.parts))


def _unescaped(text: str) -> str:
    """Spaces and the like are written as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _is_root(group: Path, version: Version) -> bool:
    """True for the root of all groups, which a container with a namespace of its own does not see."""
    if version == 1:
        return (group / "release_agent").exists()
    return group.is_dir() and not (group / "cgroup.events").exists()


def _text(path: Path) -> str | None:
    """A file, or None where there is none; raises `OSError` where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
