"""A Ray cluster, through a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import msgspec

from crossrt.core.errors import shortened
from crossrt.core.install import install_command
from crossrt.fleet.errors import FleetError
from crossrt.fleet.running.records import Cancel, ClusterLostError, Ended, Event, Node, Nodes, Order, Request, Submit

ANSWER_S: Final = 90.0
"""How long Ray may take to connect, and then to say nothing at all."""

_REACH_S: Final = 10.0
_LEAVE_S: Final = 10.0
_MOST_SAID: Final = 600
_HOST: Final = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.]+(%\w+)?\]")
"""A name or an address of IPv4; one of IPv6 stands in brackets, as its colons are not that of the port."""


class RayCluster:
    """A connection, as a context manager."""

    def __init__(self, address: str) -> None:
        """Connects to `auto`, `HOST:PORT` or `ray://HOST:PORT`.

        Raises:
            FleetError: Ray is not installed, or there is no cluster.
        """
        check_address(address)
        self._address, self._nodes, self._received = address, tuple[Node, ...](), bytearray()
        self._heard_at = time.monotonic()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed at exit
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "crossrt.fleet.running.driver", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
            bufsize=0,
        )
        try:
            self._connect()
        except BaseException:
            self._leave()
            raise

    def _connect(self) -> None:
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            if (events := self._events(1.0)) is None:
                raise FleetError(f"Ray cannot connect to {self._address}: {self._said()}")
            if events:
                return
        raise FleetError(f"no Ray cluster answers at {self._address} within {ANSWER_S:.0f} seconds: is its head up?")

    def nodes(self) -> Sequence[Node]:
        """Those that are alive, as of a second ago."""
        return self._nodes

    def submit(self, node: Node, order: Order) -> None:
        """Starts a task that takes all CPUs of a node and its resource."""
        self._ask(Submit(node=node.id, order=order))

    def cancel(self, machine: str) -> None:
        """Ends a task."""
        self._ask(Cancel(machine=machine))

    def wait(self, seconds: float) -> Sequence[Ended]:
        """Ends that happened; raises `ClusterLostError`."""
        began = time.monotonic()
        while True:
            if (events := self._events(seconds)) is None:
                raise self._lost()
            ended = [each for each in events if isinstance(each, Ended)]
            if ended or time.monotonic() - began >= seconds:
                return ended
            if time.monotonic() - self._heard_at > ANSWER_S:
                raise self._lost()

    def _events(self, seconds: float) -> list[Event] | None:
        """What was told within a time; None when the process is gone."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return []
        if not (part := os.read(self._process.stdout.fileno(), 2**20)):
            return None
        self._heard_at = time.monotonic()
        self._received += part
        *lines, rest = bytes(self._received).split(b"\n")
        self._received[:] = rest
        events = [msgspec.json.decode(line, type=Nodes | Ended) for line in lines]
        for each in events:
            if isinstance(each, Nodes):
                self._nodes = each.nodes
        return events

    def _ask(self, request: Request) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
        except BrokenPipeError:
            raise self._lost() from None

    def _lost(self) -> ClusterLostError:
        return ClusterLostError(
            f"the Ray cluster at {self._address} vanished: when it is up again, the same command goes on with what is"
            " missing"
        )

    def _said(self) -> str:
        """The last line that Ray printed."""
        self._stderr.seek(0)
        lines = [line.strip() for line in self._stderr.read().decode(errors="replace").splitlines()]
        return shortened(next((line for line in reversed(lines) if line), "it says nothing"), _MOST_SAID)

    def _leave(self) -> None:
        """Ray ends what still runs when its driver leaves."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._stderr.close()

    def __enter__(self) -> Self:
        """The connection itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnects."""
        self._leave()


def check_address(address: str) -> None:
    """Finds out in seconds what Ray takes a minute to say.

    Raises:
        FleetError: Ray is not installed, the address is none, or nothing listens there.
    """
    if importlib.util.find_spec("ray") is None:
        raise FleetError(f"crossrt fleet run needs Ray, which is not installed: {install_command('crossrt[ray]')}")
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (_HOST.fullmatch(host) and port.isdecimal() and port.isascii() and 0 < int(port) < 2**16):
        raise FleetError(
            f"{address!r} is not the address of a Ray head: expected HOST:PORT, such as 10.0.0.1:6379 or"
            " [::1]:6379, ray://HOST:10001, or auto on a node of the cluster"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()
    except OSError as error:
        raise FleetError(
            f"no Ray head answers at {address} ({error.strerror or error}): is it up, and can this machine reach it?"
        ) from error
