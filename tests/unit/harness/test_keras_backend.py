"""Which backend of Keras trains; nothing of it is imported."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from crossrt.harness.build import keras_backend
from crossrt.harness.build.keras_backend import training_backend
from crossrt.harness.errors import HarnessError


@pytest.fixture
def having(monkeypatch, tmp_path):
    """Makes some backends look installed, and sets what the user says."""

    def have(*installed, variable=None, settings=None):
        (tmp_path / "keras.json").write_text(settings or "{}")
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        monkeypatch.setenv("KERAS_BACKEND", variable or "")
        find = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: name if name in installed else None))
        monkeypatch.setattr(keras_backend, "importlib", find)

    return have


def names(backend):
    return json.dumps({"backend": backend})


@pytest.mark.parametrize(
    ("installed", "variable", "settings", "chosen"),
    [
        (("tensorflow", "jax", "torch"), None, None, "tensorflow"),
        (("torch", "jax"), None, None, "jax"),
        (("torch",), None, None, "torch"),
        (("tensorflow", "jax"), "jax", None, "jax"),
        (("tensorflow", "torch"), None, names("torch"), "torch"),
        (("tensorflow", "jax", "torch"), "jax", names("torch"), "jax"),
        (("jax",), None, names("tensorflow"), "jax"),  # Keras writes that file by itself
        (("tensorflow",), None, "{damaged", "tensorflow"),
        (("tensorflow",), None, "[]", "tensorflow"),
    ],
)
def test_what_is_named_comes_before_what_is_installed(having, installed, variable, settings, chosen):
    having(*installed, variable=variable, settings=settings)
    assert training_backend() == chosen


@pytest.mark.parametrize(
    ("installed", "variable", "settings", "said"),
    [
        (
            ("tensorflow",),
            "jax",
            None,
            r"^KERAS_BACKEND names the backend jax of Keras, which is not installed here: .* jax$",
        ),
        (
            ("tensorflow",),
            None,
            names("torch"),
            r"keras\.json names the backend torch of Keras, which is not .* torch$",
        ),
        (
            ("tensorflow",),
            "numpy",
            None,
            "names the backend 'numpy' of Keras, on which nothing can be trained: set KERAS",
        ),
        (
            (),
            None,
            None,
            "training needs tensorflow.*, jax or torch, none of which is installed here: .* install tensor",
        ),
        ((), None, names("tensorflow"), r"keras\.json names the backend tensorflow of Keras, which is not installed"),
    ],
)
def test_what_cannot_train_is_said_with_the_command_that_installs_it(having, installed, variable, settings, said):
    having(*installed, variable=variable, settings=settings)
    with pytest.raises(HarnessError, match=said):
        training_backend()
