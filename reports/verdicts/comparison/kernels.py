"""Whether kernels of two reports can be counted against each other."""

from __future__ import annotations

from crossrt.reports.schema.records import KernelCounts
from crossrt.reports.verdicts.comparison.answers import has_same_model
from crossrt.reports.verdicts.comparison.basis import Basis
from crossrt.reports.verdicts.comparison.pairing import Pair


def has_other_layers(basis: Basis, pair: Pair) -> bool:
    """True where another model runs another number of kernels.

    More kernels of a kind are then neither better nor worse: the model may have more layers. In a file made from the
    same model another number means that operators were fused, or no longer are.
    """
    before, after = pair.baseline.kernels, pair.current.kernels
    if before is None or after is None or has_same_model(basis, pair):
        return False
    return _computing(before) != _computing(after)


def _computing(kernels: KernelCounts) -> int:
    return kernels.integer + kernels.hybrid + kernels.float
