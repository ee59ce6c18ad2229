"""A bias is added to sums of products, so its scale is the product of theirs, and its zero point 0.

Source: Jacob et al. (2018), section 2.4, equation 11; for each channel where weights have a scale for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from crossrt.analysis.audit.affine import bias_affine
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.protocol import Outcome, check, named
from crossrt.analysis.findings.quantized_file import Layer, QuantizedFile

_TOLERANCE: Final = 1e-3


@check("bias scales", place=70)
def bias_scales(file: QuantizedFile) -> Outcome:
    """The scale of each bias beside the product of those of its layer's input and weights."""
    biases = [each for each in file.layers if each.bias is not None]
    known = [each for each in biases if each.source is not None and each.weight is not None]
    if not biases:
        return Outcome("no quantized bias")
    found = [each for layer in known for each in _wrong(layer)]
    if found:
        wrong = list(dict.fromkeys(each.where for each in found))
        text = f"{len(wrong)} of {len(known)} are not the input's times the weight's, with zero point 0: {named(wrong)}"
        return Outcome(text, found)
    implied = sum(each.kind.startswith("Q") for each in known)
    told = f"{len(known)} are the input's times the weight's"
    return Outcome(told + (f"; {implied} follow from their operator" if implied else ""))


def _wrong(layer: Layer) -> Iterator[Finding]:
    assert layer.bias is not None
    assert layer.source is not None
    assert layer.weight is not None
    bias, expected = layer.bias, bias_affine(layer.source.affine, layer.weight.affine).scale.reshape(-1)
    found = bias.affine.scale.reshape(-1)
    if expected.size not in (1, found.size) and found.size != 1:
        yield _finding(layer, bias, f"{found.size} scales", f"{expected.size}, one for each channel of its weights")
        return
    ratio = found.astype(np.float64) / np.where(expected == 0, np.nan, expected.astype(np.float64))
    if not np.allclose(ratio, 1, rtol=_TOLERANCE, atol=0):
        place = int(np.nanargmax(np.abs(ratio - 1))) if np.isfinite(ratio).any() else 0
        which = f" in channel {place}" if max(found.size, expected.size) > 1 else ""
        values = np.broadcast_arrays(found, expected)
        wanted = f"{float(values[1][place]):.6g}, the scale of its input times that of its weights"
        yield _finding(layer, bias, f"scale {float(values[0][place]):.6g}{which}", wanted)
    if bias.affine.zero_point.any():
        yield _finding(layer, bias, f"zero point {int(bias.affine.zero_point.reshape(-1)[0])}", "0")


def _finding(layer: Layer, bias: Stored, found: str, expected: str) -> Finding:
    return Finding(
        severity="wrong",
        where=bias.name,
        found=f"{found} ({layer.kind} {layer.name})",
        expected=expected,
        to_do="quantize the bias again, with this scale: integer kernels add it as it is",
    )
