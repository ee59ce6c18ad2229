"""An A/B comparison: two cases in the same rounds, two processes each, until their ratio is known well enough."""

from __future__ import annotations

from collections.abc import Sequence

from crossrt.harness.cli.progress import Display
from crossrt.harness.locations import cache_folder
from crossrt.harness.measure.duel.fight import ArmFailedError, Fight
from crossrt.harness.measure.duel.prepare import prepare
from crossrt.harness.measure.duel.record import record
from crossrt.harness.measure.settings import DuelSettings
from crossrt.harness.process.interrupts import ignore_interrupts
from crossrt.harness.process.lock import measuring_alone
from crossrt.harness.run.prepare import scratch_folder
from crossrt.reports.schema.records import Duel


def run_duel(settings: DuelSettings, command: Sequence[str], display: Display) -> Duel:
    """Runs an A/B comparison. Interrupted while it measures, or where a side fails then, it gives what is finished.

    Raises:
        CrossrtError: Nothing can be run as asked, or a side fails before it was timed.
    """
    with scratch_folder() as folder:
        match = prepare(settings, command, folder, display)
        try:
            with measuring_alone(cache_folder() / "measuring.lock", display):
                Fight(match, display).run()
        except ArmFailedError as failure:
            if not match.samples().ratio:
                raise
            display.remark(str(failure))
        except KeyboardInterrupt:
            ignore_interrupts()
            match.state.interrupted = True
        return record(match)
