"""A fleet as a GitHub Actions workflow: one job a machine, which never measures twice at once, and one that joins."""

from __future__ import annotations

from typing import Any, Final

from crossrt.fleet.errors import FleetError
from crossrt.fleet.plans.machines import Fleet
from crossrt.fleet.plans.steps import REPORTS, Steps

_OUT: Final = "results"
_UNLESS_CANCELLED: Final = "${{ !cancelled() }}"
_CHECKOUT: Final = {"uses": "actions/checkout@v4"}
_HISTORY: Final = {"CROSSRT_HISTORY": "${{ secrets.CROSSRT_HISTORY }}"}


def github_workflow(fleet: Fleet, config: str) -> dict[str, Any]:
    """The workflow, as YAML has it.

    Raises:
        FleetError: A machine has no runner.
    """
    for name, machine in fleet.machines.items():
        if not machine.runner:
            raise FleetError(
                f"machine {name!r} has no runner: give the labels of its GitHub runner, such as"
                f' runner = ["self-hosted", "{name}"] or runner = ["ubuntu-latest"]'
            )
    steps = Steps(fleet=fleet, config=config)
    return {
        "name": "crossrt fleet",
        "on": {"workflow_dispatch": None},
        "permissions": {"contents": "read"},
        "jobs": {"measure": _measure(steps), "report": _report(steps)},
    }


def _measure(steps: Steps) -> dict[str, Any]:
    fleet = steps.fleet
    matrix = [
        {"machine": name, "runner": list(machine.runner), "python": machine.python}
        for name, machine in fleet.machines.items()
    ]
    return {
        "name": "measure on ${{ matrix.machine }}",
        "strategy": {"fail-fast": False, "matrix": {"include": matrix}},
        "runs-on": "${{ matrix.runner }}",
        "concurrency": {"group": "crossrt-${{ matrix.machine }}", "cancel-in-progress": False},
        "timeout-minutes": fleet.minutes,
        "env": {"CROSSRT_MACHINE": "${{ matrix.machine }}"} | (_HISTORY if fleet.history else {}),
        "steps": [
            _CHECKOUT,
            {"name": "Install", "run": "\n".join(steps.install("${{ matrix.python }}"))},
            {"name": "Measure", "run": steps.measure(_OUT)},
            *_kept(steps),
        ],
    }


def _kept(steps: Steps) -> list[dict[str, Any]]:
    """A failed case fails the job, and its report is kept nevertheless."""
    adding = [{"name": "Add to the history", "if": _UNLESS_CANCELLED, "run": line} for line in steps.remember(_OUT)]
    upload = {
        "uses": "actions/upload-artifact@v4",
        "if": _UNLESS_CANCELLED,
        "with": {
            "name": "crossrt-${{ matrix.machine }}",
            "path": f"{_OUT}/*/report.json",
            "if-no-files-found": "error",
        },
    }
    return [*adding, upload]


def _report(steps: Steps) -> dict[str, Any]:
    has_history = steps.fleet.history
    download = {"uses": "actions/download-artifact@v4", "with": {"pattern": "crossrt-*", "path": REPORTS}}
    joining = [steps.join(), 'cat fleet.md >> "$GITHUB_STEP_SUMMARY"']
    return {
        "needs": "measure",
        "if": _UNLESS_CANCELLED,
        "runs-on": "ubuntu-latest",
        "timeout-minutes": 15,
        **({"env": _HISTORY} if has_history else {}),
        "steps": [
            _CHECKOUT,
            *([] if has_history else [download]),
            {"name": "Install", "run": "\n".join(steps.install("python3"))},
            {"name": "Join", "run": "\n".join(joining)},
            {"uses": "actions/upload-artifact@v4", "with": {"name": "fleet", "path": "fleet.html\nfleet.md"}},
        ],
    }
