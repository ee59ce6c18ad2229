"""A duel: two cases in the same rounds, each with two processes a round, until their ratio is known well enough."""

from __future__ import annotations

from collections.abc import Sequence

from crossrt.harness.cli.progress import Display
from crossrt.harness.evaluate.workspace import open_workspace
from crossrt.harness.locations import cache_folder
from crossrt.harness.measure.duel.fight import ArmFailedError, Fight
from crossrt.harness.measure.duel.prepare import prepare
from crossrt.harness.measure.duel.record import record
from crossrt.harness.measure.settings import DuelSettings
from crossrt.harness.process.interrupts import ignore_interrupts
from crossrt.harness.process.lock import measuring_alone
from crossrt.reports.schema.records import Duel


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
