"""Runs the diagnosing process, and reads the most important things from what it says."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from crossrt.analysis.diagnosis.record import DiagnosedTensor, Diagnosis, DiagnosisJob
from crossrt.datasets.opening import DataRequest
from crossrt.harness.build.asking import TIMEOUT_S, ask_about
from crossrt.harness.build.subject import Found, refuse_float
from crossrt.harness.errors import HarnessError

SATURATING_DB: Final = 3.0
"""Kernels that cost more than this against precise ones saturate between two products."""


def diagnose_file(
    found: Found,
    samples: int,
    data: DataRequest,
    dimensions: Mapping[str, int],
    folder: Path,
    timeout_s: float = TIMEOUT_S,
) -> Diagnosis:
    """Runs the quantized and the float file side by side over samples, in a process of its own.

    Args:
        found: The two files.
        samples: How many samples to run at most, from the first.
        data: Which data set.
        dimensions: Sizes of dynamic dimensions.
        folder: A scratch folder of this diagnosis alone.
        timeout_s: How long it may take.

    Raises:
        HarnessError: The file is not quantized, the float file is not known or another one, or packages are missing.
        ExportError: The file cannot be diagnosed.
    """
    refuse_float(found, "diagnose")
    if found.original is None:
        raise HarnessError(f"{found.artifact.path} is compared with its float file: give it with --float FLOAT_FILE")
    job = DiagnosisJob(
        path=str(found.artifact.path),
        float_path=str(found.original.path),
        format=found.artifact.format,
        folder=str(folder),
        data=dataclasses.asdict(data),
        samples=samples,
        recipe=found.recipe,
        dimensions=dict(dimensions),
    )
    module, content = "crossrt.analysis.diagnosis.run", dataclasses.asdict(job)
    event = ask_about(found.name, module, content, "diagnosed", timeout_s=timeout_s)
    diagnosis = msgspec.convert(event["diagnosis"], Diagnosis)
    if not diagnosis.tensors and not diagnosis.missing and not diagnosis.outputs:
        raise HarnessError(
            f"nothing in {found.name} has a counterpart in {found.original.path.name}: give the float file that it was"
            " made from with --float"
        )
    return diagnosis


def saturates(diagnosis: Diagnosis) -> bool:
    """True if the shipped kernels lose much that precise kernels keep."""
    pairs = [(each.sqnr_db, each.precise_sqnr_db) for each in diagnosis.tensors]
    pairs += [(each.sqnr_db, each.precise_sqnr_db) for each in diagnosis.outputs]
    return any(_is_far_below(shipped, precise) for shipped, precise in pairs)


def is_hidden(diagnosis: Diagnosis) -> bool:
    """True if an output is far worse where nothing is added to the file that could be seen."""
    seen = {each.name: each.sqnr_db for each in diagnosis.tensors if each.role == "activation"}
    return any(_is_far_below(each.sqnr_db, seen.get(each.name)) for each in diagnosis.outputs)


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
