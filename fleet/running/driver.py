"""The one process that imports Ray: requests and events are lines of JSON on standard input and output.

Ray ends the process that connected to a head that vanishes, prints what it likes, and takes signals; nothing of that
may happen to a command that has reports to keep.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from crossrt.core.parent import die_with_parent
from crossrt.fleet.running import node
from crossrt.fleet.running.records import RESOURCE, Cancel, Ended, Event, Found, How, Node, Nodes, Request, Submit

LOOK_EVERY_S: Final = 1.0
_STEP_S: Final = 0.2
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "30",
    "RAY_DEDUP_LOGS": "0",
}


class Driver:
    """Tasks of a cluster that this process is connected to."""

    def __init__(self, ray: Any) -> None:
        """`ray` is the module."""
        self._ray, self._tasks, self._cancelled = ray, dict[Any, str](), set[str]()
        ray.cloudpickle.register_pickle_by_value(node)
        self._task = ray.remote(max_retries=0)(node.measure)

    def nodes(self) -> Nodes:
        """Those that are alive."""
        found = (
            Node(id=each["NodeID"], host=each["NodeManagerHostname"], resources=each["Resources"])
            for each in self._ray.nodes()
            if each["Alive"]
        )
        return Nodes(nodes=tuple(found))

    def do(self, request: Request) -> None:
        """Starts or ends a task."""
        if isinstance(request, Cancel):
            self._cancelled.add(request.machine)
            for task, machine in self._tasks.items():
                if machine == request.machine:
                    self._ray.cancel(task, force=False)
            return
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        whole = self._task.options(
            num_cpus=request.order.cpus,
            resources={RESOURCE: 1},
            scheduling_strategy=NodeAffinitySchedulingStrategy(request.node, soft=False),
        )
        self._cancelled.discard(request.order.machine)
        self._tasks[whole.remote(msgspec.json.encode(request.order).decode())] = request.order.machine

    def ended(self, seconds: float) -> Iterator[Ended]:
        """Tasks that came to an end within a time."""
        if not self._tasks:
            time.sleep(seconds)
            return
        ready, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=seconds)
        for task in ready:
            yield self._end_of(task, self._tasks.pop(task))

    def _end_of(self, task: Any, machine: str) -> Ended:
        errors = self._ray.exceptions
        try:
            text = self._ray.get(task)
        except errors.TaskCancelledError:
            return Ended(machine=machine, how="cancelled")
        except errors.RayError as error:
            gone = (
                errors.NodeDiedError,
                errors.WorkerCrashedError,
                errors.ObjectLostError,
                errors.TaskUnschedulableError,
                errors.OutOfMemoryError,
            )
            how: How = "died" if isinstance(error, gone) else "broken"
            if machine in self._cancelled:
                how = "cancelled"
            lines = [line for line in str(error).splitlines() if line.strip()]
            return Ended(machine=machine, how=how, reason=lines[-1 if how == "broken" else 0] if lines else "")
        return Ended(machine=machine, how="answered", found=msgspec.json.decode(text, type=Found))


def _own_output() -> Callable[[Event], None]:
    """Takes standard output for events alone: what else is printed goes where errors go."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(event: Event) -> None:
        text = memoryview(msgspec.json.encode(event) + b"\n")
        while text:
            text = text[output.write(text) :]

    return say


def _requests(received: bytearray) -> Iterator[Request] | None:
    """What was asked meanwhile; None when nobody can ask any more."""
    while select.select([0], [], [], 0)[0]:
        if not (part := os.read(0, 2**16)):
            return None
        received += part
    *lines, rest = bytes(received).split(b"\n")
    received[:] = rest
    return (msgspec.json.decode(line, type=Submit | Cancel) for line in lines if line)


def main(address: str) -> None:
    """Connects, and serves until standard input ends."""
    die_with_parent()
    say = _own_output()
    os.environ |= _SETTINGS
    import ray

    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    driver, received, looked_at = Driver(ray), bytearray(), 0.0
    while (requests := _requests(received)) is not None:
        for request in requests:
            driver.do(request)
        for ended in driver.ended(_STEP_S):
            say(ended)
        if time.monotonic() - looked_at > LOOK_EVERY_S:
            say(driver.nodes())
            looked_at = time.monotonic()
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
