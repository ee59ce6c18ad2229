"""CIFAR-10 as something to train on."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final

from crossrt.datasets.cifar10.architectures import ARCHITECTURES
from crossrt.datasets.cifar10.augmentation import augmented, resized
from crossrt.datasets.cifar10.folders import read_images
from crossrt.datasets.cifar10.images import Images, Split, scaled
from crossrt.datasets.cifar10.recipes import RECIPES
from crossrt.datasets.cifar10.shipped import shipped
from crossrt.datasets.training import Course, LabelledPixels

SHIPPED: Final = "shipped"


def load(source: str) -> tuple[LabelledPixels, LabelledPixels]:
    """Training and test images from a folder, an archive, Keras's downloader (`download`), or the few that ship.

    Raises:
        DataError: They are in no known layout, or damaged.
        OSError: A file cannot be read.
    """
    read = shipped if source == SHIPPED else partial(read_images, source)
    return _labelled(read("train"), "train"), _labelled(read("test"), "test")


def _labelled(images: Images, split: Split) -> LabelledPixels:
    digest = hashlib.sha256(images.pixels.tobytes())
    digest.update(images.labels.tobytes())
    return LabelledPixels(
        name=f"CIFAR-10 {split}", pixels=images.pixels, labels=images.labels, fingerprint=digest.hexdigest()
    )


COURSE: Final = Course(
    architectures=ARCHITECTURES,
    recipes=RECIPES,
    load=load,
    augmented=augmented,
    resized=resized,
    scaled=scaled,
)
