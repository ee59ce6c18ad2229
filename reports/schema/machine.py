"""What a machine is, as far as its times depend on it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Machine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hardware and its limits, as the kernel tells them; what it does not tell is absent.

    `cpuset` are the processors that the process may use and `memory_nodes` the NUMA nodes that it may take memory
    from, both as kernel lists such as `0-3,8`; `cpu_nodes` are the nodes that these processors are on. `cpu_quotas`
    are the limits of processor time that control groups set, in processors, from the process's own group to the root.
    `smt` says whether cores run several threads, `boost` whether they may run above their nominal frequency.
    `hypervisor` names what a virtual machine runs on, and is `none` on bare metal.
    """

    sockets: _Count | None = None
    numa_nodes: _Count | None = None
    cpuset: str | None = None
    cpu_nodes: str | None = None
    memory_nodes: str | None = None
    cpu_quotas: tuple[float, ...] | None = None
    smt: Literal["on", "off", "not supported"] | None = None
    boost: Literal["on", "off"] | None = None
    frequency_driver: str | None = None
    microcode: str | None = None
    hypervisor: str | None = None
