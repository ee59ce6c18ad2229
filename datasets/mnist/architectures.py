"""The reference classifiers, untrained: four that differ in the operators that they need.

Each maps float32 `(batch, 28, 28, 1)` in 0..1 to logits `(batch, 10)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from crossrt.datasets.mnist import digits as mnist

if TYPE_CHECKING:
    import keras

INPUT_NAME = "image"
OUTPUT_NAME = "logits"
MOMENTUM = 0.9
"""Of batch normalisation: 0.99, the default, leaves moving averages that a short training never fills."""


def mnist_cnn() -> keras.Model:
    """Two convolution blocks and two dense layers: the reference."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((mnist.SIDE, mnist.SIDE, 1), name=INPUT_NAME),
            *_convolution_block(32),
            *_convolution_block(64),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(mnist.CLASSES, name=OUTPUT_NAME),
        ],
        name="mnist-cnn",
    )


def _convolution_block(filters: int) -> list[keras.Layer]:
    from keras import layers

    return [
        layers.Conv2D(filters, 3, use_bias=False),
        layers.BatchNormalization(momentum=MOMENTUM),
        layers.ReLU(),
        layers.MaxPooling2D(),
    ]


def mnist_dense() -> keras.Model:
    """Three dense layers: matrix products and nothing else."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((mnist.SIDE, mnist.SIDE, 1), name=INPUT_NAME),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(mnist.CLASSES, name=OUTPUT_NAME),
        ],
        name="mnist-dense",
    )


def mnist_separable() -> keras.Model:
    """Depthwise-separable blocks, one of them with a residual sum, and a global mean: a small mobile network."""
    from keras import Input, Model, layers

    inputs = Input((mnist.SIDE, mnist.SIDE, 1), name=INPUT_NAME)
    found = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(inputs)
    found = layers.ReLU()(layers.BatchNormalization(momentum=MOMENTUM)(found))
    found = _separable_block(found, 32)
    found = layers.Add()([found, _separable_block(found, 32)])
    found = _separable_block(layers.MaxPooling2D()(found), 64)
    found = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(found))
    return Model(inputs, layers.Dense(mnist.CLASSES, name=OUTPUT_NAME)(found), name="mnist-separable")


def _separable_block(tensor: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    from keras import layers

    # converters do not fold batch normalisation into a depthwise convolution: there is none behind it
    found = layers.DepthwiseConv2D(3, padding="same", activation="relu")(tensor)
    found = layers.Conv2D(filters, 1, use_bias=False)(found)
    return layers.ReLU()(layers.BatchNormalization(momentum=MOMENTUM)(found))


TOKEN_WIDTH = 64


def mnist_transformer() -> keras.Model:
    """A small encoder over the 28 rows of an image: layer normalisation, attention and dense layers, twice.

    The shipped file was trained with `--epochs 6`.
    """
    from keras import Input, Model, layers

    inputs = Input((mnist.SIDE, mnist.SIDE, 1), name=INPUT_NAME)
    rows = layers.Reshape((mnist.SIDE, mnist.SIDE))(inputs)
    # a bias for each row and feature tells where a row is
    found = layers.EinsumDense("btd,de->bte", (mnist.SIDE, TOKEN_WIDTH), bias_axes="te")(rows)
    for _ in range(2):
        found = _encoder_block(found)
    found = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(found))
    return Model(inputs, layers.Dense(mnist.CLASSES, name=OUTPUT_NAME)(found), name="mnist-transformer")


def _encoder_block(tokens: keras.KerasTensor) -> keras.KerasTensor:
    """Attention and two dense layers, each behind a layer normalisation and beside a residual sum."""
    from keras import layers

    normal = layers.LayerNormalization()(tokens)
    tokens = layers.Add()([tokens, layers.MultiHeadAttention(4, TOKEN_WIDTH // 4)(normal, normal)])
    hidden = layers.Dense(2 * TOKEN_WIDTH, activation="gelu")(layers.LayerNormalization()(tokens))
    return layers.Add()([tokens, layers.Dense(TOKEN_WIDTH)(hidden)])


ARCHITECTURES: Final[Mapping[str, Callable[[], keras.Model]]] = {
    "mnist-cnn": mnist_cnn,
    "mnist-dense": mnist_dense,
    "mnist-separable": mnist_separable,
    "mnist-transformer": mnist_transformer,
}
