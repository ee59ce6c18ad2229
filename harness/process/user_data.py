"""Data sets that code gives: run in a process of its own, from whose files and answers all others read."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.core.user_code import more_time
from crossrt.datasets.opening import DataRequest, runs_code
from crossrt.datasets.serving.record import say_ended
from crossrt.harness.errors import ChildFailedError, NoAnswerError
from crossrt.harness.process.user_code import START_S, UserCodeProcess, keep_with, memory_limit_bytes, time_limit_s

MODULE: Final = "crossrt.datasets.serving.host"


def served(
    request: DataRequest, inputs: Sequence[TensorSpec], folder: Path, known: DataRequest | None = None
) -> DataRequest:
    """The same request for a data set that code gives, called once in a process of its own; others stay as they are.

    Args:
        request: Which data set.
        inputs: Inputs of the model.
        folder: The scratch folder of the run: arrays go there, and a process that still gives samples lives as long.
        known: Another request; where it is for the same data set, that is served for both.

    Raises:
        DataError: The code fails, ends its process, or takes longer than it may.
    """
    try:
        if not runs_code(request):
            return request
    except OSError:  # opening it says why
        return request
    if known is not None and known.served and (known.reference, known.split) == (request.reference, request.split):
        return dataclasses.replace(request, served=known.served)
    own = Path(tempfile.mkdtemp(prefix="served-", dir=folder))
    limit_s = time_limit_s()
    process = UserCodeProcess(MODULE, request.reference)
    try:
        process.send(_job(request, inputs, own, limit_s))
        stays = _opened(process, request.reference, limit_s)
    except BaseException:
        process.kill()
        process.close()
        raise
    if stays:
        process.when_it_ends(lambda how: say_ended(own, f"{request.reference} ended while samples were read: {how}"))
        keep_with(folder, process)
    else:
        process.close()
    return dataclasses.replace(request, served=str(own))


def _job(request: DataRequest, inputs: Sequence[TensorSpec], folder: Path, limit_s: float) -> Mapping[str, Any]:
    return {
        "reference": request.reference,
        "split": request.split,
        "inputs": [dataclasses.asdict(each) for each in inputs],
        "folder": str(folder),
        "timeout_s": limit_s,
        "memory_limit_bytes": memory_limit_bytes(),
        "sys_path": sys.path,
    }


def _opened(process: UserCodeProcess, reference: str, limit_s: float) -> bool:
    """Waits until the data set is there; returns whether its process gives samples from now on."""
    try:
        process.receive(START_S)
        event = process.receive(limit_s)
        if event["event"] == "opened":
            event = process.receive(limit_s)
    except NoAnswerError as failure:
        raise DataError(f"{reference} gave no data within {limit_s:g} s, so it was stopped; {more_time()}") from failure
    except ChildFailedError as failure:
        process.finish_printing()
        raise DataError(f"{reference} could not be called to its end: {failure.reason}") from failure
    if event["event"] == "failed":
        raise DataError(str(event["reason"]))
    return str(event["event"]) == "serving"
