"""Data sets that code gives: run in a process of its own, from whose files and answers all others read."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.core.user_code import host_fields, time_limit_s
from crossrt.datasets.opening import DataRequest, runs_code
from crossrt.datasets.serving.record import say_ended
from crossrt.harness.process.user_code import START_S, UserCodeProcess, keep_with, one_message

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
    if known is not None and known.served and _names(known) == _names(request):
        return dataclasses.replace(request, served=known.served)
    own = Path(tempfile.mkdtemp(prefix="served-", dir=folder))
    limit_s = time_limit_s()
    process = UserCodeProcess(MODULE, request.reference)
    try:
        specs = [dataclasses.asdict(each) for each in inputs]
        process.send({**_names(request), "inputs": specs, "folder": str(own), "timeout_s": limit_s, **host_fields()})
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


def _names(request: DataRequest) -> dict[str, str | None]:
    """What tells one data set from another."""
    return {"reference": request.reference, "split": request.split, "fallback_split": request.fallback_split}


def _opened(process: UserCodeProcess, reference: str, limit_s: float) -> bool:
    """Waits until the data set is there; returns whether its process gives samples from now on."""
    with one_message(reference, limit_s, DataError):
        process.receive(START_S)
        event = process.receive(limit_s)
        if event["event"] == "opened":
            event = process.receive(limit_s)
    if event["event"] == "failed":
        raise DataError(str(event["reason"]))
    return str(event["event"]) == "serving"
