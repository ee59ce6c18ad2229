"""Files of two formats that recipes made with one set of scales: whether they have it, and answer alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.datasets.protocol import Dataset
from crossrt.exporters.training.qat.trained import TRAINED
from crossrt.harness.build.model_files import is_same_scales
from crossrt.harness.qat.proving import answers_of, prove
from crossrt.harness.qat.request import LEAST_WITHIN_ONE, SCALES, Proof
from crossrt.reports.text.cells import counted
from crossrt.reports.text.progress import Display


def prove_pairs(
    artifacts: Mapping[str, ModelArtifact], dataset: Dataset, folder: Path, display: Display
) -> dict[str, Proof]:
    """Compares the two files of each such variant, by `<model>.<variant>`; one without the other is left out.

    Args:
        artifacts: As they lie in the cache, by id.
        dataset: What both answer.
        folder: A scratch folder.
        display: Follows.

    Raises:
        ExportError: A file cannot be read or run.
    """
    found = {}
    for name, pair in _pairs(artifacts).items():
        own = folder / f"{name}-pair"
        own.mkdir()
        found[name] = prove(pair, answers_of(pair, dataset, own, display), own, _numbers(pair), dataset=dataset)
    return found


def prove_scales(pair: Mapping[str, ModelArtifact], folder: Path) -> Proof:
    """Compares the scales of two files alone."""
    return prove(pair, {}, folder, _numbers(pair))


def _numbers(pair: Mapping[str, ModelArtifact]) -> Path:
    """The file of the scales, which lies beside each of the two in the cache."""
    return next(each.path.with_name(TRAINED) for each in pair.values() if each.format == "onnx")


def _pairs(artifacts: Mapping[str, ModelArtifact]) -> dict[str, dict[str, ModelArtifact]]:
    found: dict[str, dict[str, ModelArtifact]] = {}
    for key, each in artifacts.items():
        if is_same_scales(each):
            found.setdefault(f"{each.model}.{each.variant}", {})[key] = each
    return {name: pair for name, pair in found.items() if len(pair) > 1}


def proof_file(name: str) -> str:
    """Name of the file of the proof of `<model>.<variant>`."""
    return f"{name}.{SCALES}"


def layer_lines(proof: Proof) -> Iterator[str]:
    """What of the layers differs, and where that begins."""
    if not proof.layers:
        return
    different = [each for each in proof.layers if each.differs]
    count = f"{counted(len(proof.layers), 'layer')}, {counted(proof.samples, 'sample')}"
    if not different:
        yield f"  every layer computes the same integers in both runtimes ({count})"
        return
    verb = "computes" if len(different) == 1 else "compute"
    yield f"  {counted(len(different), 'layer')} {verb} other integers in the two runtimes ({count}); it begins at:"
    for each in different:
        if each.reason is not None:
            yield f"    {each.step}: {each.reason}"


def pair_lines(name: str, proof: Proof) -> Iterator[str]:
    """What was found, in sentences."""
    if proof.different:
        yield f"failed  {name}: {len(proof.different)} of {len(proof.tensors)} scales differ between both files:"
        yield from (f"  {each.step} ({each.role}): {each.difference}" for each in proof.different)
    else:
        yield f"{name}: all {len(proof.tensors)} scales and zero points are equal in both files, to the last bit"
    yield from layer_lines(proof)
    for each in proof.outputs:
        sign = "CAUTION  " if each.within_one < LEAST_WITHIN_ONE else "  "
        what = f"output {each.output}" if each.output else "outputs"
        yield (
            f"{sign}{what} of both for {each.samples:,} samples: {each.equal:.2%} equal,"
            f" {each.within_one:.3%} within 1 quantization step (LSB), largest difference {each.most:g}"
        )
