"""The command that installs what is missing."""

from __future__ import annotations

import importlib.machinery
import shlex
import sys
import types

import pytest

from crossrt.core.install import install_command, installed_builds


def test_it_uses_the_environments_own_pip(monkeypatch):
    pip = types.ModuleType("pip")
    pip.__spec__ = importlib.machinery.ModuleSpec("pip", None)
    monkeypatch.setitem(sys.modules, "pip", pip)
    assert install_command("onnxruntime") == f"{sys.executable} -m pip install onnxruntime"


def test_without_one_it_borrows_that_of_the_python_below_whatever_is_activated(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pip", None)
    base = tmp_path / "bin" / f"python3.{sys.version_info.minor}"
    base.parent.mkdir()
    base.touch()
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    assert install_command("onnxruntime") == f"{base} -m pip --python {sys.executable} install onnxruntime"
    base.unlink()
    assert install_command("onnxruntime") == f"python3 -m pip --python {sys.executable} install onnxruntime"


def test_extras_are_quoted_and_several_packages_taken(monkeypatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    assert install_command("crossrt[ort]", "onnx").endswith(" install 'crossrt[ort]' onnx")


def test_the_interpreter_is_quoted(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/my environment/bin/python")
    assert "/my environment/bin/python" in shlex.split(install_command("onnxruntime"))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs made-up distributions of a package that is called `onnxruntime`."""

    def install(**versions):
        for name, version in versions.items():
            info = tmp_path / f"{name}-{version}.dist-info"
            info.mkdir()
            metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
            (info / "METADATA").write_text(metadata)
            module = name if name in ("onnxruntime_genai", "numpy") else "onnxruntime"
            (info / "RECORD").write_text(f"{module}/__init__.py,,\n")
            (tmp_path / module).mkdir(exist_ok=True)
            (tmp_path / module / "__init__.py").touch()  # from Python 3.12 on, files that are missing are not listed
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        installed_builds.cache_clear()
        return installed_builds("onnxruntime")

    yield install
    installed_builds.cache_clear()


def test_the_build_that_is_installed_is_named(installed):
    assert installed(onnxruntime_gpu="1.31.1", onnxruntime_genai="0.9") == {"onnxruntime-gpu": "1.31.1"}


def test_builds_that_share_a_folder_are_all_named(installed):
    assert installed(onnxruntime="1.30", onnxruntime_gpu="1.31.1", ort_nightly="1.32") == {
        "onnxruntime": "1.30",
        "onnxruntime-gpu": "1.31.1",
        "ort-nightly": "1.32",
    }


def test_a_package_that_is_missing_has_no_builds(installed):
    assert installed(numpy="2.4") == {}
