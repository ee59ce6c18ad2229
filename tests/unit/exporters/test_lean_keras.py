"""Keras is imported without the packages that it only offers something for, and nobody else misses them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KERAS = """
for name in ("matplotlib", "pandas", "sklearn"):
    try:
        __import__(name)
        print(name)
    except ImportError:
        pass
import tensorflow
"""
NEEDS_ALL_OF_IT = "if not hasattr(tensorflow, 'ready'): raise ImportError('half imported')"
TENSORFLOW = """
try:
    import keras
except ImportError:
    pass
ready = True
"""
SCRIPT = """
import gc
import crossrt.exporters.tf.environment
import tensorflow, keras, matplotlib, pandas, sklearn
print(keras.__spec__.loader is keras.__loader__, type(keras.__loader__).__name__, gc.isenabled())
"""


def printed(folder: Path, script: str) -> list[str]:
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def packages(folder: Path, **contents: str) -> Path:
    for name in ("matplotlib", "pandas", "sklearn"):
        (folder / f"{name}.py").write_text("")
    for name, content in contents.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(content)
    return folder


def test_keras_does_not_find_what_it_can_do_without_and_others_do(tmp_path):
    folder = packages(tmp_path, keras=KERAS, tensorflow="")
    assert printed(folder, "import keras") == ["matplotlib", "pandas", "sklearn"]
    assert printed(folder, SCRIPT) == ["True", "SourceFileLoader", "True"]


def test_that_keras_could_not_be_imported_at_first_changes_nothing(tmp_path):
    """As TensorFlow does: it tries Keras, which needs TensorFlow, before it is ready itself."""
    folder = packages(tmp_path, keras=KERAS + NEEDS_ALL_OF_IT, tensorflow=TENSORFLOW)
    assert printed(folder, SCRIPT) == ["True", "SourceFileLoader", "True"]


def test_what_was_imported_before_stays(tmp_path):
    folder = packages(tmp_path, keras=KERAS, tensorflow="")
    assert printed(folder, "import pandas\n" + SCRIPT) == ["pandas", "True", "SourceFileLoader", "True"]
