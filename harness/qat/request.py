"""What is asked of a quantization-aware training, and what comes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
from msgspec import Struct

from crossrt.analysis.same_scales import ComparedTensor, LayerSteps
from crossrt.core.artifact import ModelArtifact
from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.datasets.reference import reference_of
from crossrt.datasets.request import DataRequest
from crossrt.exporters.training.qat.jobs import Bits, Epoch, Optimizer, Ranges, TaskName, check_trainable
from crossrt.harness.build.project import model_path
from crossrt.harness.errors import HarnessError
from crossrt.harness.run.arguments import check_types

CHECKPOINTS = "checkpoints"
SCALES = "scales.json"
LEAST_WITHIN_ONE = 0.999
"""Share of outputs within a quantization step of each other, below which a reader is warned."""
MOST_RATE = 10.0
MOST_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class QatRequest:
    """What to train.

    Attributes:
        model: A Keras file.
        out: The folder of everything that is written.
        data: What is trained on.
        validation: What is validated on, or None for a part of the data.
        validation_share: How large that part is.
        epochs: How often all samples are seen.
        learning_rate: At the start.
        batch_size: Samples in a step.
        bits: Of weights.
        patience: Stop after so many epochs without a better one.
        seed: Of the order of samples.
        task: What is learnt, or None to infer it.
        ranges: How those of activations follow from what is trained.
        optimizer: What trains.
        resumes: Go on after the last checkpoint.
        allow_h5: A legacy `.h5` file may be loaded.
    """

    model: Path
    out: Path
    data: DataRequest
    validation: DataRequest | None = None
    validation_share: float = 0.1
    epochs: int = 10
    learning_rate: float = 1e-4
    batch_size: int = 64
    bits: Bits = 8
    patience: int | None = None
    seed: int = 0
    task: TaskName | None = None
    ranges: Ranges = "moving-average"
    optimizer: Optimizer = "adam"
    resumes: bool = False
    allow_h5: bool = False

    def __post_init__(self) -> None:
        """Checks what the command line checks for itself."""
        check_types(self, {"bits": "weight_bits", "validation_share": "validation_split", "resumes": "resume"})
        checks = {
            f"epochs={self.epochs}": self.epochs >= 1,
            f"learning_rate={self.learning_rate}": 0 < self.learning_rate <= MOST_RATE,
            f"batch_size={self.batch_size}": self.batch_size >= 1,
            f"weight_bits={self.bits}": self.bits in (4, 8),
            f"validation_split={self.validation_share}": 0 <= self.validation_share <= MOST_SHARE,
            f"patience={self.patience}": self.patience is None or self.patience >= 1,
            f"seed={self.seed}": self.seed >= 0,
            f"ranges={self.ranges}": self.ranges in get_args(Ranges),
            f"optimizer={self.optimizer}": self.optimizer in get_args(Optimizer),
        }
        if wrong := [text for text, is_right in checks.items() if not is_right]:
            raise HarnessError(
                f"{', '.join(wrong)} cannot be trained with: epochs, batch_size and patience are at least 1,"
                f" learning_rate is above 0 and at most {MOST_RATE:g}, weight_bits is 8 or 4, validation_split is 0 to"
                f" {MOST_SHARE:g}, seed is at least 0, ranges is moving-average or learned, optimizer is adam or sgd"
            )


def with_bundled(
    model: Path, data: DataRequest | None, validation: DataRequest | None
) -> tuple[Path, DataRequest, DataRequest | None]:
    """The file of a model, and its data: those of a bundled model where none are named, but never its test data.

    Raises:
        ModelError: It is not a Keras model.
        HarnessError: There are no data.
    """
    path = model_path(model)
    check_trainable(path)
    bundled = reference_of(path)
    if data is None:
        if bundled is None:
            raise HarnessError(f"training {model} needs samples with labels: give --data train.npz")
        data = DataRequest(reference=bundled.dataset, split=bundled.calibration_split)
    return path, data, validation


class LsbDifference(Struct, frozen=True, kw_only=True):
    """How far two sets of answers are apart, in quantization steps of the output (LSB).

    Attributes:
        one: Who answered: `fake quantization`, or the id of a file.
        other: Who else.
        samples: How many samples were answered.
        values: How many numbers the answers hold.
        equal: Share of the numbers that are equal.
        within_one: Share that differs by at most one step.
        most: Largest difference, in steps.
        output: Name of the output, where the model has several.
    """

    one: str
    other: str
    samples: int
    values: int
    equal: float
    within_one: float
    most: float
    output: str = ""


class Proof(Struct, frozen=True, kw_only=True):
    """What shows that both files are the trained network.

    Attributes:
        files: SHA-256 of the two files, by name.
        tensors: Every scale and zero point.
        outputs: Differences of answers.
        layers: Differences of every layer, on some samples.
        samples: How many they were.
    """

    files: dict[str, str]
    tensors: tuple[ComparedTensor, ...]
    outputs: tuple[LsbDifference, ...]
    layers: tuple[LayerSteps, ...] = ()
    samples: int = 0

    @property
    def different(self) -> tuple[ComparedTensor, ...]:
        """Tensors that differ."""
        return tuple(each for each in self.tensors if each.difference is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of it.

    Attributes:
        model: Name of the model.
        folder: Where everything is.
        metric: Name of what is scored.
        float_metric: The source model's, on the validation samples; None where there are none.
        epochs: The curves; the first is the calibrated model before any training.
        best: The epoch that was written.
        artifacts: The files, by id.
        evaluations: How they answer the validation samples, by id.
        definitions: Of the metrics of the evaluations.
        proof: That both files are one network.
        notes: What a reader must know.
        shown_notes: How many of these, from the first on, were shown while it trained.
    """

    model: str
    folder: Path
    metric: str
    float_metric: float | None
    epochs: tuple[Epoch, ...]
    best: int
    artifacts: Mapping[str, ModelArtifact]
    evaluations: Mapping[str, Evaluation]
    definitions: tuple[MetricDefinition, ...]
    proof: Proof
    notes: tuple[str, ...] = dataclasses.field(default=())
    shown_notes: int = 0

    def __str__(self) -> str:
        """A few lines; the attributes hold the rest."""
        from crossrt.harness.qat.tables import headline

        return f"{headline(self)}\n{_summary(self.proof, self.folder, self.artifacts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedPair:
    """A trained network in both formats.

    Attributes:
        folder: Where everything is.
        artifacts: Both files, by id.
        proof: That they are one network.
    """

    folder: Path
    artifacts: Mapping[str, ModelArtifact]
    proof: Proof

    def __str__(self) -> str:
        """A few lines; the attributes hold the rest."""
        return _summary(self.proof, self.folder, self.artifacts)


def _summary(proof: Proof, folder: Path, artifacts: Mapping[str, ModelArtifact]) -> str:
    count, different = len(proof.tensors), len(proof.different)
    scales = f"{different} of {count} scales differ" if different else f"all {count} scales are equal"
    lines = [f"{scales} in ONNX and TFLite, to the last bit"]
    lines += [
        f"{each.one} and {each.other}: {each.within_one:.3%} of the outputs within 1 quantization step (LSB),"
        f" {each.samples:,} samples"
        for each in proof.outputs
    ]
    return "\n".join([*lines, f"in {folder}: {', '.join(artifacts)}"])


def read_proof(path: Path) -> Proof | None:
    """The proof in a folder that `crossrt qat` wrote, or None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Proof)
    except (OSError, msgspec.MsgspecError):
        return None


def write_proof(proof: Proof, path: Path) -> None:
    """Writes a proof.

    Raises:
        HarnessError: There is no room.
    """
    half_written = path.with_name(f".{path.name}.partial")
    try:
        half_written.write_bytes(msgspec.json.format(msgspec.json.encode(proof), indent=2))
        half_written.replace(path)
    except OSError as error:
        half_written.unlink(missing_ok=True)
        raise HarnessError(f"{path} cannot be written: {error.strerror}; choose another --out") from error
