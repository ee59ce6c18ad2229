"""Running models on calibration samples, with tensors from inside as outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import onnx
import onnx_ir as ir
import onnxruntime

from crossrt.datasets.protocol import Arrays
from crossrt.exporters.errors import ExportError, first_line
from crossrt.exporters.quantizers.methods.layers import Array


def tensors_of(model: ir.Model, names: Sequence[str], feeds: Iterable[Arrays]) -> Iterator[list[Array]]:
    """Some tensors of a model, call by call, with ONNX Runtime at full optimization.

    What does not lead to them is left out, so that integers from inside a QDQ file are those of the kernels that run
    where the file is deployed.

    Args:
        model: The model.
        names: Names of tensors.
        feeds: Inputs by name, a call at a time.

    Raises:
        ExportError: ONNX Runtime cannot load or run it.
    """
    proto = ir.to_proto(model)
    inputs = {each.name for each in proto.graph.input}
    del proto.graph.output[:]
    asked = [name for name in dict.fromkeys(names) if name not in inputs]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked)
    session = _session(proto) if asked else None
    for feed in feeds:
        found = dict(feed)
        if session is not None:
            known = {each.name for each in session.get_inputs()}
            fed = {name: values for name, values in feed.items() if name in known}
            found |= zip(asked, _run(session, asked, fed), strict=True)
        yield [found[name] for name in names]


def _session(proto: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each failure has a class of its own, without a common base
        raise ExportError(f"ONNX Runtime cannot load the model to look inside: {first_line(error)}") from error


def _run(session: onnxruntime.InferenceSession, names: Sequence[str], feeds: Arrays) -> Any:
    try:
        return session.run(names, feeds)
    except Exception as error:
        raise ExportError(f"ONNX Runtime cannot run the model on calibration samples: {first_line(error)}") from error
