"""Quantization-aware training of a small model of one's own: two files with equal scales, the same after a kill."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
SCRIPT = Path(__file__).with_name("make_qat_model.py")
TRAIN = ("qat", "quarters.keras", "--data", "train.npz", "--validation", "test.npz", "--epochs", "3", "--lr", "1e-3")
FILES = ("quarters.int8-qat.onnx", "quarters.int8-qat.tflite")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qat")
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True, env=environment)
    return folder


def crossrt(*arguments, cwd, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run([CROSSRT, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=1200)


@pytest.fixture(scope="module")
def trained(folder):
    done = crossrt(*TRAIN, "--out", "whole", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done


def test_both_files_have_the_trained_scales_and_answer_alike(folder, trained):
    proof = json.loads((folder / "whole" / "scales.json").read_text())
    assert [each for each in proof["tensors"] if each["difference"]] == []
    assert {each["role"] for each in proof["tensors"]} == {"activation", "weight", "bias"}
    assert len(proof["outputs"]) == 3
    assert all(each["within_one"] >= 0.999 for each in proof["outputs"])
    assert "compared with the trained ones to the last bit" in " ".join(trained.stdout.split())


def test_every_epoch_is_told_and_saved(folder, trained):
    curves = [json.loads(line) for line in (folder / "whole" / "curves.jsonl").read_text().splitlines()]
    assert [each["epoch"] for each in curves] == [0, 1, 2, 3]
    assert curves[-1]["validation"]["metric"] > 0.8
    assert curves[-1]["learning_rate"] < curves[1]["learning_rate"]
    assert "epoch 3/3: loss" in trained.stderr


def test_the_folder_is_benched_and_audited(folder, trained):
    audited = crossrt("audit", "whole/quarters.int8-qat.onnx", cwd=folder)
    assert audited.returncode == 0, audited.stderr
    assert "are the trained ones, in quarters.int8-qat.tflite as well" in " ".join(audited.stdout.split())
    benched = crossrt(
        "bench", "--artifacts", "whole", "--data", "test.npz", "--rounds", "1", "--time", "60", cwd=folder
    )
    assert benched.returncode == 0, benched.stderr
    assert "4 of 4 cases measured" in benched.stdout


def interrupted(folder, out: Path) -> subprocess.CompletedProcess[str]:
    """A training that gets Ctrl-C as soon as its first epoch is saved, or that was over before, on a busy machine."""
    command = [CROSSRT, *TRAIN, "--out", out.name]
    with (
        (folder / "told.txt").open("w") as told,
        subprocess.Popen(command, cwd=folder, stderr=told, stdout=subprocess.DEVNULL) as process,
    ):
        while not (out / "checkpoints" / "epoch-0001").is_dir() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
    return subprocess.CompletedProcess(command, process.returncode, stderr=(folder / "told.txt").read_text())


def test_an_interrupted_training_goes_on_to_the_same_files(folder, trained):
    out = folder / "broken"
    for _ in range(5):
        if (done := interrupted(folder, out)).returncode != 0:
            break
        shutil.rmtree(out)
    assert done.returncode == 130, done.stderr
    assert not (out / "scales.json").exists()
    refused = crossrt(*TRAIN, "--out", "broken", cwd=folder)
    assert refused.returncode == 2
    assert "the same command with --resume goes on" in " ".join(refused.stderr.split())
    done = crossrt(*TRAIN, "--out", "broken", "--resume", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "going on after epoch" in done.stderr
    for name in FILES:
        assert (out / name).read_bytes() == (folder / "whole" / name).read_bytes()


def test_a_loss_that_explodes_stops_the_training_and_leaves_nothing(folder):
    done = crossrt(
        "qat", "quarters.keras", "--data", "huge.npz", "--validation-split", "0", "--out", "none", cwd=folder
    )
    assert done.returncode == 2
    assert "the loss is inf at step 1 of 5 in epoch 1" in " ".join(done.stderr.split())
    assert "no epoch was finished" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (folder / "none").exists()


def test_numpy_reads_a_checkpoint_without_pickle(folder, trained):
    (checkpoint,) = sorted((folder / "whole" / "checkpoints").glob("epoch-0003"))
    with np.load(checkpoint / "variables.npz", allow_pickle=False) as archive:
        assert any(name.startswith("optimizer-") for name in archive.files)


def test_both_files_are_calibrated_with_the_same_scales_without_training(folder):
    done = crossrt(
        "quantize",
        "quarters.keras",
        "--same-scales",
        "--calibration",
        "train.npz",
        "--data",
        "test.npz",
        "--out",
        "lab",
        cwd=folder,
    )
    said = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stderr
    assert "scales and zero points are equal in both files, to the last bit" in said
    assert "every layer computes the same integers in both runtimes" in said
    proof = json.loads((folder / "lab" / "quarters.int8-same.scales.json").read_text())
    assert [each["equal"] for each in proof["outputs"]] == [1.0]
    audited = crossrt("audit", "lab/quarters.int8-same.tflite", cwd=folder)
    assert audited.returncode == 0, audited.stderr
    assert "are the calibrated ones, in quarters.int8-same.onnx as well" in " ".join(audited.stdout.split())


@pytest.fixture(scope="module")
def told(folder):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    script = Path(__file__).with_name("own_loop.py")
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_model_with_layers_in_float_and_learned_ranges_is_trained_in_a_loop_of_ones_own(told):
    found = told["with_islands"]
    assert found["accuracy"] > 0.8
    assert found["is_loaded_alike"]
    assert found["has_moved"] == [True, True]
    assert all(found["octaves"])
    assert found["different"] == 0
    assert found["within_one"] > 0.9


def test_a_model_trained_in_a_loop_of_ones_own_becomes_two_files_with_equal_scales(folder, told):
    assert told["losses"][-1] < told["losses"][0]
    assert told["accuracy"] > 0.9
    assert told["is_loaded_alike"]
    assert told["files"] == list(FILES)
    assert told["are_trained"]
    assert (told["different"], told["scales"] > 10, told["within_one"] >= 0.999) == (0, True, True)
    audited = crossrt("audit", "own/quarters.int8-qat.tflite", cwd=folder)
    assert audited.returncode == 0, audited.stderr
    assert "are the trained ones, in quarters.int8-qat.onnx as well" in " ".join(audited.stdout.split())


def test_curves_are_pictures_and_a_section_of_the_page(folder, trained):
    assert (folder / "whole" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "whole" / "curves.svg").read_text()
    done = crossrt("report", "whole", "--html", "curves.html", "--png", "drawn", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "epoch 3: validation accuracy" in (folder / "curves.html").read_text()
    assert (folder / "drawn" / "curves.png").is_file()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_trains_and_tensorflow_writes_the_same_files(folder, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = crossrt(*TRAIN, "--out", backend, cwd=folder, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr
    proof = json.loads((folder / backend / "scales.json").read_text())
    assert [each for each in proof["tensors"] if each["difference"]] == []
    assert all(each["within_one"] >= 0.999 for each in proof["outputs"])
    manifest = json.loads((folder / backend / f"{FILES[0]}.manifest.json").read_text())
    assert manifest["training"]["backend"] == backend
    refused = crossrt(*TRAIN, "--out", backend, "--resume", cwd=folder, KERAS_BACKEND="tensorflow")
    assert refused.returncode == 2
    assert f"was made with Keras on {backend}, and this is tensorflow" in " ".join(refused.stderr.split())
