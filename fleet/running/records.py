"""What a fleet that Ray runs consists of: nodes, jobs, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, Protocol

from msgspec import Meta, Struct

from crossrt.fleet.errors import FleetError

RESOURCE: Final = "crossrt-node"
"""The custom resource by which the people of a cluster say that a node may be measured on."""

ADDRESS: Final = re.compile(r"node:(?!__)(.+)")
"""The resource that Ray gives every node: `node:` and the address of its machine."""

START: Final = f"ray start --address=HEAD:6379 --resources='{{\"{RESOURCE}\": 1}}'"


class ClusterLostError(FleetError):
    """A cluster that was there does not answer any more."""

    exit_code = 1


class Node(Struct, frozen=True, kw_only=True):
    """A node of the cluster that is alive.

    Attributes:
        id: Changes when it is started again.
        host: What its system calls it.
        resources: All that it has, whether that is free or not.
    """

    id: str
    host: str
    resources: Mapping[str, float]

    @property
    def cpus(self) -> float:
        """All that Ray may give away."""
        return self.resources.get("CPU", 0.0)

    @property
    def machine(self) -> str:
        """What all nodes of one machine have in common."""
        return next((name for name in self.resources if ADDRESS.fullmatch(name)), self.id)

    def has(self, resources: Sequence[str]) -> bool:
        """True if it may be measured on, and is the machine that has these."""
        return self.resources.get(RESOURCE, 0) >= 1 and all(self.resources.get(each, 0) > 0 for each in resources)


class Order(Struct, frozen=True, kw_only=True):
    """What a node is asked to do.

    Attributes:
        machine: What reports call it.
        version: Of crossrt, which has to be the same there.
        folder: Where it starts.
        config: The configuration, from there.
        config_sha256: Its content.
        arguments: Further ones of `crossrt bench`.
        cpus: All CPUs that Ray may give away there.
        seconds: How long it may take.
        wait_seconds: How long it may wait there, besides, for crossrt runs that are not of this fleet.
    """

    machine: str
    version: str
    folder: str
    config: str
    config_sha256: str
    arguments: tuple[str, ...]
    cpus: float
    seconds: int
    wait_seconds: float


class Job(Struct, frozen=True, kw_only=True):
    """A machine to measure, and the resources by which its node is known.

    Attributes:
        machine: What reports call it.
        resources: Custom resources of its node beside that of all; without any, every node will do.
    """

    machine: str
    resources: tuple[str, ...] = ()


class Found(Struct, frozen=True, kw_only=True):
    """What a node answered.

    Attributes:
        exit_code: Of `crossrt bench`, negative for a signal; None where it was not started, or stopped.
        report: The text of its report, if it wrote one.
        problem: What went wrong, in words.
    """

    exit_code: int | None = None
    report: str | None = None
    problem: str | None = None


class Submit(Struct, frozen=True, kw_only=True, tag="submit"):
    """Asks for a task on a node."""

    node: str
    order: Order


class Cancel(Struct, frozen=True, kw_only=True, tag="cancel"):
    """Ends the task of a machine."""

    machine: str


class Nodes(Struct, frozen=True, kw_only=True, tag="nodes"):
    """All nodes that are alive."""

    nodes: tuple[Node, ...]


How = Literal["answered", "died", "cancelled", "broken"]


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """The end of a task: `died` says that its node or process is gone, `broken` that Ray could not run it."""

    machine: Annotated[str, Meta(min_length=1)]
    how: How
    found: Found | None = None
    reason: str = ""


Request = Submit | Cancel
Event = Nodes | Ended


class Cluster(Protocol):
    """What the schedule needs of Ray."""

    def nodes(self) -> Sequence[Node]:
        """Those that are alive, as far as is known."""

    def submit(self, node: Node, order: Order) -> None:
        """Starts a task that takes all of a node."""

    def cancel(self, machine: str) -> None:
        """Ends a task; that is told like any other end."""

    def wait(self, seconds: float) -> Sequence[Ended]:
        """Ends that happened, after so long at the most; raises `ClusterLostError`."""
