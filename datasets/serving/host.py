"""Runs the code that gives a data set, in a process of its own: `python -m crossrt.datasets.serving.host`.

The job comes on standard input, events go to standard output. Arrays in memory are written to files, and the process
ends; any other data set stays here, and samples are given to whoever connects to a socket in the folder.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import select
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import CrossrtError
from crossrt.core.events import EventStream, read_job
from crossrt.core.parent import leaving_copies
from crossrt.core.tensor import TensorSpec
from crossrt.core.user_code import line_of, prepare_process, take_stdin
from crossrt.datasets.classes import classes_of
from crossrt.datasets.opening import open_here
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import ArrayDataset, View
from crossrt.datasets.serving.client import short_path
from crossrt.datasets.serving.record import LABELS, Served, served_inputs, write_record

MOST_BYTES_IN_FILES: Final = 2**30
"""Larger arrays stay in the memory of this process."""
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeJob:
    """What to serve.

    Attributes:
        reference: What the user calls the data set.
        split: Which part, or None.
        fallback_split: Which part where none is named, if there is one of that name.
        inputs: Fields of the specs of the model's inputs, or None where there is no model.
        folder: Where files and the socket go.
        timeout_s: How long a call may take; whoever asks sees to it.
        memory_limit_bytes: Private memory of this process.
        sys_path: Where the starting process looks for modules.
    """

    reference: str
    split: str | None
    fallback_split: str | None
    inputs: Sequence[Mapping[str, Any]] | None
    folder: str
    timeout_s: float
    memory_limit_bytes: int
    sys_path: Sequence[str]


def _opened(job: ServeJob) -> Dataset:
    inputs = None if job.inputs is None else [_spec(fields) for fields in job.inputs]
    with leaving_copies():
        request = DataRequest(reference=job.reference, split=job.split, fallback_split=job.fallback_split)
        return open_here(request, inputs)


def _spec(fields: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(**{**fields, "shape": tuple(fields["shape"])})


def _write(dataset: Dataset, job: ServeJob) -> bool:
    """Writes what can be written; returns whether that is all of it."""
    folder = Path(job.folder)
    arrays = _in_memory(dataset)
    for place, values in enumerate(arrays.values() if arrays is not None else ()):
        np.save(folder / f"{place}.npy", values, allow_pickle=False)
    if dataset.labels is not None:
        np.save(folder / LABELS, np.asarray(dataset.labels), allow_pickle=False)
    expected: Mapping[str, NDArray[Any]] = getattr(dataset, "expected_outputs", {})
    for place, values in enumerate(expected.values()):
        np.save(folder / f"expected-{place}.npy", values, allow_pickle=False)
    write_record(
        Served(
            reference=job.reference,
            name=str(dataset.name),
            samples=len(dataset),
            inputs=served_inputs(dataset.inputs, frozenset(dataset.shared)),
            is_in_files=arrays is not None,
            has_fingerprint=_has_fingerprint(dataset),
            has_labels=dataset.labels is not None,
            expected_outputs=tuple(expected),
            classes=classes_of(dataset),
            notes=tuple(map(str, dataset.notes)),
            pid=os.getpid(),
            timeout_s=job.timeout_s,
        ),
        folder,
    )
    return arrays is not None


def _inner(dataset: Dataset) -> Dataset:
    return dataset.whole if isinstance(dataset, View) else dataset


def _in_memory(dataset: Dataset) -> Mapping[str, NDArray[Any]] | None:
    """The arrays of a data set that is not large and all in memory, in the order of its inputs."""
    inner = _inner(dataset)
    arrays = inner.in_memory if isinstance(inner, ArrayDataset) and not inner.expected_outputs else None
    if arrays is None or sum(each.nbytes for each in arrays.values()) > MOST_BYTES_IN_FILES:
        return None
    return arrays


def _has_fingerprint(dataset: Dataset) -> bool:
    inner = _inner(dataset)
    return not isinstance(inner, ArrayDataset) or inner.has_identity


def _serve(listener: socket.socket, control: int, dataset: Dataset, folder: Path) -> None:
    """Answers one request after the other until the starting process closes standard input."""
    for number in itertools.count():
        ready, _, _ = select.select([listener.fileno(), control], [], [])
        if control in ready:
            return
        connection, _ = listener.accept()
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rwb") as stream:
            connection.settimeout(_PATIENCE_S)  # of a client that is stopped
            _answer(stream, dataset, folder, f"given-{number}")


def _answer(stream: io.BufferedRWPair, dataset: Dataset, folder: Path, stem: str) -> None:
    request = json.loads(stream.readline())
    try:
        if request["ask"] == "fingerprint":
            with leaving_copies():
                answer: dict[str, Any] = {"fingerprint": str(dataset.fingerprint)}
        else:
            with leaving_copies():
                arrays = dataset.feeds(request["indices"])
            files = {name: f"{stem}-{place}.npy" for place, name in enumerate(dataset.inputs)}
            for name, file in files.items():
                np.save(folder / file, arrays[name], allow_pickle=False)
            answer = {"files": files}
    except BaseException as error:  # whatever the code raises is an answer
        answer = {"error": _said(error, dataset.name)}
    stream.write(json.dumps(answer).encode() + b"\n")


def _said(error: BaseException, name: str) -> str:
    """One line for the user."""
    if isinstance(error, CrossrtError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None and not line_of(error):
        return f"{error.filename} cannot be written ({error.strerror}): set TMPDIR to another folder"
    return f"{name} failed: {type(error).__name__}: {error}{line_of(error)}"


@contextlib.contextmanager
def _listening(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with short_path(folder) as path:
            listener.bind(path)
        listener.listen()
        yield listener


def main() -> int:
    """Reads a job, runs its code, and serves what that gives."""
    events = EventStream.take_stdout()
    job = read_job(sys.stdin, ServeJob)
    control, folder = take_stdin(), Path(job.folder)
    prepare_process(job.sys_path, job.memory_limit_bytes)
    events.send("started")
    try:
        dataset = _opened(job)
        events.send("opened")
        with _listening(folder) as listener:
            if _write(dataset, job):
                events.send("written")
                return 0
            events.send("serving")
            _serve(listener, control, dataset, folder)
    except BaseException as error:
        events.send("failed", reason=_said(error, job.reference))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
