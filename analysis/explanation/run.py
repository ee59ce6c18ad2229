"""Explains a file's kernels in a process of its own: `python -m crossrt.analysis.explanation.run`, job on stdin."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import onnx

from crossrt.analysis.explanation.conversions import is_border, reasons_left
from crossrt.analysis.explanation.floats import layer_of, reasons_for
from crossrt.analysis.explanation.graph import Graph, optimised
from crossrt.analysis.explanation.record import ExplanationJob, LostFusion, RunKernel
from crossrt.core.events import EventStream, read_job
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxStatic, Recipe


def explain(job: ExplanationJob) -> Sequence[LostFusion]:
    """What the graphs show of each kernel; conversions at the borders of the model are left out.

    Raises:
        ExportError: The recipe does not ask for integers on all sides.
    """
    recipe = msgspec.convert(job.recipe, Recipe)
    if not isinstance(recipe, OnnxStatic):
        raise ExportError("only static ONNX recipes ask for integers throughout")
    kernels = msgspec.convert(job.kernels, list[RunKernel])
    written, run = Graph(onnx.load(job.path)), optimised(Path(job.path), job.batch_size)
    floats = {each.node for each in kernels if each.kind == "float"}
    found = []
    for kernel in kernels:
        node = run.by_name(kernel.node)
        if node is not None and kernel.kind == "conversion" and is_border(run, node):
            continue
        found.append(_lost(written, run, node, kernel, floats, recipe))
    return found


def _lost(
    written: Graph, run: Graph, node: onnx.NodeProto | None, kernel: RunKernel, floats: set[str], recipe: OnnxStatic
) -> LostFusion:
    found = LostFusion(operator=kernel.operator, node=kernel.node, kind=kernel.kind, reasons=())
    if node is None:
        return found
    if kernel.kind == "conversion":
        return msgspec.structs.replace(found, reasons=tuple(reasons_left(run, node, floats)))
    if (layer := layer_of(written, node)) is None:
        return found
    return msgspec.structs.replace(found, reasons=tuple(reasons_for(written, layer, recipe)), layer=layer.name or None)


def _run(job: ExplanationJob, events: EventStream) -> None:
    events.send("explained", kernels=msgspec.to_builtins(explain(job)))


def main() -> int:
    """Reads a job and explains its file."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _run(read_job(sys.stdin, ExplanationJob), events))


if __name__ == "__main__":
    sys.exit(main())
