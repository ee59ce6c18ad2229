"""What `crossrt qat` says and compares; no model is trained here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest

from crossrt.analysis.audit.record import Audited, AuditedTensor
from crossrt.analysis.same_scales import ComparedTensor, LayerSteps, Spread
from crossrt.core.artifact import Training
from crossrt.core.evaluation import Evaluation, Packed
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.request import DataRequest
from crossrt.datasets.tasks.choosing import make_task
from crossrt.exporters.errors import ExportError, ModelError
from crossrt.exporters.training.qat.jobs import Epoch, QatJob, Score
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.qat import following
from crossrt.harness.qat.auditing import with_trained
from crossrt.harness.qat.float_operators import float_operator_notes
from crossrt.harness.qat.gains import training_notes
from crossrt.harness.qat.pairs import layer_lines, pair_lines
from crossrt.harness.qat.proving import differences, lsb_difference
from crossrt.harness.qat.request import SCALES, ExportedPair, Proof, QatRequest, Trained, read_proof, with_bundled
from crossrt.harness.qat.tables import cautions, files_sheet, headline, layers_sheet, outputs_sheet, scales_sheet

EVENTS = [
    {"event": "note", "text": "normalization (Normalization) stays in float"},
    {
        "event": "started",
        "samples": 900,
        "validation_samples": 100,
        "metric": "accuracy",
        "task": "classification",
        "float_metric": 0.99,
        "calibrated_metric": 0.9,
    },
    {
        "event": "progress",
        "epoch": 1,
        "step": 3,
        "steps": 15,
        "loss": 0.12345,
        "metric": 0.95,
        "learning_rate": 1e-4,
        "samples_per_s": 1234.5,
        "left_s": 65.2,
    },
    {
        "event": "epoch",
        "epoch": 1,
        "loss": 0.1,
        "metric": 0.97,
        "validation_loss": 0.2,
        "validation_metric": 0.98,
        "learning_rate": 5e-5,
        "samples_per_s": 1200.0,
        "left_s": 12.4,
        "is_best": True,
    },
]
END = [
    {"event": "trained", "best": 1, "last": 1},
    {"event": "building", "item": "int8-qat.onnx"},
    {"event": "built", "item": "int8-qat.onnx"},
    {"event": "finished"},
]


class Recorder:
    width = 0

    def __init__(self) -> None:
        self.lines, self.steps = [], 0

    def phase(self, name, steps):
        self.lines.append(f"{name} {steps}")

    def step(self, _=""):
        self.steps += 1

    def doing(self, what):
        self.lines.append(what)

    def remark(self, text):
        self.lines.append(text.strip())

    def below(self, shown):
        self.lines.append(shown)

    failure = row = remark


@pytest.fixture
def job(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    request = QatRequest(model=Path("own.keras"), out=tmp_path, data=DataRequest(reference="train.npz"))
    return QatJob(
        model="own",
        source="own.keras",
        source_sha256="a" * 64,
        folder=str(tmp_path),
        checkpoints=str(tmp_path / "checkpoints"),
        curves=str(tmp_path / "curves.jsonl"),
        data=dataclasses.asdict(request.data),
        validation=None,
        validation_share=0.1,
        epochs=2,
        learning_rate=1e-4,
        batch_size=64,
        bits=4,
        patience=None,
        seed=0,
        task=None,
    )


@pytest.fixture
def child(monkeypatch):
    """Lets a process say these events; an exception among them is raised."""

    def play(events):
        class Child:
            def __init__(self, *_, **__) -> None:
                self.left = list(events)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                return None

            def send(self, job):
                pass

            def receive(self, _):
                event = self.left.pop(0)
                if isinstance(event, BaseException):
                    raise event
                return event

        monkeypatch.setattr(following, "ChildProcess", Child)

    return play


def test_files_of_another_process_are_counted_in_the_phase_that_the_training_began(job, child):
    child([{"event": "building", "item": "fp32.onnx"}, {"event": "built", "item": "fp32.onnx"}, {"event": "finished"}])
    shown = Recorder()
    assert following.train(job, shown, begins=False).built == ["fp32.onnx"]
    assert "starting None" not in shown.lines


def test_a_training_can_be_watched(job, child):
    child([*EVENTS, *END])
    shown = Recorder()
    found = following.train(job, shown)
    assert [each for each in shown.lines if isinstance(each, str)] == [
        "starting None",
        "normalization (Normalization) stays in float",
        "900 samples, 100 to validate on",
        "before training: accuracy 99.00% in float, 90.00% calibrated (4-bit weights)",
        "training 2",
        "epoch 1/2: loss 0.1, accuracy 97.00%, validation loss 0.2, validation accuracy 98.00% (best),"
        " learning rate 5e-05, 1,200 samples/s, 0:12 left",
        "writing files 4",
        "int8-qat.onnx",
    ]
    assert (found.best, found.built, found.float_metric) == (1, ["int8-qat.onnx"], 0.99)


def test_what_the_process_refuses_is_an_error(job, child):
    child([*EVENTS, {"event": "failed", "reason": "the loss is nan at step 3"}])
    with pytest.raises(ExportError, match="the loss is nan at step 3"):
        following.train(job, Recorder())


def test_a_process_that_dies_says_how_to_go_on(job, child):
    child([*EVENTS, ChildFailedError("the process was ended by SIGKILL", "tail")])
    with pytest.raises(HarnessError, match=r"training broke off: .*SIGKILL; the same command with --resume goes on"):
        following.train(job, Recorder())


def test_an_interrupt_says_how_to_go_on(job, child):
    child([*EVENTS, KeyboardInterrupt()])
    shown = Recorder()
    with pytest.raises(KeyboardInterrupt):
        following.train(job, shown)
    assert shown.lines[-1] == "stopped; the same command with --resume goes on after epoch 1"


def test_differences_are_counted_in_steps_of_the_output():
    first = np.array([[0.0, 0.5], [1.0, 1.5]], np.float32)
    found = lsb_difference("a", first, "b", first + np.array([[0, 0.25], [-0.5, 0]], np.float32), 0.25)
    assert (found.equal, found.within_one, found.most, found.samples, found.values) == (0.5, 0.75, 2.0, 2, 4)


def tensor(step, difference=None):
    return ComparedTensor(
        step=step,
        role="activation",
        scales=(0.5,),
        zero_point=-128,
        onnx=f"{step}/output",
        tflite=f"{step}__1/Relu",
        difference=difference,
    )


def proof(*tensors, **files):
    zeros = np.zeros((10, 2), np.float32)
    outputs = (lsb_difference("a", zeros, "b", zeros + np.eye(10, 2, dtype=np.float32), 0.5),)
    return Proof(files=files, tensors=tensors, outputs=outputs)


def audited(scale=0.5, zero_point=0):
    row = AuditedTensor(
        name="one/output",
        role="activation",
        dtype="uint8",
        channels=1,
        scale=scale,
        zero_point=zero_point,
        expected_scale=None,
        expected_zero_point=None,
        deviation=None,
        wrong_integers=None,
        verdict="stored",
    )
    return Audited(tensors=(row,))


@pytest.fixture
def artifact(make_artifact):
    return dataclasses.replace(make_artifact(), format="onnx")


def test_an_audit_compares_with_what_was_trained(artifact):
    known = proof(tensor("one"), **{artifact.path.name: artifact.sha256, "other.tflite": "f" * 64})
    artifact.path.with_name(SCALES).write_bytes(msgspec.json.encode(known))
    found = with_trained(audited(), artifact)
    assert (found.checks[0].severity, found.tensors[0].verdict) == ("ok", "exact")
    assert "in other.tflite as well, to the last bit" in found.checks[0].text
    assert with_trained(audited(scale=0.6), artifact).checks[0].severity == "wrong"
    assert with_trained(audited(zero_point=-128), artifact).tensors[0].verdict == "different"


def test_an_audit_names_tensors_within_a_layer(artifact):
    known = proof(tensor("one"), **{artifact.path.name: artifact.sha256})
    (row,) = audited().tensors
    within = msgspec.structs.replace(row, name="one/output_last")
    found = with_trained(Audited(tensors=(row, within)), artifact, known)
    assert [each.verdict for each in found.tensors] == ["exact", "exact"]
    assert found.tensors[1].reason == "within one, with its scale as trained"
    assert "; 1 more tensor in this file alone" in found.checks[0].text


def test_an_audit_of_another_file_does_not_know_the_training(artifact):
    artifact.path.with_name(SCALES).write_bytes(msgspec.json.encode(proof(**{artifact.path.name: "0" * 64})))
    assert with_trained(audited(), artifact) == audited()


def test_a_difference_between_the_files_is_wrong_in_an_audit(artifact):
    known = proof(tensor("one", "tflite: 1 scales differ"), **{artifact.path.name: artifact.sha256})
    artifact.path.with_name(SCALES).write_bytes(msgspec.json.encode(known))
    assert with_trained(audited(), artifact).checks[0].severity == "wrong"


def layer(step, most=0, reason=None):
    spread = Spread(one="onnx", other="tflite", off_by_one=0.25, off_by_more=0, most=most, arising=int(bool(reason)))
    return LayerSteps(step=step, values=8, spreads=(spread,), reason=reason)


def test_layers_that_compute_other_integers_are_named_where_it_begins(artifact):
    known = msgspec.structs.replace(
        proof(tensor("one"), **{artifact.path.name: artifact.sha256}),
        layers=(layer("stem"), layer("pool", 1, "means in the middle"), layer("scores", 1)),
        samples=32,
    )
    assert list(layer_lines(known)) == [
        "  2 layers compute other integers in the two runtimes (3 layers, 32 samples); it begins at:",
        "    pool: means in the middle",
    ]
    assert [[cell.text for cell in row] for row in layers_sheet(trained(known)).rows] == [
        ["pool", "25.000%, 0.000%"],
        ["scores", "25.000%, 0.000%"],
    ]
    assert layers_sheet(trained(known)).footer == (
        "pool: means in the middle",
        "all others: inherited from what they take",
    )
    checks = with_trained(audited(), artifact, known).checks
    assert [(each.name, each.severity) for each in checks[:2]] == [("trained scales", "ok"), ("layers", "note")]


def test_each_output_of_a_model_of_several_is_compared_by_its_own_step(make_artifact, tmp_path):
    outputs = tuple(
        TensorSpec(name=name, dtype="float32", shape=("batch", 2), step=step)
        for name, step in (("near", 0.5), ("far", 0.01))
    )
    pair = {key: make_artifact(outputs=outputs) for key in ("own.onnx", "own.tflite")}
    zeros = np.zeros((4, 2), np.float32)
    answers = {"own.onnx": {"near": zeros, "far": zeros}, "own.tflite": {"near": zeros + 0.5, "far": zeros + 0.03}}
    found = differences(pair, answers, None)
    assert [(each.output, each.most, each.within_one) for each in found] == [("near", 1, 1), ("far", 3, 0)]
    told = list(pair_lines("own", Proof(files={}, tensors=(), outputs=tuple(found))))
    assert told[1].startswith("  output near of both for 4 samples: 0.00% equal, 100.000% within 1")
    assert told[2].startswith("CAUTION  output far of both for 4 samples")


def test_a_pair_of_files_is_described_in_sentences():
    known = msgspec.structs.replace(proof(tensor("one")), layers=(layer("stem"),), samples=32)
    assert list(pair_lines("own.int8-same", known)) == [
        "own.int8-same: all 1 scales and zero points are equal in both files, to the last bit",
        "  every layer computes the same integers in both runtimes (1 layer, 32 samples)",
        "CAUTION  outputs of both for 10 samples: 90.00% equal, 90.000% within 1 quantization step (LSB), largest"
        " difference 2",
    ]
    different = proof(tensor("one", "tflite: not there"))
    assert list(pair_lines("own", different))[:2] == [
        "failed  own: 1 of 1 scales differ between both files:",
        "  one (activation): tflite: not there",
    ]


def trained(known):
    scores = [Score(loss=1, metric=each) for each in (0.9, 0.98)]
    epochs = tuple(
        Epoch(epoch=number, train=None, validation=score, learning_rate=0) for number, score in enumerate(scores)
    )
    return Trained(
        model="own",
        folder=Path("qat"),
        metric="accuracy",
        float_metric=0.99,
        epochs=epochs,
        best=1,
        artifacts={},
        evaluations={},
        definitions=(),
        proof=known,
    )


def test_tables_show_what_differs_first():
    found = trained(proof(tensor("one"), tensor("two", "onnx: not there")))
    assert headline(found) == (
        "own: accuracy 98.00% after epoch 1; accuracy 99.00% in float, accuracy 90.00% calibrated without training"
    )
    assert [row[0].text for row in scales_sheet(found).rows] == ["two", "one"]
    assert [row[-1].text for row in scales_sheet(found).rows] == ["onnx: not there", "equal"]
    assert [cell.text for cell in outputs_sheet(found).rows[0]] == ["a", "b", "90.00%", "90.000%", "2"]
    assert list(cautions(found)) == ["a and b: 10.000% of the outputs differ by more than 1 LSB, by up to 2"]


def scored(right, agreement=1.0):
    """Of 1,000 samples, of which so many, the first, are answered rightly."""
    per_sample = {"top1": Packed.of(np.arange(1000) < right)}
    values = {"top1": right / 1000, "agreement": agreement}
    return Evaluation(task="classification", samples=1000, values=values, per_sample=per_sample)


@pytest.mark.parametrize(
    ("right", "agreement", "said"),
    [
        (950, 0.915, "the trained files are 5.00 pp [+3.81, +6.53] better than float and agree"),
        (903, 0.99, None),  # less than quantization may change
        (900, 0.93, "agree with the float model on 93.00% of the samples alone, though no accuracy is lost: that"),
        (800, 0.85, None),  # quantization may well be the cause
    ],
)
def test_a_gain_of_training_is_told_from_quantization(make_artifact, right, agreement, said):
    artifacts = {
        "own.fp32.onnx": make_artifact(role="float", quantization=None),
        "own.int8-qat.onnx": dataclasses.replace(
            make_artifact(), training=Training(epochs=(), validation_samples=1000)
        ),
    }
    found = dataclasses.replace(
        trained(proof(tensor("one"))),
        artifacts=artifacts,
        evaluations=dict(zip(artifacts, (scored(900), scored(right, agreement)), strict=True)),
        definitions=make_task("classification", np.zeros(4, np.int64), {"y": np.eye(4)}).metrics,
    )
    notes = list(training_notes(found))
    assert [said in note for note in notes] == ([] if said is None else [True]), notes
    assert "98.00% after epoch 1 on the 1,000 validation samples that chose it" in headline(found)
    assert files_sheet(found).title.startswith("Files, scored on 1,000 samples that were validated on; they chose")


def test_what_was_trained_is_printed_in_a_few_lines():
    found = trained(proof(tensor("one")))
    assert str(found).splitlines()[1:] == [
        "all 1 scales are equal in ONNX and TFLite, to the last bit",
        "a and b: 90.000% of the outputs within 1 quantization step (LSB), 10 samples",
        "in qat: ",
    ]
    assert str(ExportedPair(folder=found.folder, artifacts={}, proof=found.proof)) in str(found)


def test_layers_without_an_integer_kernel_are_looked_up_in_the_file(make_artifact, monkeypatch):
    from crossrt.analysis.findings import tflite_file

    pair = {"own.tflite": dataclasses.replace(make_artifact(), format="tflite")}
    note = "silu stays in float (in TFLite where that has no integer kernel for it)"
    for kinds, said in ((["ELU", "ELU", "POW"], "3 operators in float (2 ELU, 1 POW)"), ([], "every operator in int")):
        monkeypatch.setattr(tflite_file, "float_operators", lambda _, kinds=kinds: kinds)
        (told,) = float_operator_notes([note], pair)
        assert told.startswith(f"own.tflite computes {said}")
    assert list(float_operator_notes(["a range did not move"], pair)) == []


def test_the_proof_is_read_as_it_was_written(tmp_path):
    known = proof(tensor("one"), **{"a.onnx": "f" * 64})
    (tmp_path / SCALES).write_bytes(msgspec.json.encode(known))
    assert read_proof(tmp_path / SCALES) == known
    (tmp_path / SCALES).write_bytes(b"{}")
    assert read_proof(tmp_path / SCALES) is None


def test_what_keras_does_not_train_is_refused_before_anything_is_opened(tmp_path):
    path = tmp_path / "own.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3")
    with pytest.raises(
        ModelError, match=r"own.tflite is a TFLite model: quantization-aware training takes a Keras model"
    ):
        with_bundled(path, None, None)


def test_own_models_need_data(tmp_path):
    path = tmp_path / "own.keras"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(HarnessError, match=r"needs samples with labels: give --data train.npz"):
        with_bundled(path, None, None)


def test_bundled_models_bring_their_data():
    path, data, validation = with_bundled(Path("mnist-cnn"), None, None)
    assert (path.name, data.split, validation) == ("mnist-cnn.keras", "train", None)  # a part is held out


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": 0.0}, {"bits": 5}, {"validation_share": 1.0}])
def test_values_that_cannot_be_trained_with_are_refused(wrong):
    with pytest.raises(HarnessError, match=r"cannot be trained with|weight_bits is 5; expected 4 or 8"):
        QatRequest(model=Path("own.keras"), out=Path("qat"), data=DataRequest(reference="x.npz"), **wrong)
