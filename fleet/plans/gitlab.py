"""A fleet as a GitLab pipeline: one job a machine, which never measures twice at once, and one that joins."""

from __future__ import annotations

from typing import Any, Final

from crossrt.fleet.errors import FleetError
from crossrt.fleet.plans.machines import Fleet, Machine
from crossrt.fleet.plans.steps import REPORTS, Steps

_OUT: Final = f"{REPORTS}/$CROSSRT_MACHINE"
_BASE: Final = ".measure"


def gitlab_pipeline(fleet: Fleet, config: str) -> dict[str, Any]:
    """The pipeline, as YAML has it: a file to include, or `.gitlab-ci.yml` itself.

    Raises:
        FleetError: A machine has no runner.
    """
    for name, machine in fleet.machines.items():
        if not machine.runner:
            raise FleetError(f'machine {name!r} has no runner: give the tags of its GitLab runner, runner = ["{name}"]')
    steps = Steps(fleet=fleet, config=config)
    jobs = {f"measure-{name}": _job(name, machine) for name, machine in fleet.machines.items()}
    return {"stages": ["measure", "report"], _BASE: _measure(steps), **jobs, "fleet-report": _report(steps)}


def _measure(steps: Steps) -> dict[str, Any]:
    out = f'"{_OUT}"'
    after = steps.remember(out)
    return {
        "stage": "measure",
        "timeout": f"{steps.fleet.minutes} minutes",
        "script": [*steps.install("$CROSSRT_PYTHON"), steps.measure(out)],
        **({"after_script": after} if after else {}),
        "artifacts": {"when": "always", "paths": [f"{_OUT}/*/report.json"]},
    }


def _job(name: str, machine: Machine) -> dict[str, Any]:
    return {
        "extends": _BASE,
        "tags": list(machine.runner),
        "resource_group": f"crossrt-{name}",
        "variables": {"CROSSRT_MACHINE": name, "CROSSRT_PYTHON": machine.python},
    }


def _report(steps: Steps) -> dict[str, Any]:
    return {
        "stage": "report",
        "when": "always",
        "script": [*steps.install("python3"), steps.join()],
        "artifacts": {"paths": ["fleet.html", "fleet.md"]},
    }
