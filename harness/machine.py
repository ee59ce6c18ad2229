"""Reads what a machine is, as far as its times depend on it, from `/proc` and `/sys`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from crossrt.core.control_group import ROOT, cpu_quotas
from crossrt.reports.schema.machine import Machine

_CPU: Final = "sys/devices/system/cpu"
_DMI: Final = ("sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name")


def read_machine(root: Path = ROOT) -> Machine:
    """The machine that this process runs on; `root` is where `/proc` and `/sys` are."""
    cpus = _status(root, "Cpus_allowed_list")
    return Machine(
        sockets=_sockets(root),
        numa_nodes=len(list(_nodes(root))) or None,
        cpuset=cpus,
        cpu_nodes=_nodes_of(root, numbers_in(cpus or "")),
        memory_nodes=_status(root, "Mems_allowed_list"),
        cpu_quotas=cpu_quotas(root),
        smt=_smt(root),
        boost=_boost(root),
        frequency_driver=_text(root / _CPU / "cpu0/cpufreq/scaling_driver"),
        microcode=_of_processor(root, "microcode"),
        hypervisor=_hypervisor(root),
    )


def numbers_in(text: str) -> tuple[int, ...]:
    """The numbers of a kernel list such as `0-3,8`; empty for what is not one."""
    try:
        ranges = [part.split("-") for part in text.split(",") if part]
        return tuple(number for ends in ranges for number in range(int(ends[0]), int(ends[-1]) + 1))
    except ValueError:
        return ()


def _sockets(root: Path) -> int | None:
    """How many packages the processors that are there lie in."""
    found = {_text(each) for each in (root / _CPU).glob("cpu[0-9]*/topology/physical_package_id")}
    return len(found - {None}) or None


def _nodes(root: Path) -> Iterator[tuple[int, Path]]:
    for path in (root / "sys/devices/system/node").glob("node[0-9]*"):
        if (number := path.name.removeprefix("node")).isdecimal():
            yield int(number), path


def _nodes_of(root: Path, cpus: tuple[int, ...]) -> str | None:
    """The NUMA nodes that some processors are on, as `0,1`."""
    found = sorted(
        number for number, path in _nodes(root) if set(numbers_in(_text(path / "cpulist") or "")).intersection(cpus)
    )
    return ",".join(map(str, found)) or None


def _smt(root: Path) -> Literal["on", "off", "not supported"] | None:
    """From the kernel's switch; where that is not there, from whether the first core has siblings."""
    control = _text(root / _CPU / "smt/control")
    if control in ("notsupported", "notimplemented"):
        return "not supported"
    if control in ("off", "forceoff"):
        return "off"
    if control == "on":
        return "on"
    siblings = _text(root / _CPU / "cpu0/topology/thread_siblings_list")
    return None if siblings is None else "on" if len(numbers_in(siblings)) > 1 else "off"


def _boost(root: Path) -> Literal["on", "off"] | None:
    """From Intel's driver, or from the one that all others share."""
    if (no_turbo := _text(root / _CPU / "intel_pstate/no_turbo")) is not None:
        return "off" if no_turbo == "1" else "on"
    boost = _text(root / _CPU / "cpufreq/boost")
    return None if boost is None else "off" if boost == "0" else "on"


def _hypervisor(root: Path) -> str | None:
    """The vendor of a virtual machine, `unnamed` where it does not say; None where nothing tells whether it is one."""
    flags = _of_processor(root, "flags")
    kind = _text(root / "sys/hypervisor/type")
    if kind is None and (flags is None or "hypervisor" not in flags.split()):
        return None if flags is None else "none"
    said = [text for path in _DMI if (text := _text(root / path))]
    return " ".join(dict.fromkeys([*said, *([kind] if kind else [])])) or "unnamed"


def _of_processor(root: Path, name: str) -> str | None:
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _status(root: Path, name: str) -> str | None:
    for line in (_text(root / "proc/self/status") or "").splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip() or None
    return None


def _text(path: Path) -> str | None:
    """A small file, or None where it cannot be read or is empty."""
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None
