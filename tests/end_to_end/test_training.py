"""`crossrt train` on a few images of CIFAR-10: killed at any moment, it goes on to the same network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from crossrt.datasets.cifar10.shipped import shipped

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
TRAIN = ("train", "--architecture", "cifar-resnet8", "--data", "few.npz", "--epochs", "3", "--out")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, images, test = tmp_path_factory.mktemp("train"), shipped("test"), shipped("train")
    np.savez(
        folder / "few.npz",
        x_train=images.pixels[:450],
        y_train=images.labels[:450],
        x_test=test.pixels[:100],
        y_test=test.labels[:100],
    )
    return folder


def crossrt(*arguments, cwd):
    return subprocess.run([CROSSRT, *arguments], cwd=cwd, capture_output=True, text=True, timeout=1200)


def weights(path):
    return zipfile.ZipFile(path).read("model.weights.h5")


def ended_after_an_epoch(folder, name, how) -> int:
    """The exit status of a training that is ended as soon as its first epoch is saved; 0 where it was over before."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    checkpoint = (folder / name).with_suffix(".checkpoints") / "epoch-0001"
    with subprocess.Popen([CROSSRT, *TRAIN, name], cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        while not checkpoint.is_dir() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(how)
    return process.returncode


def remove(model):
    """All that a training wrote."""
    for path in model.parent.glob(f"{model.stem}.*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_training_goes_on_to_the_same_network(folder, how):
    whole, name = folder / "whole.keras", f"broken-{how.name}.keras"
    if not whole.exists():
        done = crossrt(*TRAIN, whole.name, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "78,666 parameters; 450 samples, 100 test samples to validate on" in done.stderr
        assert "top-1 on the test samples" in done.stdout
    for _ in range(5):
        if (status := ended_after_an_epoch(folder, name, how)) != 0:
            break
        remove(folder / name)
    assert status in (130, -signal.SIGKILL)
    assert not (folder / name).exists()
    refused = crossrt(*TRAIN, name, cwd=folder)
    assert refused.returncode == 2
    assert "go on with it by --resume" in refused.stderr
    done = crossrt(*TRAIN, name, "--resume", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "going on after epoch" in done.stderr
    assert weights(folder / name) == weights(whole)
    lines = (folder / name).with_suffix(".curves.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
