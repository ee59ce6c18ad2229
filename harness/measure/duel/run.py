"""An A/B comparison: two cases in the same rounds, two processes each, until their ratio is known well enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossrt.core.system_errors import FROM_OUTSIDE, system_problem
from crossrt.harness.errors import ArmFailedError
from crossrt.harness.locations import lock_file
from crossrt.harness.measure.checkpoints import after_round
from crossrt.harness.measure.duel.fight import Fight
from crossrt.harness.measure.duel.match import Match
from crossrt.harness.measure.duel.prepare import prepare
from crossrt.harness.measure.duel.record import record
from crossrt.harness.measure.settings import DuelSettings
from crossrt.harness.process.interrupts import interruptible
from crossrt.harness.process.lock import measuring_alone
from crossrt.harness.run.prepare import scratch_folder
from crossrt.reports.schema.records import Duel
from crossrt.reports.text.progress import Display


def run_duel(
    settings: DuelSettings,
    command: Sequence[str],
    display: Display,
    keep: Callable[[Duel], object] = lambda _: None,
    checkpoint: Callable[[Duel], object] | None = None,
) -> Duel:
    """Runs an A/B comparison. Interrupted while it measures, or where a side fails then, it gives what is finished.

    Args:
        settings: What is asked for.
        command: The command line, for the record.
        display: Follows.
        keep: Saves what was found, before anything can interrupt again.
        checkpoint: Saves what was found so far, now and then, once a round is finished on both sides.

    Raises:
        CrossrtError: Nothing can be run as asked, or a side fails before it was timed.
    """
    with interruptible() as interrupts, scratch_folder() as folder:  # what is settled is also tidied up in peace
        match = prepare(settings, command, folder, display)
        broken = None
        try:
            keep_finished = after_round(lambda: record(match, is_over=False), checkpoint)
            broken = _broken(match, display, lambda: keep_finished() if match.samples().ratio else None)
            interrupts.settle()
        except KeyboardInterrupt:
            interrupts.settle()
            match.state.interrupted = True
        found = record(match)
        keep(found)
        if broken is not None and not isinstance(broken, (ArmFailedError, *FROM_OUTSIDE)):
            raise broken
        return found


def _broken(match: Match, display: Display, then: Callable[[], None]) -> Exception | None:
    """Measures; returns what ended it before its time where rounds are finished."""
    try:
        with measuring_alone(lock_file(), display):
            Fight(match, display, then).run()
    except Exception as error:
        if not match.samples().ratio:
            raise
        if not isinstance(error, ArmFailedError):
            match.state.broken_off = system_problem(error)
        display.remark(f"  broken off: {system_problem(error)}")
        return error
    return None
