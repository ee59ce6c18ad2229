"""A fleet as a shell script that hands one job a machine to Slurm, each with a whole node, and one that joins."""

from __future__ import annotations

import shlex
from typing import Final

from crossrt.fleet.plans.machines import Fleet, Machine
from crossrt.fleet.plans.steps import REPORTS, Steps

_TOP: Final = """#!/bin/sh
# {comment}
# Run it at the top of the repository, on a file system that all nodes share.
set -eu
mkdir -p {reports}
"""


def slurm_script(fleet: Fleet, config: str, comment: str) -> str:
    """The script; a machine without options of its own takes any node."""
    parts = [_TOP.format(comment=comment, reports=REPORTS)]
    parts += [_submit(fleet, config, name, machine) for name, machine in fleet.machines.items()]
    parts.append(_join(fleet, config))
    return "\n".join(parts)


def _submit(fleet: Fleet, config: str, name: str, machine: Machine) -> str:
    """A job in a folder of its own, so that environments of several machines do not meet."""
    out, steps = f"{REPORTS}/{name}", Steps(fleet=fleet, config=config, venv=_venv(name))
    lines = [
        "set -eu",
        f"export CROSSRT_MACHINE={name}",
        *steps.install(machine.python),
        "code=0",
        f"{steps.measure(out)} || code=$?",
        *steps.remember(out),
        'exit "$code"',
    ]
    options = ["--parsable", "--exclusive", "--nodes=1", f"--job-name=crossrt-{name}", f"--time={fleet.minutes}"]
    options += [f"--output={REPORTS}/{name}.log", *machine.slurm]
    return f"jobs=\"${{jobs:+$jobs:}}$(sbatch {shlex.join(options)} <<'EOF'\n{_script(lines)}EOF\n)\"\n"


def _join(fleet: Fleet, config: str) -> str:
    """After all others, whether they succeeded or not."""
    first = next(iter(fleet.machines))
    lines = [Steps(fleet=fleet, config=config, venv=_venv(first)).join()]
    options = f"--parsable --job-name=crossrt-report --time=15 --output={REPORTS}/report.log"
    return f"sbatch --dependency=\"afterany:$jobs\" {options} <<'EOF'\n{_script(lines)}EOF\n"


def _script(lines: list[str]) -> str:
    return "\n".join(["#!/bin/sh", *lines]) + "\n"


def _venv(name: str) -> str:
    return f".crossrt-venv-{name}"
