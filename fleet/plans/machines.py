"""The machines of a fleet, as the table `[fleet]` of a configuration names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from crossrt.fleet.errors import FleetError
from crossrt.reports.schema.records import MachineName

EXAMPLE: Final = """[fleet]
install = ["crossrt[export,page] @ git+https://example.org/crossrt"]
[fleet.machines.epyc]
runner = ["self-hosted", "epyc"]"""

Words = tuple[Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+$")], ...]


class Machine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One machine, or one of several that are alike.

    Attributes:
        runner: Labels of the GitHub runner, or tags of the GitLab runner, that stands on it.
        slurm: Options by which sbatch finds it, such as `--partition=cpu`.
        ray: Custom resources of its Ray node; without any, every node that may be measured on will do.
        python: The Python there, from which an environment is made.
    """

    runner: Words = ()
    slurm: Words = ()
    ray: Words = ()
    python: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._/-]+$")] = "python3"


class Fleet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All machines, and what is the same on each.

    Attributes:
        machines: By the name that reports and tables give them.
        install: What pip installs there.
        arguments: Further arguments of `crossrt bench`.
        history: Whether each machine adds its report to the history of the environment variable `CROSSRT_HISTORY`.
        minutes: How long one machine may take.
    """

    machines: dict[MachineName, Machine] = {}
    install: Words = ()
    arguments: Words = ()
    history: bool = False
    minutes: Annotated[int, Meta(ge=1, le=7 * 24 * 60)] = 60


def read_fleet(tables: Mapping[str, Any], name: str, needs: Sequence[str] = ("machines", "install")) -> Fleet:
    """The fleet of a configuration.

    Args:
        tables: Of the configuration, as TOML gives them.
        name: What messages call the file.
        needs: What has to be there.

    Raises:
        FleetError: There is no fleet in it, or what it says cannot be used.
    """
    if needs and "fleet" not in tables:
        raise FleetError(f"{name} names no machines; add\n{EXAMPLE}")
    try:
        fleet = msgspec.convert(tables.get("fleet", {}), Fleet)
    except msgspec.ValidationError as error:
        raise FleetError(f"{name}, table [fleet]: {error}; an example:\n{EXAMPLE}") from error
    for key in needs:
        if not getattr(fleet, key):
            raise FleetError(f"{name}, table [fleet]: {key} is empty; an example:\n{EXAMPLE}")
    _check_names(fleet, name)
    return fleet


def _check_names(fleet: Fleet, name: str) -> None:
    """Refuses two that are one to GitHub, whose concurrency groups know no case, and to some file systems."""
    names: dict[str, str] = {}
    for machine in fleet.machines:
        other = names.setdefault(machine.lower(), machine)
        if other != machine:
            raise FleetError(
                f"{name}, table [fleet]: the machines {other!r} and {machine!r} differ in upper and lower case alone,"
                " which GitHub does not tell apart: rename one"
            )


def relative_name(config: Path, folder: Path) -> str:
    """A configuration as a job names it, which starts at the top of the repository.

    Raises:
        FleetError: It is not in that folder.
    """
    try:
        return config.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError as error:
        raise FleetError(
            f"{config} is not in {folder}: jobs start at the top of the repository, so run the command there"
        ) from error
