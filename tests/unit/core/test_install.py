"""The command that installs what is missing."""

from __future__ import annotations

import importlib.machinery
import shlex
import sys
import types

from crossrt.core.install import install_command


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
