"""What a call costs the processor: evidence that nothing is decided by."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_Amount = Annotated[float, Meta(ge=0, le=1e18)]


class CallEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Means over `calls` calls of a case in a process of its own, with the Python that makes them.

    `instructions`, `cycles` and `cache_misses` are those of a call as the processor counts them, of all threads of the
    process; `is_user_only` says that the kernel allowed to count only what ran in user space. `energy_uj` are
    microjoules of a call: what all processors of the machine took meanwhile, for other processes and for being on, too.
    What the machine does not show is absent.
    """

    case: Annotated[str, Meta(min_length=1)]
    calls: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    instructions: _Amount | None = None
    cycles: _Amount | None = None
    cache_misses: _Amount | None = None
    energy_uj: _Amount | None = None
    is_user_only: bool = False


class Evidence(Struct, frozen=True, kw_only=True):
    """What was asked of counters and power meters; `missing` says what this machine does not show, and what helps."""

    calls: tuple[CallEvidence, ...]
    missing: tuple[str, ...] = ()
