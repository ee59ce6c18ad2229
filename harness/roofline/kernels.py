"""How near to the limits of the machine a file runs: the whole call, and each kernel where the runtime times them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from crossrt.core.artifact import ModelArtifact
from crossrt.datasets.opening import RANDOM, DataRequest, open_dataset
from crossrt.exporters.sources.work import Counted, Family, Layer, count_work
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.evidence.call import evidence_of
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.participant import Timed
from crossrt.harness.measure.settings import Subject, WorkerLimits
from crossrt.harness.process.affinity import Processors, check_threads
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.harness.roofline.limits import machine_limits
from crossrt.harness.roofline.work import check_countable, weight_size, work_of
from crossrt.reports.schema.evidence import CallEvidence
from crossrt.reports.schema.roofline import Limits
from crossrt.reports.statistics.roofline import Point, point_of
from crossrt.runtimes.kernels import Kernel, Profile

_BLOCKS: Final = 8
_BLOCK_NS: Final = 50_000_000
_PROFILED: Final = 200
_SAMPLES: Final = 64
_BUSY: Final = 1.5
"""Kernels that take so many times as long as the whole call were interrupted while the profiler looked on."""

_FAMILIES: Final[dict[str, Family]] = {
    **dict.fromkeys(("Conv", "FusedConv", "NhwcFusedConv", "QLinearConv", "ConvInteger"), "convolution"),
    **dict.fromkeys(("ConvTranspose", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_3D", "TRANSPOSE_CONV"), "convolution"),
    **dict.fromkeys(("Convolution", "GroupConvolution", "Deconvolution"), "convolution"),
    **dict.fromkeys(("Gemm", "FusedGemm", "QGemm", "MatMul", "FusedMatMul", "MatMulInteger"), "product"),
    **dict.fromkeys(("MatMulIntegerToFloat", "QLinearMatMul", "DynamicQuantizeMatMul", "MatMulNBits"), "product"),
    **dict.fromkeys(("FULLY_CONNECTED", "BATCH_MATMUL", "FullyConnected"), "product"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "recurrence"),
}
"""Kernels with MACs, in the words of all runtimes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A file under the roofline.

    Attributes:
        limits: Of the machine.
        call: The whole call, without a profiler.
        evidence: What a call costs the processor, where the machine tells.
        missing: What of that the machine does not show.
        kernels: Each kernel, and its place where it has MACs and the graph tells how many; empty without a profiler.
        notes: What a reader must know.
    """

    limits: Limits
    call: Point
    evidence: CallEvidence | None
    missing: Sequence[str]
    kernels: Sequence[tuple[Kernel, Point | None]]
    notes: Sequence[str]


def place_file(
    artifact: ModelArtifact,
    runtime: RuntimeInfo,
    subject: Subject,
    data: DataRequest | None,
    scenario: Scenario,
    folder: Path,
    *,
    timeout_s: float,
    refresh: bool,
) -> Placed:
    """Counts the work of a file, times it, and compares both with the limits of this machine.

    Args:
        artifact: The file.
        runtime: What runs it.
        subject: What the user brings; sizes of dimensions count.
        data: What is fed, or None for random inputs.
        scenario: Batch size and threads.
        folder: A scratch folder.
        timeout_s: How long a step of a worker may take.
        refresh: Whether the limits are measured again.

    Raises:
        ModelError: The work cannot be counted.
        HarnessError: The runtime cannot run the file, or the limits cannot be measured.
    """
    check_threads(scenario.threads)
    request = data or DataRequest(reference=RANDOM, limit=_SAMPLES, dimensions=dict(subject.dimensions))
    dataset = open_dataset(request, artifact.inputs)
    feeding = feeding_of(artifact, dataset, subject.dimensions)
    size = scenario.batch_size if artifact.batching.dimension is not None else artifact.batching.size or 1
    scenario = Scenario(batch_size=size, threads=scenario.threads)
    work = work_of(artifact, feeding.dimensions)
    counted = count_work(artifact, feeding.dimensions)
    check_countable(artifact.path.name, counted)
    limits = machine_limits(scenario.threads, refresh=refresh)
    worker_limits = limits_for(artifact, WorkerLimits(timeout_s=timeout_s))
    options = scenario.session_options(feeding.dimensions)
    inputs = feeding.inputs(RunData(dataset, folder, _SAMPLES).first())
    try:
        with CaseWorker(scenario.threads, worker_limits, runtime.python) as worker:
            worker.start_import(runtime.name)
            worker.finish_import()
            if cpus := Processors.of_this_process().of_worker(scenario.threads):
                worker.pin(cpus)
            worker.load(artifact, options)
            worker.feed(inputs, size, subject.seed)
            seconds = _timed(worker, worker.first_inference())
            profile = worker.profile(max(1, min(_PROFILED, int(timeout_s / 4 / seconds))))
        timed = Timed(runtime=runtime.name, artifact=artifact, options=options, inputs=inputs, python=runtime.python)
        evidence, missing = evidence_of(artifact.id, timed, worker_limits, folder)
    except (ChildFailedError, UnsupportedError) as failure:
        raise HarnessError(f"{runtime.name} cannot run {artifact.path.name}: {failure}") from failure
    call = point_of(work, size, seconds)
    kernels, notes = _placed(artifact, counted, profile, size, runtime.name)
    if counted.uncounted:
        notes.insert(0, f"the work of {', '.join(counted.uncounted)} is not counted, so shares are too low")
    under_profiler = sum(kernel.duration_ns or 0.0 for kernel, _ in kernels) / 1e9
    if under_profiler > _BUSY * seconds:
        notes.append(
            f"kernels took {under_profiler / seconds:.1f} times as long as a whole call without the profiler: the"
            " machine was busy, so their shares are too low; run again"
        )
    return Placed(limits=limits, call=call, evidence=evidence, missing=missing, kernels=kernels, notes=notes)


def _timed(worker: CaseWorker, first_ns: int) -> float:
    """Seconds of a call: the median of the fastest block, as a limit asks for what can be reached."""
    calls = max(1, min(500, _BLOCK_NS // max(first_ns, 1)))
    worker.time(calls, 1_000_000)
    return min(median(worker.time(calls, 0).latency_ns) for _ in range(_BLOCKS)) / 1e9


def _placed(
    artifact: ModelArtifact, counted: Counted, profile: Profile | None, batch_size: int, runtime: str
) -> tuple[list[tuple[Kernel, Point | None]], list[str]]:
    """Kernels beside the layers of the graph: those with MACs follow each other in the same order."""
    if profile is None or all(kernel.duration_ns is None for kernel in profile.kernels):
        return [], [f"{runtime} has no profiler here: how near single kernels are is not known"]
    heavy = [kernel for kernel in profile.kernels if kernel.operator in _FAMILIES]
    if [_FAMILIES[kernel.operator] for kernel in heavy] != [layer.family for layer in counted.layers]:
        note = f"{runtime} runs {len(heavy)} kernels for {len(counted.layers)} layers with MACs: which is which is open"
        return [(kernel, None) for kernel in profile.kernels], [note]
    layers = iter(counted.layers)
    found: list[tuple[Kernel, Point | None]] = []
    for kernel in profile.kernels:
        layer = next(layers) if kernel.operator in _FAMILIES else None
        found.append((kernel, None if layer is None else _kernel_point(artifact, kernel, layer, batch_size)))
    return found, ["kernels are timed under the profiler, whose own time weighs on short ones: take a larger --batch"]


def _kernel_point(artifact: ModelArtifact, kernel: Kernel, layer: Layer, batch_size: int) -> Point | None:
    """A kernel reads its data and weights and writes its result, each in the width that it computes on."""
    if not kernel.duration_ns:
        return None
    is_integer = kernel.kind in ("integer", "hybrid")
    width = 1.0 if kernel.kind == "integer" else 4.0
    weights = layer.weights * (weight_size(artifact) if is_integer else 4.0)
    return Point(
        ops=2.0 * layer.macs * batch_size,
        bytes=weights + width * (layer.inputs + layer.outputs) * batch_size,
        seconds=kernel.duration_ns / 1e9,
        dtype="int8" if is_integer else "float32",
    )
