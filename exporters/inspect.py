"""Says what a model file is, in a process of its own: `python -m crossrt.exporters.inspect`.

The job comes on standard input, the event `inspected` goes to standard output. TensorFlow is imported for Keras models
and SavedModels alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from crossrt.core.artifact import sha256_of
from crossrt.core.errors import CrossrtError
from crossrt.core.events import EventStream, read_job
from crossrt.core.memory import out_of_memory
from crossrt.core.tensor import batching_of
from crossrt.exporters.errors import ModelError, first_line
from crossrt.exporters.inspection import Inspection, SourceKind
from crossrt.exporters.jobs import InspectJob
from crossrt.exporters.sources.detect import check_source, model_name
from crossrt.exporters.sources.openvino_ir import inspect_ir
from crossrt.exporters.sources.tflite_file import TfliteFile, read_tflite

KNOWN_CUSTOM = ("TFLite_Detection_PostProcess",)
"""Custom operators that the interpreter brings along."""


def inspect_model(path: Path, *, allow_h5: bool = False) -> Inspection:
    """Describes a model.

    Raises:
        ModelError: It is missing, damaged, or not a model.
    """
    kind = check_source(path, allow_h5=allow_h5)
    try:
        return _inspected(path, kind)
    except (CrossrtError, MemoryError, OSError):
        raise
    except Exception as error:  # parsers raise whatever the damaged part happens to hit
        if out_of_memory(error) is not None:
            raise
        raise ModelError(
            f"{path} cannot be read, perhaps as it is damaged ({type(error).__name__}: {first_line(error)}): export it"
            " again"
        ) from error


def _inspected(path: Path, kind: SourceKind) -> Inspection:
    if kind == "onnx":
        from crossrt.exporters.sources.onnx_inspection import inspect_onnx

        return inspect_onnx(path)
    if kind == "tflite":
        return _inspect_tflite(path)
    if kind == "openvino-ir":
        return inspect_ir(path, model_name(path))
    from crossrt.exporters.tf import environment as environment
    from crossrt.exporters.tf.inspection import inspect_tensorflow

    return inspect_tensorflow(path, kind)


def _inspect_tflite(path: Path) -> Inspection:
    from crossrt.exporters.sources.onnx_weights import float_dtype, role_of

    found = read_tflite(path)
    problem = _tflite_problem(found)
    return Inspection(
        kind="tflite",
        path=str(path),
        model=model_name(path),
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        inputs=found.inputs,
        outputs=found.outputs,
        batching=batching_of(found.inputs),
        role=role_of(found.quantization),
        quantization=found.quantization,
        float_dtype=float_dtype(found.weight_bytes),
        weight_bytes=found.weight_bytes,
        activation_bytes=found.peak.size_bytes if found.peak else None,
        activation_peak=found.peak.at if found.peak else "",
        operators=found.operators,
        producer=found.description,
        exports=() if problem else ("tflite",),
        notes=found.notes,
        problem=problem,
    )


def _tflite_problem(found: TfliteFile) -> str | None:
    if foreign := [name for name in found.custom if name not in KNOWN_CUSTOM]:
        what = "operators of TensorFlow (Flex)" if all(name.startswith("Flex") for name in foreign) else "operators"
        return (
            f"the model needs {what} that LiteRT does not bring: {', '.join(foreign)}; convert it with"
            " TFLITE_BUILTINS alone"
        )
    for what, specs in (("input", found.inputs), ("output", found.outputs)):
        names = [spec.name for spec in specs]
        if twice := [name for name in names if names.count(name) > 1]:
            return f"two {what}s are called {twice[0]!r}: convert the model with a signature, which names them"
        for spec in specs:
            if spec.dtype in ("resource", "variant", "complex64", "complex128", "bfloat16", "unknown"):
                return f"the {what} {spec.name} is {spec.dtype}, which cannot be fed: convert it with float32 {what}s"
    return None


def main() -> int:
    """Reads a job and answers it."""
    events = EventStream.take_stdout()

    def work() -> None:
        job = read_job(sys.stdin, InspectJob)
        found = inspect_model(Path(job.path), allow_h5=job.allow_h5)
        events.send("inspected", inspection=msgspec.to_builtins(found))

    return events.guard(work)


if __name__ == "__main__":
    sys.exit(main())
