"""The data set that another process serves: arrays read from its files, or samples asked for as they are needed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.core.user_code import more_time
from crossrt.datasets.protocol import Arrays, Dataset
from crossrt.datasets.readers.npy import open_npy
from crossrt.datasets.samples import ArrayDataset, check_indices, content_fingerprint
from crossrt.datasets.serving.record import ENDED, LABELS, SOCKET, Served, read_record, say_ended

_END_GRACE_S: Final = 5.0
"""How long it may take until whoever started the process says why it ended."""
_CHUNK: Final = 1 << 16


def open_served(folder: Path) -> Dataset:
    """The data set that is served in a folder.

    Raises:
        DataError: Its process is gone, or its arrays cannot feed a model.
    """
    served = read_record(folder)
    return _from_files(served, folder) if served.is_in_files else ServedDataset(served, folder)


def _from_files(served: Served, folder: Path) -> Dataset:
    paths = {each.name: folder / f"{place}.npy" for place, each in enumerate(served.inputs)}
    shared = {each.name for each in served.inputs if each.is_shared}
    return ArrayDataset(
        served.name,
        {name: open_npy(path) for name, path in paths.items() if name not in shared},
        labels=_labels(served, folder),
        shared={name: np.load(paths[name], allow_pickle=False) for name in shared},
        notes=served.notes,
        classes=served.classes,
    )


def _labels(served: Served, folder: Path) -> NDArray[Any] | None:
    return np.load(folder / LABELS, allow_pickle=False) if served.has_labels else None


class ServedDataset:
    """Samples that a process gives when it is asked for them."""

    def __init__(self, served: Served, folder: Path) -> None:
        self._served, self._folder = served, folder
        self.name, self.notes, self.classes = served.name, served.notes, served.classes
        self.inputs: Mapping[str, TensorSpec] = {each.name: each.spec for each in served.inputs}
        self.shared = frozenset(each.name for each in served.inputs if each.is_shared)
        self.labels = _labels(served, folder)
        self.expected_outputs: Mapping[str, NDArray[Any]] = {
            name: np.load(folder / f"expected-{place}.npy", allow_pickle=False)
            for place, name in enumerate(served.expected_outputs)
        }

    @cached_property
    def fingerprint(self) -> str:
        """The data set's own, else a hash of all samples and labels."""
        if not self._served.has_fingerprint:
            return content_fingerprint(self)
        return str(_asked(self._served, self._folder, {"ask": "fingerprint"})["fingerprint"])

    def __len__(self) -> int:
        """Number of samples."""
        return self._served.samples

    def feeds(self, indices: Sequence[int]) -> Arrays:
        """Arrays of some samples; see `Dataset.feeds`."""
        check_indices(self, indices)
        answer = _asked(self._served, self._folder, {"ask": "feeds", "indices": [int(each) for each in indices]})
        found = {}
        for name, file in answer["files"].items():
            path = self._folder / file
            found[name] = np.load(path, allow_pickle=False)
            path.unlink(missing_ok=True)
        return found


def _asked(served: Served, folder: Path, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer to a request.

    Raises:
        DataError: The code failed, ended its process, or took too long.
    """
    if (folder / ENDED).exists():
        raise DataError((folder / ENDED).read_text(encoding="utf-8"))
    try:
        with connection_to(folder) as connection:
            connection.settimeout(served.timeout_s)
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = _line(connection, served, folder)
    except OSError:
        line = b""
    if not line.endswith(b"\n"):
        raise DataError(_reason(served, folder))
    answer: Mapping[str, Any] = json.loads(line)
    if "error" in answer:
        raise DataError(str(answer["error"]))
    return answer


def connection_to(folder: Path) -> socket.socket:
    """A connection to the process that serves in a folder.

    Raises:
        OSError: It is gone.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(folder) as path:
            connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def short_path(folder: Path) -> Any:
    """The path of the socket, in the hundred bytes that a path of a socket may have."""
    path = folder / SOCKET
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def _line(connection: socket.socket, served: Served, folder: Path) -> bytes:
    """One line, or less where the process is gone. Time in which it serves others does not count."""
    received = b""
    while not received.endswith(b"\n"):
        try:
            chunk = connection.recv(_CHUNK)
        except TimeoutError:
            if time.time() - folder.stat().st_mtime < served.timeout_s:
                continue
            _stop(served, folder)
            return b""
        if not chunk:
            break
        received += chunk
    return received


def _stop(served: Served, folder: Path) -> None:
    """Ends a process that does not answer, for everybody."""
    say_ended(
        folder,
        f"{served.reference}: no samples within {served.timeout_s:g} s, so it was stopped; {more_time()}",
    )
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(served.pid, signal.SIGKILL)


def _reason(served: Served, folder: Path) -> str:
    deadline = time.monotonic() + _END_GRACE_S
    while not (folder / ENDED).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return say_ended(folder, f"{served.reference}: the process that gave its samples has ended")
