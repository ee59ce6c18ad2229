"""How it was proved that nothing else used the machine while a run measured."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_Seconds = Annotated[float, Meta(ge=0, le=10**7)]
_Load = Annotated[float, Meta(ge=0, le=10**4)]


class Activity(Struct, frozen=True, kw_only=True):
    """What the kernel says of a while.

    `pressure` is the share of it in which a task waited for a processor, `stolen` the time that a hypervisor took away,
    in processors; each is null where the kernel does not tell.
    """

    watched_s: _Seconds
    pressure: _Load | None
    stolen: _Load | None


class SelfComparison(Struct, frozen=True, kw_only=True):
    """A case compared with itself (A/A): two processes a round, the truth is that they do not differ.

    `ratios` holds for each round the logarithm of the ratio of both times and its standard error.
    """

    case: Annotated[str, Meta(min_length=1)]
    ratios: tuple[tuple[float, Annotated[float, Meta(ge=0)]], ...]


class ExclusiveUse(Struct, frozen=True, kw_only=True):
    """What was done before and after everything else to know that the machine was left alone.

    `lock` is the file that all users of the machine share, held from the first to the last moment. `before` was watched
    while nothing of the run's own ran, and `after` likewise; `stolen` is what was taken away from begin to end. The run
    would not have begun above `max_pressure` and `max_steal`. What was not reached is null.
    """

    lock: Annotated[str, Meta(min_length=1)]
    max_pressure: _Load
    max_steal: _Load
    before: Activity
    after: Activity | None = None
    stolen: _Load | None = None
    aa_before: SelfComparison | None = None
    aa_after: SelfComparison | None = None
