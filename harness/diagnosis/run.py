"""Runs the diagnosing process, and reads the most important things from what it says."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

import msgspec

from exporters.diagnosis.record import DiagnosedTensor, Diagnosis, DiagnosisJob
from harness.progress import Display
from harness.subject import Found, ask_about

SATURATING_DB: Final = 3.0
"""Kernels that cost more than this against precise ones saturate between two products."""


def diagnose_file(found: Found, samples: int, display: Display) -> Diagnosis:
    """Runs the quantized and the float32 file side by side.

    Raises:
        ExportError: The file cannot be diagnosed.
    """
    job = DiagnosisJob(
        path=str(found.artifact.path), float_path=str(found.original.path), recipe=found.recipe, samples=samples
    )
    display.phase("diagnosing", 1)
    event = ask_about(found, "exporters.diagnosis.run", dataclasses.asdict(job), "diagnosed")
    display.step()
    return msgspec.convert(event["diagnosis"], Diagnosis)


def saturates(diagnosis: Diagnosis) -> bool:
    """True if the shipped kernels lose much that precise kernels do not."""
    return any(
        each.sqnr_db is not None
        and each.precise_sqnr_db is not None
        and each.precise_sqnr_db - each.sqnr_db > SATURATING_DB
        for each in diagnosis.tensors
    )


def worst_activation(diagnosis: Diagnosis) -> DiagnosedTensor | None:
    """The activation whose layer adds the most noise: where the ratio falls most from one tensor to the next."""
    previous, worst, greatest = math.inf, None, 0.0
    for each in diagnosis.tensors:
        if each.role == "activation" and each.sqnr_db is not None:
            if previous - each.sqnr_db > greatest and math.isfinite(previous):
                worst, greatest = each, previous - each.sqnr_db
            previous = each.sqnr_db
    return worst
