"""Residual networks for CIFAR-10, untrained.

Each maps float32 `(batch, 32, 32, 3)` in 0..1 to logits `(batch, 10)`. All end in a global mean, so that their weights
fit images of any size: `side=None` gives the network for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from crossrt.datasets.cifar10.images import CHANNELS, CLASSES, SIDE

if TYPE_CHECKING:
    import keras

INPUT_NAME = "image"
OUTPUT_NAME = "logits"
MOMENTUM = 0.9
"""Of batch normalisation: 0.99, the default, leaves moving averages that lag behind."""


def resnet8(side: int | None = SIDE) -> keras.Model:
    """The image classifier of MLPerf Tiny: three blocks of 16, 32 and 64 filters; 78,666 parameters.

    Banbury et al., "MLPerf Tiny Benchmark" (2021), section 4. Convolutions have biases, and the shortcuts of the second
    and third block are convolutions of 1x1 without BatchNorm.
    """
    start = _input(side)
    tensor = _unit(start, 16, "stem", biased=True)
    for number, (filters, stride) in enumerate(((16, 1), (32, 2), (64, 2)), 1):
        name = f"block{number}"
        found = _unit(tensor, filters, f"{name}_conv1", stride=stride, biased=True)
        found = _normalized(_convolution(found, filters, f"{name}_conv2", biased=True), f"{name}_conv2")
        if stride > 1:
            tensor = _convolution(tensor, filters, f"{name}_shortcut", size=1, stride=stride, biased=True)
        tensor = _sum(tensor, found, name)
    return _classifier(start, tensor, "cifar-resnet8")


def resnet20(side: int | None = SIDE) -> keras.Model:
    """Three groups of three blocks of 16, 32 and 64 filters; 0.27 million parameters.

    He et al., "Deep Residual Learning for Image Recognition" (2016), section 4.2, with n = 3. Where the number of
    filters grows, the shortcut is a convolution of 1x1 with BatchNorm (their option B): option A pads channels with
    zeros, for which few runtimes have a quantized operator.
    """
    start = _input(side)
    tensor = _unit(start, 16, "stem")
    return _classifier(start, _groups(tensor, (16, 32, 64), 3), "cifar-resnet20")


def resnet18(side: int | None = SIDE) -> keras.Model:
    """Four groups of two blocks of 64 to 512 filters behind a convolution of 3x3; 11.2 million parameters.

    He et al. (2016), table 1, with the first convolution and pooling of ImageNet replaced for images of 32.
    """
    start = _input(side)
    tensor = _unit(start, 64, "stem")
    return _classifier(start, _groups(tensor, (64, 128, 256, 512), 2), "cifar-resnet18")


def _groups(tensor: keras.KerasTensor, widths: tuple[int, ...], blocks: int) -> keras.KerasTensor:
    for group, filters in enumerate(widths, 1):
        for block in range(1, blocks + 1):
            tensor = _block(tensor, filters, 2 if group > 1 and block == 1 else 1, f"group{group}_block{block}")
    return tensor


def _block(tensor: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    found = _unit(tensor, filters, f"{name}_conv1", stride=stride)
    found = _normalized(_convolution(found, filters, f"{name}_conv2"), f"{name}_conv2")
    if stride > 1:
        shortcut = _convolution(tensor, filters, f"{name}_shortcut", size=1, stride=stride)
        tensor = _normalized(shortcut, f"{name}_shortcut")
    return _sum(tensor, found, name)


def _input(side: int | None) -> keras.KerasTensor:
    from keras import Input

    return Input((side, side, CHANNELS), name=INPUT_NAME)


def _convolution(
    tensor: keras.KerasTensor, filters: int, name: str, *, size: int = 3, stride: int = 1, biased: bool = False
) -> keras.KerasTensor:
    from keras import layers

    # weights of He et al. 2015, as ReLU needs them
    return layers.Conv2D(
        filters,
        size,
        strides=stride,
        padding="same",
        use_bias=biased,
        kernel_initializer="he_normal",
        name=name,
    )(tensor)


def _normalized(tensor: keras.KerasTensor, name: str) -> keras.KerasTensor:
    from keras import layers

    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=1e-5, name=f"{name}_norm")(tensor)


def _unit(
    tensor: keras.KerasTensor, filters: int, name: str, *, stride: int = 1, biased: bool = False
) -> keras.KerasTensor:
    """A convolution of 3x3, BatchNorm and ReLU."""
    from keras import layers

    found = _normalized(_convolution(tensor, filters, name, stride=stride, biased=biased), name)
    return layers.ReLU(name=f"{name}_relu")(found)


def _sum(first: keras.KerasTensor, second: keras.KerasTensor, name: str) -> keras.KerasTensor:
    from keras import layers

    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([first, second]))


def _classifier(start: keras.KerasTensor, tensor: keras.KerasTensor, name: str) -> keras.Model:
    from keras import Model, layers

    pooled = layers.GlobalAveragePooling2D(name="pool")(tensor)
    return Model(start, layers.Dense(CLASSES, name=OUTPUT_NAME)(pooled), name=name)


ARCHITECTURES: Final[Mapping[str, Callable[[int | None], keras.Model]]] = {
    "cifar-resnet8": resnet8,
    "cifar-resnet20": resnet20,
    "cifar-resnet18": resnet18,
}
