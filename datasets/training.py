"""What a bundled data set offers to whoever trains: networks, recipes, images and what is done to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.scratch import owned_folder

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, by gradient descent with momentum.

    Attributes:
        epochs: How often all images are seen.
        rate: The highest learning rate; it falls to zero along half a cosine (Loshchilov and Hutter 2017, eq. 5).
        warm_up: Share of all steps in which the rate rises from zero along a line.
        momentum: Of the gradient.
        is_nesterov: Whether the gradient is taken ahead.
        weight_decay: Factor of the weights that is added to their gradient.
        decays_all: Whether biases and BatchNorm decay as well, not kernels alone.
        label_smoothing: Share of each label that is spread over all classes.
        batch_size: Images in a step.
        small_side: Side of the images in the first epochs, or None for the full one throughout.
        small_share: Share of the epochs that see small images.
        note: Where it comes from, for people.
    """

    epochs: int
    rate: float
    warm_up: float = 0.0
    momentum: float = 0.9
    is_nesterov: bool = False
    weight_decay: float
    decays_all: bool = False
    label_smoothing: float = 0.0
    batch_size: int = 128
    small_side: int | None = None
    small_share: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPixels:
    """Images uint8 `(count, side, side, channels)` with labels `(count,)`, and a hash of both."""

    name: str
    pixels: Pixels
    labels: NDArray[np.integer[Any]]
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Everything that training needs to know about a data set.

    Attributes:
        architectures: By name: functions from the side of the images, or None for any, to an untrained Keras model
            from float32 images to logits.
        recipes: By the architecture, then by name; the default first.
        load: Training and test images from what `TrainingJob.data` says.
        augmented: Images changed at random for an epoch.
        resized: Images of a smaller side.
        scaled: Images as the models take them.
    """

    architectures: Mapping[str, Callable[[int | None], Any]]
    recipes: Mapping[str, Mapping[str, Recipe]]
    load: Callable[[str], tuple[LabelledPixels, LabelledPixels]]
    augmented: Callable[[Pixels, np.random.Generator], Pixels]
    resized: Callable[[Pixels, int], Pixels]
    scaled: Callable[[Pixels], NDArray[np.float32]]


def write_bare(trained: Any, untrained: Any, path: Path) -> None:
    """Writes a trained Keras model without the optimizer's state, which would triple the file; whole or not at all.

    Args:
        trained: The model.
        untrained: The same network anew; it gets the weights.
        path: The file.

    Raises:
        OSError: There is no room.
    """
    untrained.set_weights(trained.get_weights())
    with owned_folder(path.parent, f".{path.name}.") as folder:
        half_written = folder / path.name
        untrained.save(half_written)
        half_written.replace(path)
