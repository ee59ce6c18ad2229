"""Weights that stayed in float, and values that nothing uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from crossrt.analysis.audit.record import Finding
from crossrt.analysis.findings.kinds import plain_kind
from crossrt.analysis.findings.protocol import Outcome, check, named
from crossrt.analysis.findings.quantized_file import Constant, QuantizedFile
from crossrt.exporters.sources.onnx_weights import FLOATS

_SMALL: Final = 1024
"""Elements below which quantizers leave a weight in float on purpose: what they save is less than what it costs."""
_LITTLE: Final = 0.05
_LEAST_UNUSED_BYTES: Final = 64
"""Loose scales and shapes are left in many files, and cost nothing."""


@check("float weights", place=30)
def float_weights(file: QuantizedFile) -> Outcome:
    """Layers in float beside quantized ones of the same type were forgotten, or left out on purpose."""
    left = [each for each in file.constants if each.dtype in FLOATS and each.readers and not each.is_parameter]
    if not left:
        return Outcome("none are left")
    by_reader = Counter[str]()
    for each in left:
        by_reader[each.readers[0]] += each.size_bytes
    told = ", ".join(f"{size:,} bytes in {kind}" for kind, size in by_reader.most_common(4))
    return Outcome(f"left in the file: {told}", list(_forgotten(file, {each.name: each for each in left})))


def _forgotten(file: QuantizedFile, left: dict[str, Constant]) -> Iterator[Finding]:
    quantized = Counter(plain_kind(each.kind) for each in file.layers if each.weight is not None)
    for layer in file.layers:
        constant = left.get(layer.float_weight or "")
        kind = plain_kind(layer.kind)
        if layer.weight is not None or constant is None or constant.dtype == "float16" or not quantized[kind]:
            continue
        if _is_worth_it(file, constant):
            yield Finding(
                severity="caution",
                where=f"{layer.kind} {layer.name}",
                found=f"its weights {constant.name} are {constant.size_bytes:,} bytes of {constant.dtype}",
                expected=f"integers, as in {quantized[kind]} other layer{'s' * (quantized[kind] > 1)} of this type",
                to_do="quantize it, or note that it was left out on purpose",
            )


def _is_worth_it(file: QuantizedFile, constant: Constant) -> bool:
    if constant.elements >= _SMALL:
        return True
    is_dynamic = any(each.is_dynamic for each in file.layers)
    return not is_dynamic and constant.size_bytes >= _LITTLE * sum(each.size_bytes for each in file.constants)


@check("unused values", place=32)
def unused_values(file: QuantizedFile) -> Outcome:
    """Quantizers write integers beside the floats, and forget to take those out."""
    unused = [each for each in file.constants if not each.readers and each.size_bytes >= _LEAST_UNUSED_BYTES]
    if not unused:
        return Outcome("every value in the file is used")
    total = sum(each.size_bytes for each in unused)
    found = [
        Finding(
            severity="caution",
            where=each.name,
            found=f"{each.size_bytes:,} bytes{f' of {each.dtype}' if each.dtype else ''} that nothing reads",
            expected="values that an operator on the way to an output uses",
            to_do="remove it: it makes the file larger and changes no answer",
        )
        for each in unused
    ]
    return Outcome(f"{total:,} bytes are used by nothing: {named([each.name for each in unused])}", found)
