"""Explains a file's kernels in a process of its own: `python -m crossrt.analysis.explanation.run`, job on stdin."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from crossrt.analysis.explanation.conversions import is_border, reasons_left
from crossrt.analysis.explanation.floats import layer_of, reasons_for
from crossrt.analysis.explanation.record import ExplanationJob, RunKernel, UnfusedOperator
from crossrt.analysis.onnx_graph import Graph
from crossrt.analysis.onnx_sessions import session_with
from crossrt.core.events import EventStream, read_job
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxStatic, Recipe


def explain(job: ExplanationJob) -> Sequence[UnfusedOperator]:
    """What the graphs show of each kernel; conversions at the borders of the model are left out.

    Raises:
        ExportError: The recipe does not ask for integers on all sides.
    """
    recipe = msgspec.convert(job.recipe, Recipe) if job.recipe is not None else None
    if recipe is not None and not isinstance(recipe, OnnxStatic):
        raise ExportError("only static ONNX recipes ask for integers throughout")
    kernels = msgspec.convert(job.kernels, list[RunKernel])
    written, run = Graph.load(Path(job.path)), optimised(Path(job.path), Path(job.folder), job.dimensions)
    floats = {each.node for each in kernels if each.kind == "float"}
    found = []
    for kernel in kernels:
        node = run.by_name(kernel.node)
        if node is not None and kernel.kind == "conversion" and is_border(node):
            continue
        operator = UnfusedOperator(operator=kernel.operator, node=kernel.node, kind=kernel.kind, reasons=())
        if node is not None and kernel.kind == "conversion":
            operator = msgspec.structs.replace(operator, reasons=tuple(reasons_left(node, floats)))
        elif node is not None and (layer := layer_of(written, node)) is not None:
            reasons = reasons_for(layer, recipe, is_qoperator=_is_qoperator(written, recipe))
            operator = msgspec.structs.replace(operator, reasons=tuple(reasons), layer=layer.name or None)
        found.append(operator)
    return found


def _is_qoperator(written: Graph, recipe: OnnxStatic | None) -> bool:
    if recipe is not None:
        return recipe.quant_format == "qoperator"
    return any(node.op_type.startswith("QLinear") or node.op_type == "QGemm" for node in written.nodes)


def optimised(path: Path, folder: Path, dimensions: Mapping[str, int]) -> Graph:
    """The graph that ONNX Runtime makes of a file on this machine."""
    found = folder / "optimised.onnx"
    session_with(path, (), folder, optimised=found, dimensions=dimensions)
    return Graph.load(found)


def _run(job: ExplanationJob, events: EventStream) -> None:
    events.send("explained", kernels=msgspec.to_builtins(explain(job)))


def main() -> int:
    """Reads a job and explains its file."""
    events = EventStream.take_stdout()
    return events.guard(lambda: _run(read_job(sys.stdin, ExplanationJob), events))


if __name__ == "__main__":
    sys.exit(main())
