from __future__ import annotations

import msgspec
import numpy as np
import pytest

from reports.schema import Control, Report, Round

BLOCKS, CALLS = 12, 4
ANCHOR_NS = 40_000


@pytest.fixture
def make_run(make_report, make_result):
    """Makes the report of a simulated run.

    `slower` multiplies the times of every case, `machine` those of the anchor too: a machine that is slower today.
    """

    def make(
        *subjects: str,
        slower: float = 1.0,
        machine: float = 1.0,
        seed: int = 0,
        rounds: int = 10,
        anchor: bool = True,
        run_id: str | None = None,
        **fields,
    ) -> Report:
        random = np.random.default_rng(seed)
        results = [
            make_result(
                subject,
                rounds=make_rounds(50_000 * slower * machine, rounds, random),
                calls_per_block=CALLS,
                **fields,
            )
            for subject in subjects or ("fp32@ort-cpu",)
        ]
        control = Control(
            kind="anchor",
            of="numpy",
            batch_size=1,
            threads=1,
            calls_per_block=CALLS,
            rounds=make_rounds(ANCHOR_NS * machine, rounds, random),
        )
        report = make_report(*results, id=run_id or f"run-{seed}-{slower}-{machine}")
        return msgspec.structs.replace(report, controls=(control,) if anchor else ())

    return make


def make_rounds(level_ns: float, rounds: int, random: np.random.Generator) -> tuple[Round, ...]:
    """Rounds around a level, each with a memory layout of its own."""
    layouts = level_ns * random.lognormal(0, 0.004, rounds)
    return tuple(
        Round(
            index=index,
            position=0,
            load_ns=int(5e6 * random.lognormal(0, 0.05)),
            first_run_ns=int(5e5 * random.lognormal(0, 0.05)),
            latency_ns=tuple(
                (level_ns * random.lognormal(0, 0.004) * random.lognormal(0, 0.003, BLOCKS * CALLS))
                .astype(int)
                .tolist()
            ),
        )
        for index, layout in enumerate(layouts)
    )
