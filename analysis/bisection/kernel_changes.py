"""The kernels of two profiles of one file, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from statistics import median

from crossrt.analysis.bisection.record import KernelChange, Kernels
from crossrt.runtimes.kernels import Kernel, Profile


def kernels_of(before: Sequence[Profile], after: Sequence[Profile]) -> Kernels:
    """What changed from one version to the other, the largest change of time first, other kernels before equal ones.

    Args:
        before: Profiles of the version before the change, each of a process of its own: medians of their times count.
        after: The same of the version after it.
    """
    one, other = _typical(before), _typical(after)
    changes = sorted(_changes(one, other), key=lambda each: (-abs(each.change_ns), not each.is_other))
    return Kernels(changes=tuple(changes))


def _typical(profiles: Sequence[Profile]) -> list[tuple[Kernel, float | None]]:
    """The kernels of the first profile, with the median of their times over those that list the same kernels."""
    first = profiles[0].kernels
    alike = [each.kernels for each in profiles if list(map(_said, each.kernels)) == list(map(_said, first))]
    times = [_median([each.duration_ns for each in column]) for column in zip(*alike, strict=True)]
    return list(zip(first, times, strict=True))


def _median(times: Sequence[float | None]) -> float | None:
    known = [each for each in times if each is not None]
    return median(known) if known else None


def _changes(
    before: Sequence[tuple[Kernel, float | None]], after: Sequence[tuple[Kernel, float | None]]
) -> Iterator[KernelChange]:
    matcher = SequenceMatcher(None, [_said(each) for each, _ in before], [_said(each) for each, _ in after], False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            yield from (_change([one], [other]) for one, other in zip(before[i:j], after[k:m], strict=True))
        else:
            yield _change(before[i:j], after[k:m])


def _change(
    before: Sequence[tuple[Kernel, float | None]], after: Sequence[tuple[Kernel, float | None]]
) -> KernelChange:
    named = next((kernel.name for kernel, _ in (*after, *before) if kernel.name), "")
    return KernelChange(
        before=", ".join(_said(kernel) for kernel, _ in before),
        after=", ".join(_said(kernel) for kernel, _ in after),
        name=named,
        before_ns=_total(before),
        after_ns=_total(after),
    )


def _total(kernels: Sequence[tuple[Kernel, float | None]]) -> float | None:
    times = [time for _, time in kernels]
    return None if any(each is None for each in times) else float(sum(each or 0.0 for each in times))


def _said(kernel: Kernel) -> str:
    """A kernel without its name, which versions choose differently."""
    by = f" by {kernel.delegate}" if kernel.delegate else ""
    return f"{kernel.operator} ({kernel.dtype}){by}"
