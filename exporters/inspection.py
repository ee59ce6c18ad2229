"""What a model file says of itself, in plain values: the answer of the inspecting process."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from crossrt.core.artifact import ModelArtifact, ModelFormat, Quantization, Role
from crossrt.core.tensor import Batching, ExpectedRange, TensorSpec

SourceKind = Literal["keras", "keras-h5", "saved-model", "onnx", "tflite", "openvino-ir"]
RUN_AS_THEY_ARE: Final = ("onnx", "tflite", "openvino-ir")
"""Kinds of files that runtimes read; others are exported first."""


class Inspection(Struct, frozen=True, kw_only=True):
    """A model that a user brings.

    Attributes:
        kind: What kind of file or folder it is, by content.
        path: Where it is.
        model: Its name: the file's, with signs that names of cases cannot hold replaced by `-`.
        sha256: Hash of the file's bytes, data files included.
        size_bytes: Size, data files included.
        data_files: Names of files beside it that hold weights.
        inputs: Its inputs.
        outputs: Its outputs.
        batching: How samples lie in the inputs.
        role: Whether it holds integer weights or computes in float.
        quantization: How it is quantized, as far as the file tells; None for a float file.
        float_dtype: dtype of most float weights, such as `float32`.
        weight_bytes: Bytes of weights by dtype: what share of them is quantized.
        activation_bytes: Memory that tensors between operators need at once, for one sample: a bound by their lives, or
            what the plan in the file says; None where that cannot be told.
        activation_peak: The operator during which it is.
        operators: How many there are of each type.
        opset: Newest ONNX opset of the default domain.
        producer: Who wrote the file, by its own word.
        preprocessing: What the first layers do to inputs, such as a rescaling, and which range of values that expects.
        expected_ranges: The same in numbers, for inputs whose first layer tells them.
        exports: Formats that it can be turned into, or is in already.
        notes: What a reader must know.
        problem: Why crossrt cannot use it, in one line, or None.
    """

    kind: SourceKind
    path: str
    model: str
    sha256: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batching: Batching
    role: Role
    quantization: Quantization | None = None
    float_dtype: str = "float32"
    data_files: tuple[str, ...] = ()
    weight_bytes: dict[str, int] = {}
    activation_bytes: int | None = None
    activation_peak: str = ""
    operators: dict[str, int] = {}
    opset: int | None = None
    producer: str = ""
    preprocessing: tuple[str, ...] = ()
    expected_ranges: tuple[ExpectedRange, ...] = ()
    exports: tuple[ModelFormat, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None

    def artifact(self, model: str, variant: str) -> ModelArtifact:
        """The file as it is, under these names; it must be one that runtimes read."""
        assert self.kind == "onnx" or self.kind == "tflite" or self.kind == "openvino-ir"
        return ModelArtifact(
            model=model,
            variant=variant,
            format=self.kind,
            path=Path(self.path),
            sha256=self.sha256,
            size_bytes=self.size_bytes,
            inputs=self.inputs,
            outputs=self.outputs,
            batching=self.batching,
            role=self.role,
            quantization=self.quantization,
            producer={"file": self.producer} if self.producer else {},
            source_sha256=self.sha256,
            data_files=self.data_files,
            activation_bytes=self.activation_bytes,
        )
