"""What an audit of a file says that `crossrt qat` wrote: every scale beside that of the training."""

from __future__ import annotations

import msgspec

from crossrt.analysis.audit.record import Audited, AuditedTensor, Check
from crossrt.analysis.same_scales import UINT8_SHIFT, ComparedTensor
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.qat.request import SCALES, read_proof
from crossrt.reports.text.cells import listed

TRAINED = "trained scales"
"""Name of the check."""


def with_trained(audited: Audited, artifact: ModelArtifact) -> Audited:
    """Adds what was trained, where the proof of a training lies beside the file and is of this file."""
    proof = read_proof(artifact.path.with_name(SCALES))
    if proof is None or proof.files.get(artifact.path.name) != artifact.sha256:
        return audited
    known = {(each.role, each.onnx if artifact.format == "onnx" else each.tflite): each for each in proof.tensors}
    tensors = tuple(_trained(each, known.get((each.role, each.name)), artifact) for each in audited.tensors)
    different = len(proof.different) + sum(each.verdict == "different" for each in tensors)
    other = listed([name for name in proof.files if name != artifact.path.name])
    text = f"all {len(proof.tensors)} are the trained ones, in {other} as well, to the last bit ({SCALES})"
    check = Check(name=TRAINED, severity="ok", text=text)
    if different:
        text = f"{different} are not the trained ones in this file or in {other} ({SCALES})"
        check = Check(name=TRAINED, severity="wrong", text=text)
    return msgspec.structs.replace(audited, tensors=tensors, checks=(check, *audited.checks))


def _trained(tensor: AuditedTensor, known: ComparedTensor | None, artifact: ModelArtifact) -> AuditedTensor:
    if known is None:
        return tensor
    zero_point = known.zero_point + (UINT8_SHIFT if tensor.dtype == "uint8" else 0)
    is_same = tensor.scale == known.scales[0] and tensor.zero_point == zero_point
    difference = known.difference if known.difference and artifact.format in known.difference else None
    return msgspec.structs.replace(
        tensor,
        expected_scale=known.scales[0],
        expected_zero_point=zero_point,
        deviation=abs(tensor.scale / known.scales[0] - 1),
        verdict="exact" if is_same and difference is None else "different",
        reason=difference or "as trained",
    )
