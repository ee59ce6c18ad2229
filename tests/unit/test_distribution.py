"""What is in the wheel and in the sdist."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
DATA = {
    "datasets/cifar10/data/README.md",
    "datasets/cifar10/data/test-2000.xz",
    "datasets/cifar10/data/train-500.xz",
    "datasets/mnist/data/t10k-images-idx3-ubyte.gz",
    "datasets/mnist/data/t10k-labels-idx1-ubyte.gz",
    "datasets/mnist/data/train-10k-images-idx3-ubyte.gz",
    "datasets/mnist/data/train-10k-labels-idx1-ubyte.gz",
    "datasets/mnist/models/mnist-cnn.keras",
    "docs/tutorial.md",
    "history/store/migrations/env.py",
    "history/store/migrations/version_1.py",
    "history/store/migrations/versions/v0001_first.py",
    "history/store/migrations/versions/v0002_any_model.py",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-P", "-m", "build", "--no-isolation", "-o", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_wheel_holds_exactly_one_package_with_data_model_and_licences(built):
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    info = f"crossrt-{VERSION}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"crossrt", info}
    assert set(names) >= {f"crossrt/{each}" for each in (*DATA, "py.typed", "__main__.py")}
    assert set(names) >= {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"}


def test_wheel_is_small_and_has_no_leftovers(built):
    wheel = next(built.glob("*.whl"))
    assert wheel.stat().st_size < 12_000_000
    binary = (".pyc", ".npy", ".onnx", ".tflite")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((*binary, "/model.keras"))}
    conformance = {name for name in shipped if name.startswith("crossrt/runtimes/conformance/models/")}
    assert {Path(name).suffix for name in conformance} == {".onnx", ".tflite", ".keras"}
    noop = {f"crossrt/harness/measure/noop_files/{each}/model.{each}" for each in ("onnx", "tflite", "keras")}
    assert shipped - conformance == noop


def test_sdist_holds_what_the_wheel_is_built_from_and_the_tests(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= DATA | {"pyproject.toml", "tox.ini", "constraints.txt", "NOTICE", "tests/unit/test_distribution.py"}
