"""Keras files that are refused before Keras is imported, and the names that models get from theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.datasets.mnist.architectures import ARCHITECTURES
from crossrt.exporters.errors import ModelError
from crossrt.exporters.sources import keras_file as keras_model
from crossrt.exporters.sources.keras_file import SHIPPED_MODEL, check_model_file, model_file, model_name, shipped_models
from crossrt.harness.cli.commands.train import train


def refusal(path) -> str:
    with pytest.raises(ModelError) as caught:
        check_model_file(path)
    return str(caught.value)


def test_the_shipped_model_is_accepted():
    assert check_model_file(SHIPPED_MODEL) is None


def test_a_missing_file_is_named(tmp_path):
    assert f"no model file {tmp_path / 'net.keras'}" in refusal(tmp_path / "net.keras")


def test_a_folder_is_no_model_file(tmp_path):
    (tmp_path / "net.keras").mkdir()
    assert str(tmp_path / "net.keras") in refusal(tmp_path / "net.keras")


@pytest.mark.parametrize("name", ["net.h5", "net", "net.keras.zip", "net.KERAS"])
def test_another_suffix_is_refused_with_the_way_out(tmp_path, name):
    (tmp_path / name).write_bytes(SHIPPED_MODEL.read_bytes()[:100])
    message = refusal(tmp_path / name)
    assert str(tmp_path / name) in message
    assert "model.save('name.keras')" in message


@pytest.mark.parametrize("content", [b"", b"P", b"\x89HDF\r\n\x1a\n", b"KP\x03\x04"])
def test_what_is_no_zip_archive_is_refused(tmp_path, content):
    (tmp_path / "net.keras").write_bytes(content)
    message = refusal(tmp_path / "net.keras")
    assert f"{tmp_path / 'net.keras'} ({len(content)} bytes) is not a .keras file" in message


def test_an_oversized_file_is_refused(monkeypatch):
    monkeypatch.setattr(keras_model, "MOST_BYTES", 1000)
    message = refusal(SHIPPED_MODEL)
    assert str(SHIPPED_MODEL) in message
    assert "1000 bytes are refused" in message


def test_checking_a_file_does_not_import_keras():
    source = (
        "import sys\nfrom crossrt.exporters.sources.keras_file import SHIPPED_MODEL, check_model_file\n"
        "check_model_file(SHIPPED_MODEL)\nprint(*sys.modules)"
    )
    command = [sys.executable, "-P", "-c", source]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"keras", "tensorflow"} & set(imported)


@pytest.mark.parametrize("name", ["mnist-cnn", "net_2", "A"])
def test_a_model_is_named_after_its_file(name):
    assert model_name(Path(f"folder/{name}.keras")) == name


@pytest.mark.parametrize("name", ["v1.2", "my net", "net@home", "a|b", "größe", "net\n"])
def test_a_file_whose_name_would_break_case_ids_is_refused(name):
    with pytest.raises(ModelError, match="rename it") as caught:
        model_name(Path(f"folder/{name}.keras"))
    assert f"{name}.keras" in str(caught.value)


def test_a_model_that_ships_is_named_without_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped_models()[0] == "mnist-cnn"
    assert all(model_file(name) == SHIPPED_MODEL.with_name(f"{name}.keras") for name in shipped_models())
    assert model_file("mnist-cnn.keras") == Path("mnist-cnn.keras")
    assert model_file("other/mnist-cnn") == Path("other/mnist-cnn")


def test_three_models_ship_and_can_be_trained():
    assert set(shipped_models()) == set(ARCHITECTURES)
    (option,) = [option for option in train.params if option.name == "architecture"]
    assert list(option.type.choices) == list(ARCHITECTURES)
