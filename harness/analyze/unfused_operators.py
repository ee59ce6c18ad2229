"""Why kernels of a quantized file compute in float, in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, get_args

import msgspec

from crossrt.analysis.explanation.record import IN_FLOAT, ExplanationJob, UnfusedKind, UnfusedOperator
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.build.asking import ask_about
from crossrt.reports.text.cells import counted, listed
from crossrt.reports.text.tensor_names import short_name
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import selector_of, shipped_runtime_for

_PACKAGES: Final = ("onnx", "onnxruntime")


def can_be_explained(artifact: ModelArtifact, runtime: str) -> bool:
    """True if all of it was meant to compute on integers and its graphs can be read: static ONNX on ONNX Runtime."""
    how, is_read = (
        artifact.quantization,
        artifact.format == "onnx" and selector_of(runtime).name == shipped_runtime_for("onnx"),
    )
    return how is not None and how.scheme == "static" and is_read


def find_unfused_operators(
    artifact: ModelArtifact, profile: Profile, options: SessionOptions, folder: Path
) -> Sequence[UnfusedOperator]:
    """What the graphs show of the kernels that compute in float, and of conversions other than at the borders.

    Args:
        artifact: The file.
        profile: Its kernels.
        options: How it was run.
        folder: A scratch folder.

    Raises:
        HarnessError: Packages for it are missing.
        ExportError: The file cannot be read, or the reading process crashed or hung.
    """
    assert artifact.quantization is not None
    job = ExplanationJob(
        path=str(artifact.path),
        folder=str(folder),
        recipe=artifact.quantization.recipe,
        dimensions=_dimensions(artifact, options),
        kernels=[
            {"operator": kernel.operator, "node": kernel.name, "kind": kernel.kind}
            for kernel in profile.kernels
            if kernel.kind in get_args(UnfusedKind)
        ],
    )
    event = ask_about(artifact.id, "crossrt.analysis.explanation.run", dataclasses.asdict(job), "explained", _PACKAGES)
    return msgspec.convert(event["kernels"], list[UnfusedOperator])


def _dimensions(artifact: ModelArtifact, options: SessionOptions) -> dict[str, int]:
    """Sizes of all dynamic dimensions that the file names itself."""
    batch = artifact.batching.dimension
    return {**options.dimensions, **({batch: options.batch_size} if batch is not None else {})}


def unfused_lines(unfused: Sequence[UnfusedOperator], model: str) -> Iterator[str]:
    """A line for each reason, kernels in float first; conversions are counted, as their names say little.

    Args:
        unfused: The kernels.
        model: Name of the model, which layers are told without.
    """
    for kind in get_args(UnfusedKind):
        groups: dict[str, list[UnfusedOperator]] = {}
        for each in unfused:
            if each.kind == kind:
                groups.setdefault(_reason(each), []).append(each)
        for reason, kernels in groups.items():
            if kind == "conversion":
                yield f"{counted(len(kernels), kind)}: {reason}"
            else:
                names = [f"{each.operator} {short_name(each.layer or each.node, model)}".strip() for each in kernels]
                yield f"in float: {listed(names)}: {reason}"


def _reason(unfused: UnfusedOperator) -> str:
    """In words; which kernel in float a conversion serves is seen from the table."""
    if unfused.kind == "conversion" and unfused.reasons and all(each.endswith(IN_FLOAT) for each in unfused.reasons):
        return "beside kernels in float"
    return "; ".join(unfused.reasons) or "the graph does not show why"
