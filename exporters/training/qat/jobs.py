"""What a training is asked to do, in plain values, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from crossrt.core.artifact import Epoch as Epoch
from crossrt.core.artifact import Score as Score
from crossrt.core.install import Backend
from crossrt.exporters.errors import ModelError
from crossrt.exporters.inspection import SourceKind
from crossrt.exporters.sources.detect import detect

Bits = Literal[4, 8]
TaskName = Literal["classification", "regression"]
Ranges = Literal["moving-average", "learned"]
Optimizer = Literal["adam", "sgd"]
_KINDS: Final[Mapping[SourceKind, str]] = {
    "saved-model": "a SavedModel",
    "onnx": "an ONNX model",
    "tflite": "a TFLite model",
    "openvino-ir": "an OpenVINO model",
}
FLOAT_VARIANT: Final = "fp32"
VARIANTS: Final[Mapping[int, str]] = {8: "int8-qat", 4: "w4a8-qat"}
"""Names of what is written, by the bits of weights."""
STEPS: Final = "fake-steps.npz"
"""The integers of every step of that model for the first samples, int8, by the name of the step; in the same folder."""
COMPARED_SAMPLES: Final = 32
"""On how many samples every layer is compared."""
ANSWERS: Final = "fake-quant.npz"
"""What the trained model answers before it is written as a file; in the folder of the job."""


def check_trainable(source: Path) -> None:
    """Looks at the kind of a model before anything heavy is imported or any data are opened.

    Raises:
        ModelError: It is not a model, or one that Keras does not train.
    """
    kind = detect(source)
    if kind in ("keras", "keras-h5"):
        return
    otherwise = "" if kind == "openvino-ir" else f"; crossrt quantize {source} needs no training"
    raise ModelError(f"{source} is {_KINDS[kind]}: quantization-aware training takes a Keras model (.keras){otherwise}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QatJob:
    """What to train.

    Attributes:
        model: Name of the model.
        source: The Keras file.
        source_sha256: Its hash.
        folder: An empty folder; each file gets a folder of its own in it.
        checkpoints: Where checkpoints lie.
        curves: The file of the curves.
        data: Fields of the `DataRequest` that is trained on.
        validation: Fields of the one that is validated on, or None for a part of `data`.
        validation_share: How large that part is; 0 for none.
        epochs: How often all samples are seen.
        learning_rate: At the start; it falls to zero along a cosine.
        batch_size: Samples in a step.
        bits: Of weights.
        patience: Stop after so many epochs without a better one; None to go on.
        seed: Of the order of samples, and of dropout.
        task: What is learnt, or None to infer it from labels and the output.
        ranges: How those of activations follow from what is trained.
        optimizer: What trains.
        backend: What Keras trains on; both files are converted by TensorFlow.
        resumes: Go on after the last checkpoint.
        allow_h5: A legacy `.h5` file may be loaded.
    """

    model: str
    source: str
    source_sha256: str
    folder: str
    checkpoints: str
    curves: str
    data: Mapping[str, Any]
    validation: Mapping[str, Any] | None
    validation_share: float
    epochs: int
    learning_rate: float
    batch_size: int
    bits: Bits
    patience: int | None
    seed: int
    task: TaskName | None
    ranges: Ranges = "moving-average"
    optimizer: Optimizer = "adam"
    backend: Backend = "tensorflow"
    resumes: bool = False
    allow_h5: bool = False
