"""A whole run over the small models: order, seeds, native I/O, thresholds, interrupts."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from crossrt.core.artifact import ReferenceAnswers, sha256_of
from crossrt.core.errors import CrossrtError, DataError
from crossrt.core.manifest import write_manifest
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.harness.build.exported import read_folder
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.harness.run.bench import _used
from crossrt.reports.schema.records import Report

pytestmark = pytest.mark.processes

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def case(report: Report, part: str):
    return next(result for result in report.results if part in result.case)


def test_all_cases_are_measured_in_every_round(whole):
    assert len(whole.results) == 6
    for result in whole.results:
        assert result.status == "ok", result.reason
        assert [each.index for each in result.rounds] == [0, 1, 2]
        assert all(len(each.blocks_ns) == 2 for each in result.rounds)
        assert all(each.load_ns > 0 and each.first_inference_ns > 0 for each in result.rounds)
        assert result.memory.peak_bytes > result.memory.before_load_bytes > 10_000_000


def test_launch_order_is_random_follows_the_seed_and_is_a_permutation(bench):
    def orders(report):
        everything = [(each.case, each.rounds) for each in report.results]
        everything += [(f"{each.kind} {each.of} {each.batch_size}", each.rounds) for each in report.controls]
        return [sorted((rounds[i].position, name) for name, rounds in everything) for i in range(2)]

    one, same, other = (orders(bench(seed=seed, only=("fp32",), effort_rounds=2)) for seed in (1, 1, 2))
    assert one == same != other
    processes = 2 + 1 + 1  # cases, a replicate, the reference workload
    assert all([position for position, _ in order] == list(range(processes)) for order in one)


def test_controls_are_measured_in_the_same_rounds(whole):
    found = [(each.kind, each.of, each.batch_size) for each in whole.controls]
    assert sorted(found) == [
        *(("noop", runtime, size) for runtime in ("ort-cpu", "tflite") for size in (1, 4)),
        ("reference", "numpy", 1),
        *(("replicate", f"conv.fp32@ort-cpu/b{size}/t1", size) for size in (1, 4)),
    ]
    for control in whole.controls:
        assert len(control.rounds) == 3
        assert all(len(each.blocks_ns) == 2 for each in control.rounds)
        assert len({len(block) for each in control.rounds for block in each.blocks_ns}) == 1


def test_integer_model_takes_its_own_types_in_native_mode(bench):
    report = bench(only=("int8-io",), io="native", effort_rounds=1)
    assert case(report, "int8-io").case.endswith("/b1/t1/native")
    both = bench(only=("int8-io",), effort_rounds=1)
    assert case(both, "int8-io").evaluation.answers_sha256 == case(report, "int8-io").evaluation.answers_sha256


def test_a_float_file_that_only_leaves_out_is_compared_with_and_not_timed(bench):
    report = bench(only=("int8-io",), effort_rounds=1)
    assert [result.variant for result in report.results] == ["int8-io"]
    assert report.reference == "the float model fp32 on tflite (not timed)"
    assert report.cautions == ()
    alone = case(report, "int8-io").evaluation
    beside = case(bench(only=("int8-io", "fp32@tflite"), effort_rounds=1), "int8-io").evaluation
    assert alone.values == beside.values
    assert alone.outputs[0].max_abs > 0  # from itself it would not differ


def test_without_a_float_file_to_compare_with_a_caution_says_so(bench, folder, data):
    for path in folder.glob("conv.fp32.tflite*"):
        path.unlink()
    report = bench(only=("int8-io",), effort_rounds=1)
    (caution,) = report.cautions
    assert caution.startswith("no float model is among the cases that --only selects: answers are compared with")
    assert caution.endswith("add --only fp32")


def test_threads_are_passed_on_and_not_pinned(bench):
    report = bench(only=("fp32",), threads=2, effort_rounds=1)
    assert all(result.case.endswith("/b1/t2") and result.status == "ok" for result in report.results)
    assert report.run.settings.pinned_cpu is None
    assert report.environment.thread_variables["OMP_NUM_THREADS"] == "2"


def test_environment_tells_machine_and_versions(whole):
    environment = whole.environment
    assert environment.cpu_model
    assert environment.packages["runtime ort-cpu"] == environment.packages["onnxruntime"]
    assert environment.usable_cpus


def test_report_survives_a_round_trip(whole):
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Report) == whole


def test_runtime_asked_for_alone_is_measured_alone(bench):
    assert {result.runtime for result in bench(runtimes=("tflite",), effort_rounds=1).results} == {"tflite"}


def test_interrupt_between_rounds_keeps_what_is_finished(bench, monkeypatch):
    from crossrt.harness.measure.rounds import RoundRunner

    run_round = RoundRunner.run_round

    def interrupted_at_the_second(self, index, display):
        if index == 1:
            raise KeyboardInterrupt
        run_round(self, index, display)

    def keep(report):  # a second interrupt must not cost the report
        for number in SIGNALS:
            os.kill(os.getpid(), number)
        kept.append(report)

    kept = []
    monkeypatch.setattr(RoundRunner, "run_round", interrupted_at_the_second)
    before = [signal.getsignal(number) for number in SIGNALS]
    report = bench(only=("fp32@ort",), keep=keep)
    assert kept == [report]
    assert report.run.status == "interrupted"
    assert [len(result.rounds) for result in report.results] == [1]
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_interrupt_after_the_last_round_loses_nothing(bench, monkeypatch):
    from crossrt.harness.run import bench as module

    def interrupted(state):
        os.kill(os.getpid(), signal.SIGTERM)
        return report_of(state)

    report_of = module.report_of
    monkeypatch.setattr(module, "report_of", interrupted)
    report = bench(only=("fp32@ort",))
    assert [len(result.rounds) for result in report.results] == [3]
    assert report.cautions == ()


def test_interrupt_while_the_last_round_is_left_keeps_all_rounds(bench, monkeypatch):
    from crossrt.harness.measure.rounds import RoundRunner

    def run(self, display):
        whole_run(self, display)
        raise KeyboardInterrupt

    whole_run = RoundRunner.run
    monkeypatch.setattr(RoundRunner, "run", run)
    report = bench(only=("fp32@ort",))
    assert report.run.status == "interrupted"
    assert [len(result.rounds) for result in report.results] == [3]


@pytest.fixture
def write_reference(folder, data):
    """Puts answers beside the small models as if they were the source model's."""

    def write(answers: np.ndarray, **changes) -> None:
        path = folder / "conv.reference.npz"
        np.savez(path, allow_pickle=False, logits=answers)
        artifact = next(iter(read_folder(folder).artifacts.values()))
        reference = ReferenceAnswers(
            model="conv",
            path=path,
            sha256=sha256_of(path),
            source_sha256=artifact.source_sha256,
            data_fingerprint=open_dataset(DataRequest(reference=str(data))).fingerprint,
            samples=len(answers),
            producer={},
        )
        write_manifest(dataclasses.replace(reference, **changes), folder / "conv.reference.npz.manifest.json")

    return write


def one_hot(samples: int) -> np.ndarray:
    return np.eye(10, dtype=np.float32)[np.arange(samples) % 10]


def test_answers_far_from_the_reference_are_a_failed_row_that_is_not_timed(bench, write_reference):
    write_reference(one_hot(64))
    result = case(bench(only=("fp32@ort",)), "fp32")
    assert result.status == "failed"
    assert "--min-agreement asks for 99.00%" in result.reason
    assert result.evaluation is not None
    assert not result.rounds


@pytest.mark.parametrize("shape", [(64, 2, 5), (64, 10, 10)])
def test_reference_whose_outputs_fit_no_task_is_refused_with_their_shapes(bench, write_reference, shape):
    write_reference(np.zeros(shape, np.float32))
    with pytest.raises(DataError, match=r"logits.*\(64, "):
        bench(only=("fp32@ort",))


def test_outputs_of_another_number_of_classes_are_a_failed_row(bench, write_reference):
    write_reference(np.ones((64, 12), np.float32))
    result = case(bench(only=("fp32@ort",)), "fp32")
    assert result.status == "failed"
    assert re.search(r"logits.*\(64, 10\).*\(64, 12\)", result.reason)


def test_reference_with_nan_is_refused(bench, write_reference):
    write_reference(np.full((64, 10), np.nan, np.float32))
    with pytest.raises(CrossrtError, match="nothing but NaN"):
        bench(only=("fp32@ort",))


def test_reference_of_fewer_samples_than_are_answered_is_refused(bench, write_reference):
    write_reference(one_hot(63))
    with pytest.raises(CrossrtError, match=r"reference\.npz holds answers to 63 of 64 samples: .* --samples 63"):
        bench(only=("fp32@ort",))


def test_reference_of_other_data_is_not_used(bench, write_reference, remarks):
    write_reference(one_hot(64), data_fingerprint="0" * 64)
    report = bench(only=("fp32@ort",), display=remarks, effort_rounds=1)
    assert case(report, "fp32").status == "ok"
    assert "fp32 on ort-cpu" in report.reference


def test_reference_of_another_model_is_refused(bench, write_reference):
    write_reference(one_hot(64), source_sha256="0")
    with pytest.raises(CrossrtError, match="do not belong together"):
        bench(only=("fp32@ort",))


def test_answers_of_every_two_files_are_compared_at_the_smallest_batch_size(whole):
    found = whole.distances
    cases = [f"conv.{each}/b1/t1" for each in ("fp32@ort-cpu", "fp32@tflite", "int8-io@tflite")]
    assert {(each.one, each.other) for each in found} == {
        (cases[0], cases[1]),
        (cases[0], cases[2]),
        (cases[1], cases[2]),
    }
    steps = {each.other: each.max_steps for each in found}
    assert steps[cases[1]] is None
    assert 0 < steps[cases[2]] < 50
    assert all(each.kl_nats < 0.1 for each in found)


def test_a_case_that_does_not_answer_is_compared_with_none(bench, chaos):
    chaos("run:nan")
    assert bench(runtimes=("chaos", "ort-cpu"), effort_rounds=1).distances == ()


def test_files_are_diagnosed_and_kernels_profiled_where_it_is_asked_for(bench, whole):
    found = bench(diagnoses=True, effort_rounds=1)
    assert whole.layers == ()
    assert all(result.kernel_shares is None for result in whole.results)
    (layers,) = found.layers
    assert layers.artifact == "conv.int8-io.tflite"
    assert {each.role for each in layers.tensors} == {"activation", "weight", "bias"}
    assert all(each.sqnr_db is None or each.sqnr_db > 20 for each in layers.tensors)
    shares = case(found, "fp32@ort-cpu").kernel_shares
    assert shares.integer + shares.hybrid + shares.float + shares.conversion + shares.layout == pytest.approx(1)
    assert shares.float > 0
    assert case(found, "fp32@tflite").kernel_shares is None  # LiteRT's Python interface has no profiler


def test_a_file_that_cannot_be_diagnosed_does_not_end_the_run(bench, folder):
    (folder / "conv.fp32.tflite.manifest.json").unlink()
    report = bench(diagnoses=True, effort_rounds=1)
    assert report.run.status == "complete"
    assert report.layers == ()
    assert case(report, "int8-io").status == "ok"


def test_only_runtimes_of_cases_are_part_of_the_environment():
    runtimes = [
        RuntimeInfo(name=name, version="1", formats=("onnx",)) for name in ("ort-cpu", "ort-cpu:arena=off", "x")
    ]
    case = SimpleNamespace(runtime="ort-cpu:arena=off")
    assert [each.name for each in _used(runtimes, [case])] == ["ort-cpu:arena=off"]
