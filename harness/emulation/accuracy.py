"""Answers here and on an emulated processor, without any measuring of times: what `crossrt accuracy --cpu` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crossrt.harness.emulation.emulator import Emulator, find_emulator
from crossrt.harness.emulation.run import ALREADY, emulate
from crossrt.harness.errors import HarnessError
from crossrt.harness.locations import lock_file
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.lock import measuring_alone
from crossrt.harness.run.bench import begin, set_aside
from crossrt.harness.run.check import check_answers
from crossrt.harness.run.compose import definitions_of
from crossrt.harness.run.prepare import scratch_folder
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.tables.emulated import Answered
from crossrt.reports.tables.findings import RANDOM
from crossrt.reports.text.progress import Display


def run_emulated_accuracy(settings: BenchSettings, command: Sequence[str], display: Display) -> Answered:
    """Checks the answers of all selected cases, and answers again on the emulated processor.

    Raises:
        CrossrtError: Nothing can be run as asked, or this processor is already like the other one.
    """
    assert settings.cpu is not None
    emulator = find_emulator(settings.cpu)
    if emulator is None:
        raise HarnessError(f"{ALREADY.format(cpu=settings.cpu)}: crossrt bench MODEL shows them")
    with scratch_folder() as folder, measuring_alone(lock_file(), display):
        state, runtimes, found, opened = begin(settings, command, folder, display)
        set_aside(state, found, runtimes)
        check_answers(state, found, display, compares_pairs=False)
        emulate(state, opened, emulator, display)
        rows = [*state.emulated, *_without_answers(state, emulator)]
        if not rows:
            raise HarnessError("there is no case to answer, here or on another CPU: crossrt inspect MODEL says more")
        random = [RANDOM] if state.project.is_random else []
        cautions = (*state.cautions, *state.warnings, *random)
        return Answered(rows=rows, definitions=definitions_of(state), cautions=cautions)


def _without_answers(state: RunState, emulator: Emulator) -> Iterator[EmulatedAnswers]:
    """A row with its reason for each file and runtime that has no answers here, and is not tried there."""
    said = set()
    for case in state.cases:
        found = state.assessments.get(case.id)
        what = None if found is None or found.status == "ok" else (case.label, case.runtime, found.status, found.reason)
        if found is None or found.status == "ok" or what in said:
            continue
        said.add(what)
        yield EmulatedAnswers(
            case=case.id,
            cpu=emulator.cpu,
            emulator=emulator.name,
            status=found.status,
            variant=case.label,
            runtime=case.runtime,
            reason=f"not tried there, for it has no answers here: {found.reason}",
        )
