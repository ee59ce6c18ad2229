"""What an audit of a file says that `crossrt qat` wrote: every scale beside that of the training."""

from __future__ import annotations

import msgspec

from crossrt.analysis.audit.record import Audited, AuditedTensor, Check
from crossrt.analysis.same_scales import UINT8_SHIFT, ComparedTensor
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.qat.pairs import layer_lines, proof_file
from crossrt.harness.qat.request import SCALES, Proof, read_proof
from crossrt.reports.text.cells import listed

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
    different = len(proof.different) + sum(each.verdict == "different" for each in tensors)
    other = listed([name for name in proof.files if name != artifact.path.name])
    where = f" ({files})" if artifact.path.with_name(files).is_file() else ""
    text = f"all {len(proof.tensors)} are the {how} ones, in {other} as well, to the last bit{where}"
    check = Check(name=f"{how} scales", severity="ok", text=text)
    if different:
        text = f"{different} are not the {how} ones in this file or in {other}{where}"
        check = Check(name=f"{how} scales", severity="wrong", text=text)
    return msgspec.structs.replace(audited, tensors=tensors, checks=(check, *_layers(proof), *audited.checks))


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
