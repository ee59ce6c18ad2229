"""Runs the diagnosing process, and reads the most important things from what it says."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

import msgspec

from crossrt.analysis.diagnosis.record import DiagnosedTensor, Diagnosis, DiagnosisJob
from crossrt.harness.build.subject import Found, ask_about

SATURATING_DB: Final = 3.0
"""Kernels that cost more than this against precise ones saturate between two products."""


def diagnose_file(found: Found, samples: int) -> Diagnosis:
    """Runs the quantized and the float32 file side by side over test digits, in a process of its own.

    Raises:
        ExportError: The file cannot be diagnosed.
        ChildFailedError: The process crashed or hung.
    """
    job = DiagnosisJob(
        path=str(found.artifact.path), float_path=str(found.original.path), recipe=found.recipe, samples=samples
    )
    event = ask_about(found.artifact, "crossrt.analysis.diagnosis.run", dataclasses.asdict(job), "diagnosed")
    return msgspec.convert(event["diagnosis"], Diagnosis)


def saturates(diagnosis: Diagnosis) -> bool:
    """True if the shipped kernels lose much that precise kernels do not."""
    pairs = [(each.sqnr_db, each.precise_sqnr_db) for each in diagnosis.tensors]
    pairs.append((diagnosis.shipped_logits_db, diagnosis.precise_logits_db))
    return any(_is_far_below(shipped, precise) for shipped, precise in pairs)


def is_hidden(diagnosis: Diagnosis) -> bool:
    """True if the logits are far worse where nothing is added to the file that could be seen."""
    logits = [each for each in diagnosis.tensors if each.role == "activation"][-1:]
    return any(_is_far_below(diagnosis.shipped_logits_db, each.sqnr_db) for each in logits)


def _is_far_below(value: float | None, other: float | None) -> bool:
    return value is not None and other is not None and other - value > SATURATING_DB


def worst_activation(diagnosis: Diagnosis) -> DiagnosedTensor | None:
    """The activation whose layer adds the most noise: where the ratio falls most from one tensor to the next."""
    previous, worst, greatest = math.inf, None, 0.0
    for each in diagnosis.tensors:
        if each.role == "activation" and each.sqnr_db is not None:
            if previous - each.sqnr_db > greatest and math.isfinite(previous):
                worst, greatest = each, previous - each.sqnr_db
            previous = each.sqnr_db
    return worst
