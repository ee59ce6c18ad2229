"""The roofline of a run: limits of the machine, and the work of its files."""

from __future__ import annotations

from crossrt.core.errors import CrossrtError
from crossrt.harness.roofline.limits import machine_limits
from crossrt.harness.roofline.work import work_of
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.roofline import Roofline
from crossrt.reports.text.progress import Display


def add_roofline(state: RunState, display: Display) -> None:
    """Fills in `state.roofline`; a file whose work cannot be counted is told and left out."""
    display.phase("measuring the limits of this machine", 1)
    limits = machine_limits(state.settings.threads)
    display.step()
    work = []
    used = dict.fromkeys(case.artifact_id for case in state.cases if case.id in state.measurements.rounds)
    for name in used:
        try:
            work.append(work_of(state.artifacts[name], state.feedings[name].dimensions))
        except CrossrtError as error:
            display.remark(f"  {name}: its work is not counted: {error}")
    state.roofline = Roofline(limits=limits, work=tuple(work))
