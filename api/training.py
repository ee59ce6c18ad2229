"""`crossrt.qat`, `crossrt.quantization_aware`, `crossrt.export_quantized`: training for int8, from Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crossrt.progress import display_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossrt.given import Arrays, Data, Model
    from crossrt.harness.qat.request import ExportedPair, Trained


def qat(
    model: Model,
    out: str | Path,
    *,
    data: Data | None = None,
    labels: NDArray[Any] | str | Path | None = None,
    validation: Data | None = None,
    validation_split: float = 0.1,
    epochs: int = 10,
    learning_rate: float = 1e-4,
    batch_size: int = 64,
    weight_bits: Literal[4, 8] = 8,
    patience: int | None = None,
    task: Literal["classification", "regression"] | None = None,
    ranges: Literal["moving-average", "learned"] = "moving-average",
    optimizer: Literal["adam", "sgd"] = "adam",
    seed: int = 0,
    resume: bool = False,
    progress: bool = False,
) -> Trained:
    """Trains a Keras model with quantization simulated; writes ONNX and TFLite with the same scales into a folder.

    Args:
        model: A Keras model, its file, or the name of a bundled one; to go on later, a file.
        out: The folder to write.
        data: Samples with labels to train on; None for those of a bundled model.
        labels: What is right for each sample, where the data do not say it.
        validation: Samples with labels to validate on, in place of a part of the data.
        validation_split: Share of the data that is held out where there are no validation data.
        epochs: How often all samples are seen.
        learning_rate: At the start; it falls to zero along a cosine.
        batch_size: Samples in a step.
        weight_bits: Bits of weights; those of 4 bits are stored as int8.
        patience: Stop after so many epochs without a better one.
        task: What is learnt; None chooses by labels and output.
        ranges: Of activations: moving averages of what is seen, or learned with the weights (LSQ).
        optimizer: Adam, or SGD with a momentum of 0.9.
        seed: Seed of the order of samples, and of dropout.
        resume: Go on after the last checkpoint in `out`.
        progress: Whether progress is shown on standard error.

    Returns:
        The files, the curves, and the proof that both files have the trained scales.

    Raises:
        CrossrtError: Something cannot be used, or training failed.
    """
    from crossrt.harness.qat.request import QatRequest, with_bundled
    from crossrt.harness.qat.run import run_qat
    from crossrt.harness.run.arguments import path_in
    from crossrt.harness.run.given import given_subject, python_words

    with (
        python_words(),
        given_subject(model, data, labels, validation, None, None, None, seed) as subject,
        display_for(shows=progress) as display,
    ):
        path, training, validating = with_bundled(subject.models[0], subject.data, subject.calibration)
        request = QatRequest(
            model=path,
            out=path_in("out", out),
            data=training,
            validation=validating,
            validation_share=validation_split,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            bits=weight_bits,
            patience=patience,
            seed=seed,
            task=task,
            ranges=ranges,
            optimizer=optimizer,
            resumes=resume,
        )
        return run_qat(request, display)


def quantization_aware(
    model: Any,
    calibration: Arrays | Sequence[NDArray[Any]],
    *,
    weight_bits: Literal[4, 8] = 8,
    ranges: Literal["moving-average", "learned"] = "moving-average",
    seed: int = 0,
) -> Any:
    """A Keras model with fake quantization, to be trained in a loop of one's own: with `fit`, or a `GradientTape`.

    It takes and gives what the float model does, and computes with the rounding that both int8 files will have. Call it
    with `training=True` in a training step: ranges of activations follow what they see, or get gradients where they are
    learned. Both files round a percent or so differently than a step of the training: `evaluate`, `predict` and the
    validation of `fit` compute as the files do, and so does every call within `with aware.settled():`. It is saved and
    loaded like any Keras model, once `crossrt.quantization_aware` was called or
    `crossrt.exporters.training.own_loop.model` was imported.

    Args:
        model: A functional or sequential Keras 3 model in float32 that is trained already; it stays as it is.
        calibration: Samples as the model takes them, `(samples, ...)`, some hundred, for the first ranges of
            activations: an array, or one for each input.
        weight_bits: Bits of weights; those of 4 bits are stored as int8.
        ranges: Of activations: moving averages of what is seen, or learned with the weights (LSQ).
        seed: Seed of dropout.

    Returns:
        A `keras.Model`.

    Raises:
        CrossrtError: The model or the samples cannot be used, or Keras runs on a backend that trains nothing.
    """
    from crossrt.harness.errors import HarnessError
    from crossrt.harness.qat.own_loop import check_backend
    from crossrt.harness.run.given import python_words

    with python_words():
        check_backend()
        if weight_bits not in (4, 8):
            raise HarnessError(f"weight_bits={weight_bits} cannot be trained with: 8 or 4 is expected")
        if ranges not in ("moving-average", "learned"):
            raise HarnessError(f"ranges={ranges!r} cannot be trained with: 'moving-average' or 'learned' is expected")
        from crossrt.exporters.training.own_loop.model import quantization_aware as made

        return made(model, calibration, weight_bits, seed, learns_ranges=ranges == "learned")


def export_quantized(
    model: Any, out: str | Path, *, data: Data, samples: int | None = None, progress: bool = False
) -> ExportedPair:
    """Writes a model that `quantization_aware` made as ONNX and TFLite with the same scales into a folder.

    Args:
        model: The trained model, or the `.keras` file that it was saved in.
        out: The folder to write.
        data: Samples on which the model and both files are compared.
        samples: How many of them, at most.
        progress: Whether progress is shown on standard error.

    Returns:
        The files, and the proof that both have the trained scales.

    Raises:
        CrossrtError: The model or the data cannot be used, or a file cannot be written.
    """
    from crossrt.harness.qat.own_loop import export_pair
    from crossrt.harness.run.arguments import path_in
    from crossrt.harness.run.given import given_subject, python_words

    folder = path_in("out", out)
    with (
        python_words(),
        given_subject(model, data, None, None, None, None, samples, 0) as subject,
        display_for(shows=progress) as display,
    ):
        assert subject.data is not None
        request = dataclasses.replace(subject.data, limit=samples)
        return export_pair(Path(subject.models[0]), folder, request, display)
