"""Which kind of model a path holds, by content, then by suffix; and its name. Nothing heavy is imported."""

from __future__ import annotations

import re
from pathlib import Path

from crossrt.core.artifact import sha256_of
from crossrt.core.suggestions import did_you_mean_file
from crossrt.exporters.errors import ModelError
from crossrt.exporters.inspection import SourceKind
from crossrt.exporters.sources import keras_file, keras_h5, onnx_file, openvino_ir, saved_model, tflite_file

KNOWN = "a .keras, .onnx or .tflite file, an OpenVINO .xml with its .bin, a SavedModel folder, or a legacy .h5 file"
_ZIP, _HDF = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


def detect(path: Path) -> SourceKind:
    """What kind of model it is.

    Raises:
        ModelError: It is missing, empty, or not a model that crossrt reads; or a folder without one.
    """
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        what = "is not a regular file" if path.exists() else f"does not exist{did_you_mean_file(path)}"
        raise ModelError(f"{path} {what}: give the path of {KNOWN}")
    head = _head(path)
    if not head:
        raise ModelError(f"{path} is empty (0 bytes): it was cut short when it was written or copied")
    suffix = path.suffix.lower()
    if path.name in saved_model.GRAPHS:
        raise ModelError(f"{path} is the graph of a SavedModel: give the folder that it lies in, {path.parent}")
    if head.startswith(_ZIP):
        return "keras"
    if head.startswith(_HDF):
        return "keras-h5"
    if tflite_file.has_identifier(head):
        return "tflite"
    if openvino_ir.looks_like_ir(head):
        return "openvino-ir"
    if suffix == ".onnx" or onnx_file.looks_like_onnx(path):
        return "onnx"
    return _by_suffix(path, suffix)


def _by_suffix(path: Path, suffix: str) -> SourceKind:
    size = path.stat().st_size
    expected = {".keras": "a zip archive", ".h5": "an HDF5 file", ".hdf5": "an HDF5 file", ".tflite": "a TFLite file"}
    if suffix in expected:
        raise ModelError(f"{path} ({size} bytes) is not {expected[suffix]}: it was damaged, or is of another kind")
    if suffix in (".xml", ".bin"):
        other = f": give {path.with_suffix('.xml').name}" if suffix == ".bin" else ", which begins with <net>"
        raise ModelError(f"{path} is not the graph of an OpenVINO model{other}")
    if suffix == ".pb":
        raise ModelError(f"{path} is part of a SavedModel or a frozen graph: give the SavedModel folder itself")
    if suffix in (".pt", ".pth", ".safetensors", ".ckpt"):
        raise ModelError(f"{path} is a PyTorch or checkpoint file: export it to ONNX first (torch.onnx.export)")
    raise ModelError(f"{path} ({size} bytes) is not a model that crossrt reads: give the path of {KNOWN}")


def _in_folder(path: Path) -> SourceKind:
    if saved_model.is_saved_model(path):
        return "saved-model"
    files = sorted(each.name for each in path.iterdir() if each.suffix in (".onnx", ".keras", ".tflite", ".h5"))
    if files:
        raise ModelError(f"{path} is a folder, not a SavedModel: name the model in it, such as {path / files[0]}")
    raise ModelError(
        f"{path} is a folder without a model: give a model file, or a SavedModel folder, which holds saved_model.pb"
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(256)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error


def model_name(path: Path) -> str:
    """The name in case ids: the file's without its suffix; characters that ids cannot hold become `-`."""
    resolved = path if path.name not in ("", ".", "..") else path.resolve()
    known = (".keras", ".onnx", ".tflite", ".h5", ".hdf5", ".xml")
    stem = resolved.stem if resolved.suffix.lower() in known else resolved.name
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") or "model"


def source_sha256(path: Path, kind: SourceKind) -> str:
    """Hash of a model: of its file, its data files included, or of all files of its folder.

    Raises:
        ModelError: Its data files are missing or lie elsewhere.
    """
    if kind == "saved-model":
        return saved_model.folder_sha256(path)
    if kind == "onnx":
        return sha256_of(path, *(path.parent / name for name in onnx_file.data_files(path)))
    if kind == "openvino-ir":
        return sha256_of(path, openvino_ir.weights_of(path))
    return sha256_of(path)


def check_source(path: Path, *, allow_h5: bool = False) -> SourceKind:
    """The kind of a model that may be used.

    Raises:
        ModelError: It is not a model, is damaged, or is a legacy file that was not allowed.
    """
    kind = detect(path)
    if kind == "keras":
        keras_file.check(path)
    elif kind == "keras-h5":
        keras_h5.check(path, allow_h5=allow_h5)
    return kind
