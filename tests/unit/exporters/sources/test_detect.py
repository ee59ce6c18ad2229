"""Which kind of model a path holds, what is refused in one line, and the names that models get."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from crossrt.exporters.errors import ModelError
from crossrt.exporters.sources import keras_file
from crossrt.exporters.sources.detect import check_source, detect, model_name, source_sha256
from crossrt.exporters.sources.saved_model import check_graph

MODELS = Path(__file__).parents[3] / "data" / "models"
ONNX, TFLITE = MODELS / "conv.fp32.onnx" / "model.onnx", MODELS / "conv.fp32.tflite" / "model.tflite"
HDF = b"\x89HDF\r\n\x1a\n"


def refusal(path, **options) -> str:
    with pytest.raises(ModelError) as caught:
        check_source(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def keras_archive(tmp_path):
    """Writes a zip archive with the parts of a Keras file."""

    def write(name="net.keras", parts=("metadata.json", "config.json", "model.weights.h5")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for part in parts:
                archive.writestr(part, "{}")
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["net.onnx", "net", "net.bin"])
def test_an_onnx_file_is_known_by_its_content(tmp_path, name):
    (tmp_path / name).write_bytes(ONNX.read_bytes())
    assert detect(tmp_path / name) == "onnx"


@pytest.mark.parametrize("name", ["net.tflite", "net.lite", "net.onnx"])
def test_a_tflite_file_is_known_by_its_content(tmp_path, name):
    (tmp_path / name).write_bytes(TFLITE.read_bytes())
    assert detect(tmp_path / name) == "tflite"


@pytest.mark.parametrize("name", ["net.keras", "net.zip"])
def test_a_keras_file_is_known_by_its_content(keras_archive, name):
    assert check_source(keras_archive(name)) == "keras"


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_folder_with_a_saved_model_is_one(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    assert check_source(tmp_path) == "saved-model"


def test_a_legacy_file_is_refused_with_the_risk_unless_allowed(tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(HDF + b"rest")
    message = refusal(path)
    assert "Python code that runs when it is loaded" in message
    assert "--allow-h5" in message
    assert check_source(path, allow_h5=True) == "keras-h5"


def test_a_legacy_file_under_another_name_is_refused_too(tmp_path):
    (tmp_path / "net.keras").write_bytes(HDF)
    assert "legacy .h5" in refusal(tmp_path / "net.keras")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("net.onnx", b"", "is empty (0 bytes)"),
        ("net.keras", b"damaged", "(7 bytes) is not a zip archive"),
        ("net.tflite", b"damaged!", "(8 bytes) is not a TFLite file"),
        ("net.h5", b"damaged", "is not an HDF5 file"),
        ("net.pt", b"abc", "export it to ONNX first"),
        ("frozen.pb", b"abc", "give the SavedModel folder"),
        ("saved_model.pb", b"\x08\x01\x12\x04", "graph of a SavedModel: give the folder that it lies in"),
        ("notes.txt", b"abc", "is not a model that crossrt reads"),
        ("net.keras", b"PK\x03\x04 cut short", "is a damaged .keras file"),
    ],
)
def test_what_is_not_a_model_is_refused_in_one_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name)
    assert words in message
    assert str(tmp_path / name) in message


def test_a_missing_file_is_named(tmp_path):
    assert f"{tmp_path / 'net.onnx'} does not exist: give" in refusal(tmp_path / "net.onnx")


def test_the_nearest_name_to_that_of_a_missing_file_is_suggested(tmp_path):
    (tmp_path / "network.onnx").touch()
    message = refusal(tmp_path / "netwrok.onnx")
    assert f"does not exist (did you mean {tmp_path / 'network.onnx'}?)" in message


def test_a_folder_without_a_model_is_refused(tmp_path):
    assert "is a folder without a model" in refusal(tmp_path)


def test_a_folder_that_holds_a_model_file_names_it(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"x")
    assert f"such as {tmp_path / 'net.onnx'}" in refusal(tmp_path)


def test_an_archive_of_something_else_is_refused(keras_archive):
    assert "without config.json and model.weights.h5" in refusal(keras_archive(parts=("readme.txt",)))


def test_an_archive_that_unpacks_to_too_much_is_refused(keras_archive, monkeypatch):
    monkeypatch.setattr(keras_file, "MOST_BYTES", 5)
    assert "unpacks to 6 bytes; more than 5 are refused" in refusal(keras_archive())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("folder/mnist-cnn.keras", "mnist-cnn"),
        ("net_2.onnx", "net_2"),
        ("v1.2.onnx", "v1-2"),
        ("my net (final).tflite", "my-net-final"),
        ("größe.onnx", "gr-e"),
        ("yolov8n.int8.onnx", "yolov8n-int8"),
        ("saved/mobilenet_v2", "mobilenet_v2"),
        ("saved/model.v2", "model-v2"),
        ("..onnx", "model"),
        ("---.onnx", "model"),
    ],
)
def test_any_file_name_gives_a_name_that_case_ids_can_hold(path, name):
    assert model_name(Path(path)) == name


def test_the_hash_of_a_folder_follows_its_files_and_their_names(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "variables" / "a").write_bytes(b"1")
    first = source_sha256(tmp_path, "saved-model")
    (tmp_path / "variables" / "a").rename(tmp_path / "variables" / "b")
    second = source_sha256(tmp_path, "saved-model")
    (tmp_path / "variables" / "b").write_bytes(b"2")
    assert len({first, second, source_sha256(tmp_path, "saved-model")}) == 3


def test_detecting_imports_nothing_heavy():
    source = (
        "import sys\nfrom pathlib import Path\nfrom crossrt.exporters.sources.detect import check_source\n"
        f"check_source(Path({str(ONNX)!r}))\nprint(*sys.modules)"
    )
    command = [sys.executable, "-P", "-c", source]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"keras", "tensorflow", "onnx", "onnxruntime", "scipy", "ai_edge_litert"} & set(imported)


def test_a_saved_model_without_a_graph_in_its_file_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelError, match=r"saved_model.pb is empty: export the model again"):
        check_graph(tmp_path)
