"""Runs of many days, made of one real report: each day's times vary, and from one day on a case takes longer.

All calls of a day are multiplied by a factor of the machine (3%) and each case's by one of chance (0.8%); from the
tenth run on the quantized case takes 7% more, and 12% more again in the last.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from msgspec import UNSET
from msgspec.structs import replace

from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.schema.records import Control, Report, Result

SAMPLE: Final = "own-onnx.json"
CASE: Final = "int8-qdq@ort-cpu"
RUNS: Final = 21
STEPS: Final = {9: 1.07, RUNS - 1: 1.12}
MACHINE, CHANCE = 0.03, 0.008
Measured = TypeVar("Measured", Result, Control)
FIRST: Final = datetime.fromisoformat("2026-10-01T03:00:00+00:00")


def write(folder: Path) -> None:
    """Writes the runs below `results` of the folder in which the samples are unpacked."""
    report, random = read_report(folder / SAMPLE), np.random.default_rng(0)
    for number in range(RUNS):
        factor = 1 + MACHINE * random.standard_normal()
        day = _day(report, number, factor, random)
        write_report(day, folder / "results" / day.run.id / "report.json")


def _day(report: Report, number: int, factor: float, random: np.random.Generator) -> Report:
    moment = FIRST + timedelta(days=number)
    factors = {}
    for result in report.results:
        factors[result.case] = factor * (1 + CHANCE * random.standard_normal())
        for first, step in STEPS.items():
            if CASE in result.case and number >= first:
                factors[result.case] *= step
    metrics = (
        replace(each, value=each.value * factors[each.case], lower=UNSET, upper=UNSET)
        if each.name.startswith("latency") and each.case in factors
        else each
        for each in report.metrics
    )
    revision = sha256(str(number).encode()).hexdigest()[:40]
    started = moment.isoformat()
    return replace(
        report,
        run=replace(report.run, id=f"{moment:%Y%m%dT%H%M%SZ}-{number:04x}", started_at=started, finished_at=started),
        results=tuple(_slowed(each, factors[each.case]) for each in report.results),
        controls=tuple(_slowed(each, factor) for each in report.controls),
        metrics=tuple(metrics),
        environment=replace(report.environment, git_revision=revision, git_dirty=False),
    )


def _slowed(result: Measured, factor: float) -> Measured:
    rounds = tuple(
        replace(each, blocks_ns=tuple(tuple(round(call * factor) for call in block) for block in each.blocks_ns))
        for each in result.rounds
    )
    return replace(result, rounds=rounds)
