"""Energy that processors took (RAPL), as Linux shows it in `/sys/class/powercap`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crossrt.core.control_group import ROOT

_METERS: Final = "sys/class/powercap"
_PACKAGE: Final = "package"
"""How the meters of whole processors are named: `psys` and others count what these count, and more."""


def package_meters(root: Path = ROOT) -> tuple[Path, ...]:
    """The meters of processors, readable or not; `root` is where `/sys` is."""
    folders = sorted((root / _METERS).glob("intel-rapl:[0-9]*"))  # AMD's processors are called so, too
    return tuple(each for each in folders if each.name.count(":") == 1 and _name(each).startswith(_PACKAGE))


def _name(meter: Path) -> str:
    try:
        return (meter / "name").read_text().strip()
    except OSError:
        return ""


def energy_problem(root: Path = ROOT) -> str | None:
    """Why energy cannot be read, with what helps, or None where it can."""
    meters = package_meters(root)
    if not meters:
        return "no energy (RAPL): this machine shows no power meter of its processor"
    for meter in meters:
        if _number(meter / "energy_uj") is None:
            files = f"/{_METERS}/intel-rapl:*/energy_uj"
            return f"no energy (RAPL): the meter is there and cannot be read: sudo chmod a+r {files}"
    return None


def read_meters(root: Path = ROOT) -> Mapping[Path, int]:
    """Microjoules that each meter shows; what cannot be read is left out."""
    shown = {meter: _number(meter / "energy_uj") for meter in package_meters(root)}
    return {meter: number for meter, number in shown.items() if number is not None}


def energy_between(before: Mapping[Path, int], after: Mapping[Path, int]) -> float | None:
    """Microjoules of all processors between two looks, or None where a meter was not read both times.

    A meter begins again at `max_energy_range_uj`, after a minute or more: so much is added where it shows less.
    """
    if not before or before.keys() != after.keys():
        return None
    total = 0
    for meter, first in before.items():
        gone = after[meter] - first
        if gone < 0:
            span = _number(meter / "max_energy_range_uj")
            if span is None:
                return None
            gone += span
        total += gone
    return float(total)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
