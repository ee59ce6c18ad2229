"""A search from beginning to end over a network with one planted fault."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest

from crossrt.cli.exit_codes import UNJUDGED
from crossrt.core.errors import DataError
from crossrt.datasets.opening import DataRequest
from crossrt.harness.build.exported import read_folder
from crossrt.harness.errors import HarnessError, NoAnswerError, OutOfTimeError
from crossrt.harness.process.out import alone_in
from crossrt.harness.search import hunt, ledger
from crossrt.harness.search.opening import open_search
from crossrt.harness.search.run import run_search
from crossrt.reports.text.progress import Silent

pytestmark = pytest.mark.processes

FAULTY = "dense_2"


def test_exactly_the_faulty_layer_stays_in_float_and_an_interrupted_search_goes_on(
    planted, tmp_path, stopwatch, monkeypatch
):
    stopwatch(1.5)
    request, out = planted.request(tmp_path), tmp_path
    with monkeypatch.context() as patch:
        patch.setattr(hunt.Hunt, "_refined", interrupt)
        cut = run_search(request, Silent())
    assert cut.status == "interrupted"
    assert cut == ledger.read_search(out)
    assert cut.best is not None
    assert list(read_folder(out).artifacts) == [cut.file]
    with pytest.raises(HarnessError, match="go on with --resume"):
        run_search(request, Silent())

    built = []
    monkeypatch.setattr(hunt.Builder, "build", counting(hunt.Builder.build, built))
    found = run_search(dataclasses.replace(request, resumes=True), Silent())
    assert found.status == "found", found.sentence
    assert found.found.float_units == (FAULTY,)
    assert found.sensitivities[0].unit.name == FAULTY
    assert found.sensitivities[0].sqnr_db < 10
    assert "alone" not in built  # sensitivities are not measured again
    assert len(built) < len(cut.candidates)
    artifact = read_folder(out).artifacts[found.file]
    weights = {each.name: each.data_type for each in onnx.load(artifact.path).graph.initializer}
    kept = {name for name, kind in weights.items() if name.startswith("w") and kind == onnx.TensorProto.FLOAT}
    assert {name for name in kept if "_" not in name} == {"w2"}
    assert artifact.sha256 == found.file_sha256
    assert found.search_samples + found.held_out_samples == 2000
    assert found.confirmations[-1].loss.samples == found.held_out_samples
    assert f"Ship {artifact.path}: on {found.held_out_samples:,} samples" in found.sentence
    assert run_search(dataclasses.replace(request, resumes=True), Silent()) == found

    other = dataclasses.replace(request, resumes=True, seed=1)
    ledger.write_atomically(out / ledger.REPORT, (out / ledger.REPORT).read_bytes().replace(b'"found"', b'"none"', 1))
    with pytest.raises(HarnessError, match="another one: --seed differ"):
        run_search(other, Silent())


def interrupt(*_):
    raise KeyboardInterrupt


def counting(build, built):
    def counted(self, name, recipe, *, keeps):
        built.append(name)
        return build(self, name, recipe, keeps=keeps)

    return counted


def test_samples_that_calibrate_are_refused_as_test_samples(planted, tmp_path):
    subject = dataclasses.replace(planted.subject(), calibration=planted.subject().data)
    with pytest.raises(DataError, match="test and calibration data overlap: 2000 sample"):
        run_search(dataclasses.replace(planted.request(tmp_path), subject=subject), Silent())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "a search judges accuracy: give samples with --data"),
        ({"calibration": None}, "give --calibration DATA"),
    ],
)
def test_what_is_missing_is_said(planted, tmp_path, changes, message):
    subject = dataclasses.replace(planted.subject(), **changes)
    with pytest.raises(HarnessError, match=message):
        run_search(dataclasses.replace(planted.request(tmp_path), subject=subject), Silent())


def test_too_few_samples_for_two_parts_are_refused(planted, tmp_path):
    np.savez(tmp_path / "few.npz", x=np.random.default_rng(3).random((30, 12), np.float32), labels=np.arange(30) % 5)
    subject = dataclasses.replace(planted.subject(), data=DataRequest(reference=str(tmp_path / "few.npz")))
    with pytest.raises(DataError, match=r"needs at least 20 samples .* finds \d+ and \d+ in few.npz: give more"):
        run_search(dataclasses.replace(planted.request(tmp_path / "out"), subject=subject), Silent())


def test_a_damaged_report_is_not_taken_for_a_search(tmp_path):
    (tmp_path / ledger.REPORT).write_text("{}")
    with pytest.raises(HarnessError, match="is not the report of a search"):
        ledger.read_search(tmp_path)


def test_weights_that_are_no_numbers_are_named_before_anything_is_prepared(planted, tmp_path):
    model = onnx.load(planted.model)
    weights = next(each for each in model.graph.initializer if each.name == "w1")
    values = onnx.numpy_helper.to_array(weights).copy()
    values[0, 0] = np.nan
    weights.CopyFrom(onnx.numpy_helper.from_array(values, "w1"))
    onnx.save(model, tmp_path / "nan.onnx")
    subject = dataclasses.replace(planted.subject(), models=(tmp_path / "nan.onnx",))
    with pytest.raises(HarnessError, match=r"nan.onnx cannot be quantized: its weights w1 hold NaN"):
        open_search(dataclasses.replace(planted.request(tmp_path), subject=subject), tmp_path, Silent())


@pytest.mark.parametrize(("label", "said"), [(50, "labels hold 50"), (np.nan, "first that of sample 7")])
def test_labels_that_fit_no_answer_are_named_before_anything_is_prepared(planted, tmp_path, label, said):
    with np.load(planted.test) as known:
        arrays = dict(known)
    arrays["labels"] = arrays["labels"].astype(np.float64 if label != label else np.int64)
    arrays["labels"][7] = label
    np.savez(tmp_path / "labels.npz", **arrays)
    subject = dataclasses.replace(
        planted.subject(), data=DataRequest(reference=str(tmp_path / "labels.npz")), task="classification"
    )
    with pytest.raises(DataError, match=said):
        open_search(dataclasses.replace(planted.request(tmp_path), subject=subject), tmp_path, Silent())


def test_a_second_search_in_the_same_folder_is_refused_while_the_first_one_runs(planted, tmp_path):
    out = tmp_path / "found"
    out.mkdir()
    with alone_in(out), pytest.raises(HarnessError, match=r"another run is writing .*found now"):
        run_search(planted.request(out), Silent())
    assert list(out.iterdir()) == []


def test_preparing_that_takes_too_long_leaves_everything_unjudged(planted, tmp_path, monkeypatch):
    def slow(*_):
        raise NoAnswerError("no answer", "")

    monkeypatch.setattr("crossrt.harness.search.builder.ChildProcess.ask", slow)
    with pytest.raises(OutOfTimeError, match=r"took longer than .* its part of --time") as caught:
        run_search(planted.request(tmp_path / "found"), Silent())
    assert caught.value.exit_code == UNJUDGED
    assert not (tmp_path / "found").exists()
