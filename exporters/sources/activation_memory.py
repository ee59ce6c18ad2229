"""How much memory the tensors between operators need: a bound by liveness, from the graph alone.

Operators run one after another in the order of the file. A tensor lives from the operator that makes it to the last one
that reads it; inputs live all the time, as runtimes leave them to whoever gave them, and outputs to the end. The peak
is the largest sum of living tensors over all operators, the operator's own inputs and results among them: no plan that
gives each tensor a place of its own takes less (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
Inference", 2020, section 5). Weights do not count, nor does what operators need for themselves, nor gaps for alignment.
Tensors that only reshape others share their memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An operator.

    Attributes:
        name: What it is called.
        inputs: Tensors that it reads.
        outputs: Tensors that it makes.
        shares: Whether its one result lies where its first input does.
    """

    name: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    shares: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The most memory that tensors take at once.

    Attributes:
        size_bytes: How much that is, for one sample.
        at: The operator during which it is.
    """

    size_bytes: int
    at: str


def activation_peak(
    steps: Sequence[Step],
    sizes: Mapping[str, int],
    inputs: Sequence[str],
    outputs: Sequence[str],
    lies_in: Mapping[str, str] | None = None,
) -> Peak | None:
    """The peak over all operators, or None where there are none.

    Args:
        steps: The operators in the order in which they run.
        sizes: Bytes of each tensor that takes memory; others, such as weights, take none.
        inputs: What the user gives.
        outputs: What the user gets.
        lies_in: Tensors that are never stored, with the one that is in their place.
    """
    owners = {**_shared(steps), **(lies_in or {})}
    last = dict.fromkeys((_owner(name, owners) for name in (*inputs, *outputs)), len(steps))
    for number, step in enumerate(steps):
        for name in (*step.inputs, *step.outputs):
            last[_owner(name, owners)] = max(last.get(_owner(name, owners), 0), number)
    living = set(inputs)
    best: Peak | None = None
    for number, step in enumerate(steps):
        living |= {_owner(name, owners) for name in step.outputs}
        total = sum(sizes.get(name, 0) for name in living)
        if best is None or total > best.size_bytes:
            best = Peak(size_bytes=total, at=step.name)
        living = {name for name in living if last.get(name, -1) > number}
    return best


def _shared(steps: Sequence[Step]) -> dict[str, str]:
    return {step.outputs[0]: step.inputs[0] for step in steps if step.shares and step.inputs and len(step.outputs) == 1}


def _owner(name: str, owners: Mapping[str, str]) -> str:
    """The tensor in whose memory another one lies."""
    seen = {name}
    while name in owners and owners[name] not in seen:
        name = owners[name]
        seen.add(name)
    return name
