"""What an audit of a file says that `crossrt qat` wrote: every scale beside that of the training."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crossrt.analysis.audit.record import Audited, AuditedTensor, Check
from crossrt.analysis.same_scales import UINT8_SHIFT, ComparedTensor
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.qat.pairs import layer_lines, proof_file
from crossrt.harness.qat.request import SCALES, Proof, read_proof
from crossrt.reports.text.cells import counted, listed

WITHIN = "within"
"""Begins the reason of tensors that are no layer's result."""
COMPARED = ("trained scales", "calibrated scales")
"""Names of the check."""


def with_trained(audited: Audited, artifact: ModelArtifact, proof: Proof | None = None) -> Audited:
    """Adds what was trained or calibrated for both files, where there is a proof or one of this file beside it."""
    name = proof_file(f"{artifact.model}.{artifact.variant}")
    files = name if artifact.path.with_name(name).is_file() else SCALES
    proof = proof or read_proof(artifact.path.with_name(files))
    if proof is None or proof.files.get(artifact.path.name) != artifact.sha256:
        return audited
    how = "calibrated" if artifact.quantization is not None and artifact.quantization.recipe else "trained"
    known = {(each.role, each.onnx if artifact.format == "onnx" else each.tflite): each for each in proof.tensors}
    tensors = tuple(_trained(each, known.get((each.role, each.name)), artifact, how) for each in audited.tensors)
    tensors = tuple(_within_layer(each, proof.tensors, how) for each in tensors)
    more = sum(each.reason is not None and each.reason.startswith(WITHIN) for each in tensors)
    different = len(proof.different) + sum(each.verdict == "different" for each in tensors)
    other = listed([name for name in proof.files if name != artifact.path.name])
    where = f" ({files})" if artifact.path.with_name(files).is_file() else ""
    text = f"all {len(proof.tensors)} are the {how} ones, in {other} as well, to the last bit{where}"
    if more:
        text += f"; {counted(more, 'more tensor')} in this file alone, within a layer and with the scale of its result"
    check = Check(name=f"{how} scales", severity="ok", text=text)
    if different:
        text = f"{different} are not the {how} ones in this file or in {other}{where}"
        check = Check(name=f"{how} scales", severity="wrong", text=text)
    return msgspec.structs.replace(audited, tensors=tensors, checks=(check, *_layers(proof), *audited.checks))


def _within_layer(tensor: AuditedTensor, known: Sequence[ComparedTensor], how: str) -> AuditedTensor:
    """A tensor between the nodes that one layer becomes in ONNX, such as its input with channels last."""
    for each in known:
        is_within = each.role == tensor.role == "activation" and tensor.name.startswith(f"{each.onnx}_")
        is_same = tensor.scale == each.scales[0] and tensor.zero_point in (
            each.zero_point,
            each.zero_point + UINT8_SHIFT,
        )
        if is_within and is_same and tensor.verdict == "stored":
            return msgspec.structs.replace(
                tensor,
                expected_scale=tensor.scale,
                expected_zero_point=tensor.zero_point,
                deviation=0.0,
                verdict="exact",
                reason=f"{WITHIN} {each.step}, with its scale as {how}",
            )
    return tensor


def _layers(proof: Proof) -> list[Check]:
    """Whether both runtimes compute the same integers, layer by layer."""
    if not proof.layers:
        return []
    text = " ".join(line.strip() for line in layer_lines(proof))
    differ = any(each.differs for each in proof.layers)
    return [Check(name="layers", severity="note" if differ else "ok", text=text)]


def _trained(tensor: AuditedTensor, known: ComparedTensor | None, artifact: ModelArtifact, how: str) -> AuditedTensor:
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
        reason=difference or f"as {how}",
    )
