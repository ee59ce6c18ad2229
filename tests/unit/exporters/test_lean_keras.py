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


def test_a_user_s_module_gets_its_packages_after_an_import_that_failed_and_modules_are_as_before(tmp_path):
    """A module with layers of a user's own, imported before Keras is and after."""
    folder = packages(tmp_path, keras=KERAS + "raise RuntimeError", tensorflow="import keras")
    (folder / "early_layers.py").write_text("import pandas")
    (folder / "layers.py").write_text("import sklearn, pandas, matplotlib\nfrom importlib.util import find_spec")
    script = """
import gc, sys
import crossrt.exporters.tf.environment
import early_layers
before = set(sys.modules)
try:
    import tensorflow
except RuntimeError:
    print("failed")
print({name for name in set(sys.modules) ^ before if name in ("matplotlib", "sklearn", "keras")}, gc.isenabled())
import layers
print(early_layers.pandas is sys.modules["pandas"] is layers.pandas, layers.find_spec("sklearn").name)
"""
    assert printed(folder, script) == ["pandas", "failed", "set()", "True", "True", "sklearn"]


def test_another_thread_finds_everything_while_keras_is_imported(tmp_path):
    waits = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(1) as pool:
    print(pool.submit(__import__, "sklearn").result().__name__)
"""
    folder = packages(tmp_path, keras=KERAS + waits, tensorflow="")
    script = SCRIPT.replace("import tensorflow, keras, matplotlib", "import keras, matplotlib")
    assert printed(folder, script) == ["sklearn", "True", "SourceFileLoader", "True"]
