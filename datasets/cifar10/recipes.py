"""How the networks are trained: as in the papers, or in less time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crossrt.datasets.training import Recipe

_PAPER: Final = Recipe(
    epochs=100,
    rate=0.1,
    weight_decay=1e-4,
    decays_all=True,
    note="gradient descent with momentum 0.9, learning rate 0.1 along a cosine, weight decay 1e-4, batches of 128",
)
_FAST: Final = Recipe(
    epochs=70,
    rate=0.2,
    warm_up=0.1,
    is_nesterov=True,
    weight_decay=3e-4,
    small_side=24,
    small_share=0.4,
    note="a higher rate with a warm-up, Nesterov momentum, and images of 24x24 in the first 40% of the epochs",
)
_FAST_TINY: Final = Recipe(
    epochs=80,
    rate=0.2,
    warm_up=0.1,
    is_nesterov=True,
    weight_decay=1e-4,
    small_side=24,
    small_share=0.3,
    note=_FAST.note.replace("40%", "30%") + "; less weight decay, as so small a network hardly overfits",
)
_FAST_LARGE: Final = Recipe(
    epochs=40,
    rate=0.2,
    warm_up=0.15,
    is_nesterov=True,
    weight_decay=5e-4,
    label_smoothing=0.1,
    small_side=24,
    small_share=0.4,
    note=f"{_FAST.note}, and smoothed labels",
)
RECIPES: Final[Mapping[str, Mapping[str, Recipe]]] = {
    "cifar-resnet8": {"fast": _FAST_TINY, "paper": _PAPER},
    "cifar-resnet20": {"fast": _FAST, "paper": _PAPER},
    "cifar-resnet18": {"fast": _FAST_LARGE, "paper": _PAPER},
}
