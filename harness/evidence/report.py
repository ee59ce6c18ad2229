"""The evidence of a run: counters and energy of every case that was timed, once all is timed."""

from __future__ import annotations

from pathlib import Path

from crossrt.core.control_group import ROOT
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.evidence.call import count_calls, missing_evidence, shows_nothing
from crossrt.harness.evidence.counters import PerfError
from crossrt.harness.measure.participants import Prepared
from crossrt.harness.process.case_worker import UnsupportedError
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.evidence import CallEvidence, Evidence
from crossrt.reports.text.progress import Display


def say_missing_evidence(state: RunState, display: Display, root: Path = ROOT) -> None:
    """Says, before anything is measured, what the machine does not show of the evidence that is asked for."""
    for line in missing_evidence(root) if state.settings.has_evidence else ():
        display.remark(f"  --evidence: {line}")


def add_evidence(state: RunState, prepared: list[Prepared], folder: Path, display: Display, root: Path = ROOT) -> None:
    """Fills in `state.evidence`; a case that fails is told and left out, and where nothing is shown no case is run."""
    missing = list(missing_evidence(root))
    found: list[CallEvidence] = []
    cases = [] if shows_nothing(root) else [each for each in prepared if each.case.id in state.measurements.rounds]
    display.phase("counting", len(cases))
    for each in cases:
        try:
            limits = limits_for(each.artifact, state.settings.limits)
            found.append(count_calls(each.case.id, each.timed(), limits, folder, state.settings.seed, root))
        except (ChildFailedError, UnsupportedError) as failure:
            display.remark(f"  {each.case.id}: not counted: {failure}")
        except PerfError as error:
            missing.append(f"no counters (PMU): {error}")
            break
        display.step(each.case.id)
    state.evidence = Evidence(calls=tuple(found), missing=tuple(missing))
