"""What every job does, whatever service runs it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

from crossrt.fleet.plans.machines import Fleet

REPORTS: Final = "crossrt-reports"
"""Where the job that joins finds a folder for each machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Lines of a shell, at the top of the repository.

    Attributes:
        fleet: Whose jobs they are.
        config: The configuration there.
        venv: The virtual environment that holds crossrt.
    """

    fleet: Fleet
    config: str
    venv: str = ".crossrt-venv"

    def install(self, python: str) -> list[str]:
        """Makes the environment from a Python, which may be a variable of the service."""
        what = shlex.join(self.fleet.install)
        return [
            f"{python} -m venv --without-pip {self.venv}",
            f"{python} -m pip --python {self.venv}/bin/python install --quiet {what}",
        ]

    def measure(self, out: str) -> str:
        """Measures what the configuration says, into a folder that is quoted already."""
        further = shlex.join(self.fleet.arguments)
        return f"{self._command} bench --config {shlex.quote(self.config)} --out {out} {further}".rstrip()

    def remember(self, out: str) -> list[str]:
        """Adds the report to the history that the environment names, where that is asked for."""
        return [f"{self._command} history add {out}"] if self.fleet.history else []

    def join(self) -> str:
        """Joins the reports of all machines."""
        source = '--history "$CROSSRT_HISTORY"' if self.fleet.history else REPORTS
        return f"{self._command} fleet report {source} --html fleet.html --format markdown > fleet.md"

    @property
    def _command(self) -> str:
        return f"{self.venv}/bin/crossrt"
