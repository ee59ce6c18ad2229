"""A duel: two cases in the same rounds, each with two processes a round, until their ratio is known well enough."""

from __future__ import annotations

from collections.abc import Sequence

from harness.duel.fight import ArmFailedError, Fight
from harness.duel.prepare import prepare
from harness.duel.record import record
from harness.interrupts import ignore_interrupts
from harness.locations import cache_folder
from harness.lock import measuring_alone
from harness.progress import Display
from harness.settings import DuelSettings
from harness.workspace import open_workspace
from reports.schema import Duel


def run_duel(settings: DuelSettings, command: Sequence[str], display: Display) -> Duel:
    """Runs a duel. Interrupted while it measures, or left by an arm that fails then, it gives what is finished.

    Raises:
        HarnessError: Nothing can be run as asked, or an arm fails: a duel needs two.
        ExportError: The model or the artifacts cannot be used.
    """
    with open_workspace() as workspace:
        match = prepare(settings, command, workspace, display)
        try:
            with measuring_alone(cache_folder() / "measuring.lock", display):
                Fight(match, workspace, display).run()
        except ArmFailedError as failure:
            if not match.samples().ratio:
                raise
            display.remark(str(failure))
        except KeyboardInterrupt:
            ignore_interrupts()
            match.state.interrupted = True
        return record(match)
