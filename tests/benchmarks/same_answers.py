"""How alike ONNX Runtime and LiteRT answer with the same scales: `python tests/benchmarks/same_answers.py`.

Networks like ResNet-8 and ResNet-20 for CIFAR-10 (He et al. 2016, section 4.2), with random weights and statistics, and
ResNet-8 after a short training on synthetic images. Each is quantized with `crossrt quantize --same-scales`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from crossrt.exporters.tf import environment as environment
from crossrt.harness.qat.request import read_proof

import keras  # isort: skip
from keras import layers  # isort: skip

RANDOM = np.random.default_rng(0)
SAMPLES, CLASSES = 2048, 10


def block(tensor: Any, filters: int, stride: int) -> Any:
    """Two convolutions and a shortcut, which is a convolution where the shape changes."""
    found, shortcut = tensor, tensor
    for place in range(2):
        found = layers.Conv2D(filters, 3, stride if place == 0 else 1, padding="same", use_bias=False)(found)
        found = layers.BatchNormalization(momentum=0.9)(found)
        found = layers.ReLU()(found) if place == 0 else found
    if stride > 1 or tensor.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, stride, padding="same", use_bias=False)(tensor)
        shortcut = layers.BatchNormalization(momentum=0.9)(shortcut)
    return layers.ReLU()(layers.Add()([found, shortcut]))


def resnet(blocks: int) -> Any:
    """A network of 6 * blocks + 2 layers."""
    image = keras.Input((32, 32, 3), name="image")
    found = layers.Conv2D(16, 3, padding="same", use_bias=False)(image)
    found = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(found))
    for stage, filters in enumerate((16, 32, 64)):
        for place in range(blocks):
            found = block(found, filters, 2 if stage and place == 0 else 1)
    return keras.Model(image, layers.Dense(CLASSES, name="scores")(layers.GlobalAveragePooling2D()(found)))


def data() -> tuple[Any, Any]:
    """Smooth images with noise, of a pattern for each class."""
    patterns = RANDOM.normal(0, 1, (CLASSES, 8, 8, 3))
    labels = RANDOM.integers(0, CLASSES, SAMPLES)
    images = (patterns[labels] + RANDOM.normal(0, 1, (SAMPLES, 8, 8, 3))).repeat(4, axis=1).repeat(4, axis=2)
    return (images + RANDOM.normal(0, 0.3, images.shape)).astype(np.float32), labels


def settled(model: Any, images: Any) -> Any:
    """Random factors and offsets, and the statistics that belong to them."""
    norms = [each for each in model.layers if isinstance(each, layers.BatchNormalization)]
    for norm in norms:
        size = norm.gamma.shape
        norm.set_weights([RANDOM.uniform(0.5, 1.5, size), RANDOM.normal(0, 0.3, size), np.zeros(size), np.ones(size)])
    for _ in range(30):
        model(images[:64], training=True)
    return model


def trained(model: Any, images: Any, labels: Any) -> Any:
    """A few steps."""
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, labels, epochs=2, batch_size=64, verbose=0)
    return model


def row(name: str, model: Any, folder: Path) -> str:
    """Quantizes a model, and says how alike both files answer."""
    model.save(folder / f"{name}.keras")
    crossrt = str(Path(sys.executable).with_name("crossrt"))
    command = [crossrt, "quantize", f"{name}.keras", "--same-scales", "--min-agreement", "0", "--out", name]
    command += ["--calibration", "train.npz", "--data", "test.npz"]
    variables = {**os.environ, "CROSSRT_CACHE_DIR": str(folder / "cache")}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=variables)
    proof = read_proof(folder / name / f"{name}.int8-same.scales.json")
    assert proof is not None
    (outputs,) = proof.outputs
    layers_alike = sum(not each.differs for each in proof.layers)
    return (
        f"| {name} | {len(proof.tensors) - len(proof.different)} of {len(proof.tensors)} | {layers_alike} of"
        f" {len(proof.layers)} | {outputs.equal:.3%} | {outputs.within_one:.3%} |"
    )


def main() -> None:
    """Prints a row for each network."""
    keras.utils.set_random_seed(0)
    images, labels = data()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "train.npz", image=images[:1024], labels=labels[:1024])
        np.savez(folder / "test.npz", image=images[1024:], labels=labels[1024:])
        networks = {
            "resnet8-random": settled(resnet(1), images),
            "resnet20-random": settled(resnet(3), images),
            "resnet8-trained": trained(resnet(1), images[:1024], labels[:1024]),
        }
        print("| network | equal scales | layers with equal integers | equal outputs | within 1 LSB |")
        print("|---|---|---|---|---|")
        for key, model in networks.items():
            print(row(key, model, folder), flush=True)


if __name__ == "__main__":
    main()
