from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from crossrt.reports.schema.records import Report


@pytest.fixture
def make_run(make_report, make_result, simulate_rounds, with_reference_workload):
    """Makes the report of a simulated run, each round of which has a memory layout of its own.

    `slower` multiplies the times of every case, `machine` those of the reference workload too: the machine is slower
    today.
    """
    make_rounds = partial(simulate_rounds, blocks=12, layouts=0.004)

    def make(
        *subjects: str,
        slower: float = 1.0,
        machine: float = 1.0,
        seed: int = 0,
        rounds: int = 10,
        reference: bool = True,
        run_id: str | None = None,
        **fields,
    ) -> Report:
        random = np.random.default_rng(seed)
        results = [
            make_result(subject, rounds=make_rounds(50_000 * slower * machine, rounds, random), **fields)
            for subject in subjects or ("fp32@ort-cpu",)
        ]
        report = make_report(*results, id=run_id or f"run-{seed}-{slower}-{machine}")
        return with_reference_workload(report, make_rounds(40_000 * machine, rounds, random)) if reference else report

    return make
