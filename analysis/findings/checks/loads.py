"""Does the runtime of its format take the file at all? What it refuses is wrong, whatever its scales say."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Final

from crossrt.analysis.audit.record import Finding, Severity
from crossrt.analysis.findings.protocol import Outcome, check, named, not_applicable
from crossrt.analysis.findings.quantized_file import QuantizedFile
from crossrt.exporters.errors import first_line

_LONGEST, _SHORT = 800, 100
_PLACE: Final = re.compile(r"/?\S+\.(?:cc|h):\d+ (?:[^()]*::\w+\([^()]*\)(?: const)? )?")
"""The place in ONNX Runtime's own source that some of its messages begin with."""
_NEEDS_MORE: Final = ("unresolved custom op", "Select TensorFlow op", "non-custom registered ops")
"""What LiteRT says of operators that come in a library of their own."""
_UNKNOWN: Final = "is not a registered function/op"
"""What ONNX Runtime says of those."""


@check("loads", place=5)
def loads(file: QuantizedFile) -> Outcome:
    """Names, types, shapes and opsets are for the runtime to check: it knows them best."""
    if file.path is None:
        return not_applicable("it lies in no file")
    runtime, reason = _onnx(file.path) if file.format == "onnx" else _tflite(file.path)
    if reason is None:
        return Outcome(f"{runtime} takes it")
    severity: Severity = "note" if _needs_library(file, reason) else "wrong"
    finding = Finding(
        severity=severity,
        where=file.name,
        found=f"{runtime} says: {reason}",
        expected=f"a file that {runtime} loads",
        to_do="load it with the library of its own operators" if severity == "note" else "convert or quantize it again",
    )
    said = f"{runtime} refuses it: {textwrap.shorten(reason, _SHORT, placeholder='...')}"
    if severity == "note":
        said = f"needs a library of its own for {named(file.custom)}, which no check looks at" if file.custom else said
    return Outcome(said, [finding])


def _needs_library(file: QuantizedFile, reason: str) -> bool:
    """True where only an operator of a domain that runtimes do not know is missing."""
    if any(each in reason for each in _NEEDS_MORE):
        return True
    domains = {each.partition(":")[0] for each in file.custom}
    return _UNKNOWN in reason and any(f"{domain}:" in reason for domain in domains)


def _onnx(path: Path) -> tuple[str, str | None]:
    """What loads ONNX files here, and why it does not load this one: ONNX Runtime, or ONNX's checker without it."""
    try:
        import onnxruntime
    except ImportError:
        return "ONNX's checker", _checked(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_prepacking", "1")  # nothing is run
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    try:
        onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # each failure has a class of its own, without a common base
        return "ONNX Runtime", _short(error, path)
    return "ONNX Runtime", None


def _checked(path: Path) -> str | None:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        return _short(error, path)
    return None


def _tflite(path: Path) -> tuple[str, str | None]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        Interpreter(model_path=str(path), num_threads=1, experimental_op_resolver_type=resolver).allocate_tensors()
    except (ValueError, RuntimeError) as error:
        return "LiteRT", _short(error, path)
    return "LiteRT", None


def _short(error: Exception, path: Path) -> str:
    """The first line of a message, without what every message of the runtime begins with, and without folders."""
    line = first_line(error, _LONGEST).replace(str(path), path.name)
    if line.startswith("[ONNXRuntimeError]"):
        line = line.split(" : ", 3)[-1]
    return _PLACE.sub("", line.removeprefix(f"Load model from {path.name} failed:"), count=1).strip().removesuffix(".")
