"""Types, granularity and symmetry of what is quantized: no judgement, only a count."""

from __future__ import annotations

from collections import Counter

from crossrt.analysis.findings.protocol import Outcome, check, not_applicable
from crossrt.analysis.findings.quantized_file import QuantizedFile


@check("activations", place=20)
def activations(file: QuantizedFile) -> Outcome:
    """How activations are quantized."""
    return _layout(file, "activation")


@check("weights", place=22)
def weights(file: QuantizedFile) -> Outcome:
    """How weights are quantized."""
    return _layout(file, "weight")


def _layout(file: QuantizedFile, role: str) -> Outcome:
    tensors = file.of_role(role)
    if not tensors:
        return not_applicable("none with scales in the file")
    types = ", ".join(f"{count} {dtype}" for dtype, count in Counter(each.dtype for each in tensors).most_common())
    blocks = sum(each.block_size is not None for each in tensors)
    channels = sum(each.affine.scale.size > 1 for each in tensors) - blocks
    symmetric = sum(each.is_symmetric for each in tensors)
    in_blocks = f", {blocks} in blocks" if blocks else ""
    single = len(tensors) - channels - blocks
    return Outcome(f"{types}; {single} per tensor, {channels} per channel{in_blocks}; {symmetric} symmetric")
