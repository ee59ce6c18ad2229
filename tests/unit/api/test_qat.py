"""`crossrt.qat` hands on what it is given; no model is trained here."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import crossrt
from crossrt.harness.qat import own_loop, run
from crossrt.harness.qat.request import QatRequest


@pytest.fixture
def asked(monkeypatch):
    found = []
    monkeypatch.setattr(run, "run_qat", lambda request, _: found.append(request) or request)
    return found


def test_arrays_become_files_and_options_their_fields(asked, tmp_path):
    data = {"image": np.zeros((4, 28, 28, 1), np.float32)}
    labels = np.arange(4)
    crossrt.qat("mnist-cnn", tmp_path / "out", data=data, labels=labels, weight_bits=4, epochs=3, learning_rate=1e-3)
    (request,) = asked
    assert request.model.name == "mnist-cnn.keras"
    assert request.data.reference.endswith(".npz")
    assert request.data.labels.endswith(".npy")
    assert request.validation is None
    assert (request.bits, request.epochs, request.learning_rate, request.out) == (4, 3, 1e-3, tmp_path / "out")


def test_defaults_are_those_of_the_command(asked):
    crossrt.qat("mnist-cnn", "out")
    (request,) = asked
    assert (request.data.split, request.validation) == ("train", None)
    known = inspect.signature(QatRequest).parameters
    for name in ("epochs", "learning_rate", "batch_size", "patience", "seed"):
        assert getattr(request, name) == known[name].default


def test_values_that_cannot_be_trained_with_are_refused():
    with pytest.raises(crossrt.CrossrtError, match="epochs=0 cannot be trained with"):
        crossrt.qat("mnist-cnn", "out", epochs=0)


def test_a_backend_of_keras_that_trains_nothing_is_refused(monkeypatch):
    class Backend:
        @staticmethod
        def backend():
            return "openvino"

    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(backend=Backend))
    with pytest.raises(crossrt.CrossrtError, match=r"Keras runs on openvino.*KERAS_BACKEND to one of tensorflow, jax"):
        crossrt.quantization_aware(object(), np.zeros((4, 3), np.float32))


@pytest.mark.parametrize(
    ("options", "said"), [({"ranges": "wide"}, "ranges='wide'"), ({"weight_bits": 3}, "weight_bits=3")]
)
def test_what_no_model_can_be_made_with_is_refused(monkeypatch, options, said):
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(backend=SimpleNamespace(backend=lambda: "tensorflow")))
    with pytest.raises(crossrt.CrossrtError, match=f"{said} cannot be trained with"):
        crossrt.quantization_aware(object(), np.zeros((4, 3), np.float32), **options)


def test_a_model_is_exported_with_the_samples_that_it_is_compared_on(monkeypatch, tmp_path):
    found = []
    monkeypatch.setattr(own_loop, "export_pair", lambda *given: found.append(given) or given)
    crossrt.export_quantized("aware.keras", tmp_path / "out", data=np.zeros((4, 3), np.float32), samples=2)
    source, out, request, _ = found[0]
    assert (source, out, request.limit) == (Path("aware.keras"), tmp_path / "out", 2)
    assert request.reference.endswith(".npz")
