"""Why kernels of a quantized file compute in float, in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final, get_args

import msgspec

from crossrt.analysis.explanation.record import IN_FLOAT, ExplanationJob, LostFusion, LostKind
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.build.subject import ask_about
from crossrt.reports.text.cells import counted, listed
from crossrt.reports.text.tensor_names import short_name
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.registry import SHIPPED

_PACKAGES: Final = ("onnx", "onnxruntime")


def can_be_explained(artifact: ModelArtifact, runtime: str) -> bool:
    """True if all of a file was meant to compute on integers and its graphs can be read: static ONNX, as shipped."""
    how = artifact.quantization
    is_meant = how is not None and how.scheme == "static" and how.recipe is not None
    return is_meant and artifact.format == "onnx" and runtime in SHIPPED


def find_lost_fusions(artifact: ModelArtifact, profile: Profile, batch_size: int) -> Sequence[LostFusion]:
    """What the graphs show of the kernels that compute in float, and of conversions other than at the borders.

    Raises:
        HarnessError: Packages for it are missing.
        ExportError: The file cannot be read.
        ChildFailedError: The reading process crashed or hung.
    """
    assert artifact.quantization is not None
    job = ExplanationJob(
        path=str(artifact.path),
        recipe=dict(artifact.quantization.recipe or {}),
        batch_size=batch_size,
        kernels=[
            {"operator": kernel.operator, "node": kernel.name, "kind": kernel.kind}
            for kernel in profile.kernels
            if kernel.kind in get_args(LostKind)
        ],
    )
    event = ask_about(artifact, "crossrt.analysis.explanation.run", dataclasses.asdict(job), "explained", _PACKAGES)
    return msgspec.convert(event["kernels"], list[LostFusion])


def lost_lines(lost: Sequence[LostFusion], model: str) -> Iterator[str]:
    """A line for each reason, kernels in float first; conversions are counted, as their names say little.

    Args:
        lost: The kernels.
        model: Name of the model, which layers are told without.
    """
    for kind in get_args(LostKind):
        groups: dict[str, list[LostFusion]] = {}
        for each in lost:
            if each.kind == kind:
                groups.setdefault(_reason(each), []).append(each)
        for reason, kernels in groups.items():
            if kind == "conversion":
                yield f"{counted(len(kernels), kind)}: {reason}"
            else:
                names = [f"{each.operator} {short_name(each.layer or each.node, model)}".strip() for each in kernels]
                yield f"in float: {listed(names)}: {reason}"


def _reason(lost: LostFusion) -> str:
    """In words; which kernel in float a conversion serves is seen from the table."""
    if lost.kind == "conversion" and lost.reasons and all(each.endswith(IN_FLOAT) for each in lost.reasons):
        return "beside kernels in float"
    return "; ".join(lost.reasons) or "the graph does not show why"
