"""A package index without a network: a `uv` of our own, in front of all others, that installs stand-ins.

A stand-in of onnxruntime is the installed one under another version; it may be slower, answer otherwise, or break.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent

import numpy
import onnxruntime
import pytest

from crossrt.harness.locations import version_environments

_UV = """
import json, pathlib, re, sys
sys.path[:0] = {path!r}
from packaging.requirements import Requirement
from packaging.version import Version
root = pathlib.Path({root!r})
index = json.loads((root / "index.json").read_text())
with (root / "calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
if (said := index["fails"]):
    sys.exit(said)
words = sys.argv[1:]
def fitting(text):
    wanted = Requirement(text)
    found = [each for each in index["packages"].get(wanted.name, {{}}) if wanted.specifier.contains(each)]
    if not found:
        sys.exit(f"error: No solution found\\n  cause: Because there is no version of {{text}}, it is unsatisfiable.")
    return wanted.name, sorted(found, key=Version)
if words[1] == "compile":
    name, found = fitting(sys.stdin.read().strip())
    print(f"{{name}}=={{found[0 if 'lowest' in words else -1]}}")
else:
    python = pathlib.Path(words[words.index("--python") + 1])
    site = next((python.parent.parent / "lib").glob("python*")) / "site-packages"
    for name, found in map(fitting, [each for each in words if re.match(r"[a-z][a-z-]*([=<>]|$)", each)
                                     and each not in ("pip", "install")]):
        for old in site.glob(f"{{name}}-*.dist-info"):
            (old / "METADATA").unlink(); old.rmdir()
        info = site / f"{{name}}-{{found[-1]}}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {{name}}\\nVersion: {{found[-1]}}\\n")
        body = index["packages"][name][found[-1]]
        if body.startswith("/"):
            for each in (body, body + ".libs"):
                link = site / pathlib.Path(each).name
                if pathlib.Path(each).is_dir() and not link.exists():
                    link.symlink_to(each)
        else:
            (site / name).mkdir(exist_ok=True)
            (site / name / "__init__.py").write_text(body)
"""

_STAND_IN = """
import importlib.util, sys, time
real = {real!r}
spec = importlib.util.spec_from_file_location("onnxruntime", real + "/__init__.py", submodule_search_locations=[real])
module = importlib.util.module_from_spec(spec)
sys.modules["onnxruntime"] = module
spec.loader.exec_module(module)
module.__version__ = {version!r}
plain = module.InferenceSession
class InferenceSession(plain):
    def run(self, *arguments, **named):
        end = time.perf_counter() + {delay_s!r}
        while time.perf_counter() < end:
            pass
        return [found + {shift!r} if found.dtype.kind == "f" else found for found in super().run(*arguments, **named)]
if {delay_s!r} or {shift!r}:
    module.InferenceSession = InferenceSession
"""


@dataclass(frozen=True)
class Index:
    """What the stand-in of uv knows."""

    root: Path

    def add(self, number: str, *, delay_s=0.0, shift=0.0, body: str | None = None) -> None:
        """A version of onnxruntime, or something with this body in its place."""
        real = str(Path(onnxruntime.__file__).parent)
        text = body or _STAND_IN.format(real=real, version=number, delay_s=delay_s, shift=shift)
        content = self.content
        content["packages"].setdefault("onnxruntime", {})[number] = text
        (self.root / "index.json").write_text(json.dumps(content))

    @property
    def content(self) -> dict:
        return json.loads((self.root / "index.json").read_text())

    def fail(self, said: str | None) -> None:
        """Every call ends with these words."""
        (self.root / "index.json").write_text(json.dumps({**self.content, "fails": said}))

    @property
    def installs(self) -> list[str]:
        """The calls that installed something."""
        found = self.root / "calls"
        return [each for each in found.read_text().splitlines() if " install " in each] if found.exists() else []


@pytest.fixture
def index(tmp_path, monkeypatch) -> Index:
    """An index that holds numpy alone, and a uv that asks it."""
    root = tmp_path / "index"
    (root / "bin").mkdir(parents=True)
    folder = str(Path(numpy.__file__).parent)
    packages = {"numpy": {version("numpy"): folder, "1.26.4": folder}}
    (root / "index.json").write_text(json.dumps({"packages": packages, "fails": None}))
    path = [each for each in sys.path if each.endswith("site-packages")]
    script = _UV.format(path=path, root=str(root))
    (root / "uv.py").write_text(dedent(script))
    (root / "bin" / "uv").write_text(f'#!/bin/sh\nexec {sys.executable} -I {root / "uv.py"} "$@"\n')
    (root / "bin" / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{root / 'bin'}:/usr/bin:/bin")
    return Index(root)


@pytest.fixture
def environments():
    """The environments of the test's cache, and what was said of them."""
    said: list[str] = []
    found = version_environments(said.append)
    return found, said


@pytest.fixture(autouse=True)
def let_go(monkeypatch):
    """Environments of a test are not held beyond it."""
    import os

    from crossrt.runtimes.versions import environments

    held: dict[Path, int] = {}
    monkeypatch.setattr(environments, "_held", held)
    yield
    for descriptor in held.values():
        os.close(descriptor)
