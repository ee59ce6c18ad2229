"""Where the time of a call goes, by kind of kernel: a pass of its own, one case at a time."""

from __future__ import annotations

import dataclasses
from typing import get_args

from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.profiling import profile_file
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.records import KernelShares
from crossrt.reports.text.progress import Display
from crossrt.runtimes.kernels import KernelKind, Profile

CALLS = 100


def profile_cases(state: RunState, display: Display) -> None:
    """Adds the shares of kernel time to every case that was timed and whose runtime tells them."""
    cases = [case for case in state.cases if case.id in state.measurements.rounds]
    display.phase("profiling", len(cases))
    silent: set[str] = set()
    for case in cases:
        if case.runtime not in silent:
            _profile(state, case, silent, display)
        display.step(case.id)


def _profile(state: RunState, case: Case, silent: set[str], display: Display) -> None:
    """A runtime that tells no times for one file tells none for the others."""
    artifact = state.artifacts[case.artifact_id]
    try:
        options = case.scenario.session_options(state.feedings[case.artifact_id].dimensions)
        limits = limits_for(artifact, state.settings.limits)
        profile = profile_file(artifact, case.runtime, options, CALLS, limits, case.python)
    except ChildFailedError as failure:
        display.remark(f"  {case.id}: not profiled: {failure.reason}")
        return
    if profile is None or (shares := shares_of(profile)) is None:
        silent.add(case.runtime)
    else:
        assessment = state.assessments[case.id]
        state.assessments[case.id] = dataclasses.replace(assessment, kernel_shares=shares)


def shares_of(profile: Profile) -> KernelShares | None:
    """Each kind's share of the time that all kernels take; None where times are not known."""
    times: dict[KernelKind, float] = dict.fromkeys(get_args(KernelKind), 0.0)
    for kernel in profile.kernels:
        times[kernel.kind] += kernel.duration_ns or 0.0
    total = sum(times.values())
    if not total:
        return None
    return KernelShares(
        kernels_ns=round(total),
        integer=times["integer"] / total,
        hybrid=times["hybrid"] / total,
        float=times["float"] / total,
        conversion=times["conversion"] / total,
        layout=times["layout"] / total,
    )
