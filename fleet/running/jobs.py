"""The jobs of a fleet on a Ray cluster: one for each machine that is named, or else for each that the cluster has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from crossrt.fleet.errors import FleetError
from crossrt.fleet.plans.machines import Fleet
from crossrt.fleet.running.records import ADDRESS, RESOURCE, START, Job, Node

_LONGEST = 40


def jobs_of(fleet: Fleet, nodes: Sequence[Node]) -> list[Job]:
    """What has to be measured.

    Args:
        fleet: Machines with a name; without any, each machine of the cluster is one, known by its address.
        nodes: Of the cluster.

    Raises:
        FleetError: No node may be measured on.
    """
    usable = [node for node in nodes if node.has(())]
    if not usable:
        there = f"{len(nodes)} node{'s' * (len(nodes) != 1)}"
        raise FleetError(
            f"none of {there} of the Ray cluster may be measured on: start those that may with the resource"
            f" {RESOURCE},\n{START}"
        )
    if fleet.machines:
        return [Job(machine=name, resources=machine.ray) for name, machine in fleet.machines.items()]
    hosts = {name: node.host for node in usable for name in node.resources if ADDRESS.fullmatch(name)}
    shared = Counter(_name(host) for host in hosts.values())
    names = {
        address: _name(host) if shared[_name(host)] == 1 else _name(f"{host}-{address.partition(':')[2]}")
        for address, host in hosts.items()
    }
    return [Job(machine=name, resources=(address,)) for address, name in names.items()]


def _name(text: str) -> str:
    """A text as the name of a machine."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text).lstrip("._-")[:_LONGEST] or "node"
