"""Running a model over the test digits and holding its answers against the labels and the Keras model."""

from __future__ import annotations

import platform
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import Quantization, ReferenceLogits
from crossrt.datasets.mnist import digits as mnist
from crossrt.harness.environment import has_vnni
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.workspace import Workspace
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.reports.schema.records import Accuracy
from crossrt.reports.statistics.classification import judge_logits


def read_reference(reference: ReferenceLogits, workspace: Workspace) -> NDArray[np.float32]:
    """The Keras model's own logits, float32 `(10000, 10)`.

    Raises:
        HarnessError: The file holds something else.
    """
    wanted = (len(workspace.labels), mnist.CLASSES)
    try:
        logits = np.load(reference.path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile, MemoryError) as error:
        raise HarnessError(f"{reference.path} cannot be read ({error}): run crossrt export again") from error
    if not isinstance(logits, np.ndarray) or logits.dtype != np.float32 or logits.shape != wanted:
        raise HarnessError(f"{reference.path} does not hold float32 {wanted}: run crossrt export again")
    if not np.isfinite(logits).all():
        raise HarnessError(f"{reference.path} holds NaN or infinity: run crossrt export again")
    return np.array(logits)


def judge_answers(
    worker: CaseWorker,
    batch_size: int,
    workspace: Workspace,
    reference: NDArray[np.float32] | None,
    kept: Path | None = None,
) -> Accuracy:
    """Evaluates all test digits with a worker that has loaded its model.

    Args:
        worker: The worker.
        batch_size: Digits per call.
        workspace: Holds the digits.
        reference: The Keras model's own logits.
        kept: Where the logits, float32 `(10000, 10)`, stay as `.npy`; None to drop them.

    Raises:
        ChildFailedError: The model cannot answer, or answers something else.
    """
    path = kept or workspace.folder / f"logits-{worker.pid}.npy"
    worker.evaluate(workspace.images, batch_size, path)
    logits: NDArray[np.float32] = np.load(path, allow_pickle=False)
    if kept is None:
        path.unlink()
    if logits.shape != (len(workspace.labels), mnist.CLASSES):
        raise worker.failure(f"the model's answers have the shape {logits.shape}, not (10000, 10)")
    return judge_logits(logits, workspace.labels, reference)


def agreement_problem(accuracy: Accuracy, minimum_agreement: float, quantization: Quantization | None) -> str | None:
    """Why answers are too far from the Keras model's to be a result, or None where they are near enough."""
    if accuracy.agreement is None or accuracy.agreement >= minimum_agreement:
        return None
    causes = "; ".join([*quantization.hazards, *saturation(quantization)]) if quantization else ""
    return (
        f"gives the Keras model's answer to {accuracy.agreement:.2%} of the test digits;"
        f" --min-agreement asks for {minimum_agreement:.2%}{f'. Likely cause: {causes}' if causes else ''}"
    )


def saturation(quantization: Quantization) -> list[str]:
    """What a processor without VNNI instructions does to ONNX Runtime's products of 8-bit numbers."""
    is_affected = quantization.representation in ("qdq", "qoperator") and quantization.weight_type == "int8"
    if not is_affected or quantization.reduce_range or platform.machine() != "x86_64" or has_vnni():
        return []
    return [
        "this processor has no VNNI instructions, so sums of two 8-bit products may saturate: set reduce_range, or make"
        " the weights uint8"
    ]
