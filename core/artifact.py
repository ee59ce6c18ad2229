"""What an exporter hands on: one model file and everything a runtime must know about it.

The records are plain dataclasses, so that a measuring process needs nothing but numpy and its runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from crossrt.core.owned import open_regular
from crossrt.core.tensor import Batching, TensorSpec

ModelFormat = Literal["onnx", "tflite", "openvino-ir", "keras", "saved-model"]
Role = Literal["float", "quantized"]
RecipeValue = str | int | float | bool | list[str] | dict[str, str | int | float | bool | list[str]]
Scheme = Literal["static", "dynamic", "weight-only", "float16"]
Representation = Literal["qdq", "qoperator", "onnx", "tflite"]
Granularity = Literal["per-tensor", "per-channel", "per-block"]
CalibrationMethod = Literal["minmax", "moving-average", "entropy", "percentile", "distribution", "mse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How a variant was quantized, in the words of the ONNX Runtime and LiteRT documentation.

    Attributes:
        scheme: `static` (calibrated), `dynamic` (activations quantized at run time), `weight-only` or `float16`.
        representation: How the file says it: `qdq`, `qoperator`, `onnx` (plain float operators) or `tflite`.
        activation_type: numpy dtype name of quantized activations, or None where they stay in float.
        weight_type: numpy dtype name of quantized weights.
        granularity: One scale per tensor, per output channel or per block, for weights.
        symmetric_activations: True if the activations' zero point is fixed at the middle of the range.
        symmetric_weights: True if the weights' zero point is 0.
        reduce_range: True if the weights use 7 of their 8 bits.
        calibration_method: How ranges were found, or None where nothing is calibrated.
        calibration_samples: Number of samples used for calibration.
        calibration_sha256: Fingerprint of those samples, in order.
        io_dtype: dtype of the model's own inputs and outputs.
        known_issues: What is known to make such a file answer wrongly, each with the cure.
        cost_issues: What is known to make it slower or larger than it could be; it changes no answer.
        recipe: All that was asked of the quantizer, as in a file of recipes.
        quantized_share: Share of the bytes of the file's weights that are quantized (in float16, for `float16`); scales
            do not count. None where nobody looked.
    """

    scheme: Scheme
    representation: Representation
    activation_type: str | None
    weight_type: str
    granularity: Granularity
    symmetric_activations: bool = False
    symmetric_weights: bool = True
    reduce_range: bool = False
    calibration_method: CalibrationMethod | None = None
    calibration_samples: int = 0
    calibration_sha256: str | None = None
    io_dtype: str = "float32"
    known_issues: tuple[str, ...] = ()
    cost_issues: tuple[str, ...] = ()
    recipe: Mapping[str, RecipeValue] | None = None
    quantized_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well a model that is trained answers.

    Attributes:
        loss: Mean loss.
        metric: Share of right answers, or the mean absolute error of a regression.
    """

    loss: float
    metric: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """An epoch of a training; epoch 0 is the model before any of it.

    Attributes:
        epoch: Its number.
        train: On the samples while they are trained on; None for epoch 0.
        validation: On the validation samples after the epoch; None where there are none.
        learning_rate: At the end of the epoch.
        samples_per_s: How fast it was.
        metric: What the metric of a score is: `accuracy` or `mean absolute error`.
    """

    epoch: int
    train: Score | None
    validation: Score | None
    learning_rate: float
    samples_per_s: float | None = None
    metric: str = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How the weights of a file were trained.

    Attributes:
        epochs: The curves; none for a model that the user trained in a loop of their own.
        best: Number of the epoch that was written, or None where that is not known.
        samples: How many samples were trained on.
        validation_samples: How many were validated on; 0 for none.
        batch_size: Samples in a step.
        seed: Of the order of samples, and of dropout.
        float_score: The float model on the validation samples, or None where that is not known.
        backend: What Keras trained on; empty where that is not known.
    """

    epochs: tuple[Epoch, ...]
    best: int | None = None
    samples: int = 0
    validation_samples: int = 0
    batch_size: int = 0
    seed: int = 0
    float_score: Score | None = None
    backend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArtifact:
    """One model file on disk, ready for any runtime that reads its format.

    Attributes:
        model: Name of the model, as cases name it.
        variant: Name of the variant, such as `fp32` or `int8-qdq`: a label, from which nothing follows.
        format: File format.
        path: The model file; of a SavedModel the graph in its folder.
        sha256: Hash of the file's bytes, and of those of its data files where it has any.
        size_bytes: Size of the file, its data files included.
        inputs: The model's own inputs.
        outputs: The model's own outputs.
        batching: How samples lie in the inputs.
        role: Whether the file computes in float or holds integer weights.
        quantization: How it was quantized, where crossrt did that or the file says it; None for a float file.
        producer: Versions of the packages that made it; empty where that is not known.
        source_sha256: Hash of what it was made from: a model's float file, or the file itself.
        data_files: Names of files beside it that hold its weights (ONNX external data), or all others of its folder.
        activation_bytes: Memory that tensors between its operators need at once, for one sample; None where that is
            not known.
        training: How its weights were trained, where crossrt did that.
    """

    model: str
    variant: str
    format: ModelFormat
    path: Path
    sha256: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batching: Batching
    role: Role
    quantization: Quantization | None
    producer: Mapping[str, str]
    source_sha256: str
    data_files: tuple[str, ...] = ()
    activation_bytes: int | None = None
    training: Training | None = None

    @property
    def id(self) -> str:
        """`<model>.<variant>.<format>`: unique among the artifacts of a run."""
        return f"{self.model}.{self.variant}.{self.format}"


def artifact_from_fields(fields: Mapping[str, Any]) -> ModelArtifact:
    """Rebuilds an artifact from the JSON object that `dataclasses.asdict` of one gave (path as text).

    Curves of a training are left out: nobody who runs a model asks for them.
    """
    return ModelArtifact(
        **{
            **fields,
            "path": Path(fields["path"]),
            "inputs": tuple(_tensor_spec(spec) for spec in fields["inputs"]),
            "outputs": tuple(_tensor_spec(spec) for spec in fields["outputs"]),
            "batching": Batching(**fields["batching"]),
            "quantization": _quantization(fields["quantization"]),
            "data_files": tuple(fields["data_files"]),
            "training": None,
        }
    )


def _quantization(fields: Mapping[str, Any] | None) -> Quantization | None:
    issues = {name: tuple(fields.get(name, ())) for name in ("known_issues", "cost_issues")} if fields else {}
    return Quantization(**{**fields, **issues}) if fields else None


def _tensor_spec(fields: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(**{**fields, "shape": tuple(fields["shape"])})


def serving_signature(names: Sequence[str]) -> str | None:
    """The signature of a SavedModel that is exported and run: the default one, or else the first; None without any."""
    found = [name for name in names if name != "__saved_model_init_op"]
    return "serving_default" if "serving_default" in found else next(iter(found), None)


def sha256_of(path: Path, *data_files: Path) -> str:
    """Hash of a file's bytes and those of its data files, as lower-case hex."""
    digest = hashlib.sha256()
    for each in (path, *data_files):
        with open_regular(each) as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceAnswers:
    """What the reference answers to a data set: every artifact is compared with it.

    Attributes:
        model: Name of the model.
        path: An `.npz` file: one array `(samples, ...)` under the name of each output.
        sha256: Hash of the file's bytes.
        source_sha256: Hash of the model file that answered.
        data_fingerprint: Fingerprint of the data set.
        samples: How many samples it answered, from the first.
        producer: Versions of the packages that made it.
    """

    model: str
    path: Path
    sha256: str
    source_sha256: str
    data_fingerprint: str
    samples: int
    producer: Mapping[str, str]

    @property
    def id(self) -> str:
        """`<model>.reference`: no artifact has this id, for those end in a format."""
        return f"{self.model}.reference"
