"""What cases answer on a processor that this machine does not have."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from crossrt.core.evaluation import Evaluation


class EmulatedAnswers(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a case answers on another processor, for which an emulator stands in: answers alone, never times.

    `case` is the case of the report that it belongs to. `cpu` names the processor, and `emulator` what stands in for
    it. `cure` says what was changed against what that processor does to the answers of the case: an option of the
    runtime, or the recipe of another file; it is empty for the case as it is. `native` are the answers of the same file
    with the same options on this machine, `emulated` those on the other processor, both to the first `samples`
    samples and compared with the report's reference. `flips` counts samples that the two answer with another class; it
    is absent for tasks without classes. `max_steps` is the largest difference between the two in quantization steps of
    the output (LSB), absent where the output does not come from integers, and `relative` the largest of
    `||x - x'|| / ||x||` over outputs, x being the native one.
    """

    case: Annotated[str, Meta(min_length=1)]
    cpu: Annotated[str, Meta(min_length=1)]
    emulator: str
    status: Literal["ok", "skipped", "failed"]
    cure: str = ""
    variant: str = ""
    runtime: str = ""
    reason: str | None = None
    stderr_tail: str | None = None
    samples: Annotated[int, Meta(ge=0, le=2**53)] = 0
    native: Evaluation | None = None
    emulated: Evaluation | None = None
    flips: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    max_steps: Annotated[float, Meta(ge=0)] | None = None
    relative: Annotated[float, Meta(ge=0)] | None = None
