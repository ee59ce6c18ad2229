"""Functions of the user: what they may give, and what is said when they fail."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.opening import DataRequest, open_dataset

HEAD = "import numpy as np\n"


@pytest.fixture
def code(tmp_path):
    def write(text):
        (tmp_path / "data.py").write_text(HEAD + text)
        return str(tmp_path / "data.py")

    return write


def opened(reference, inputs=None, **options):
    return open_dataset(DataRequest(reference=reference, **options), inputs)


def refusal(reference, **options) -> str:
    with pytest.raises(DataError) as caught:
        opened(reference, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        "np.zeros((3, 2)), np.array([1, 2, 3])",
        "{'x': np.zeros((3, 2))}, [1, 2, 3]",
        "{'x': np.zeros((3, 2)), 'labels': [1, 2, 3]}",
        "{'x': [[0.0, 0.0]] * 3, 'labels': [1, 2, 3]}",
    ],
)
def test_arrays_dicts_and_pairs_are_data_sets(code, given):
    data = opened(
        f"{code(f'def load():{chr(10)}    return {given}')}:load",
        (TensorSpec(name="x", dtype="float32", shape=("N", 2)),),
    )
    assert data.feeds([0, 2])["x"].shape == (2, 2)
    assert data.labels.tolist() == [1, 2, 3]
    assert any("samples come from code" in note for note in data.notes)


def test_the_split_is_handed_on(code):
    reference = f"{code('def load(split):    return np.full((2, 1), len(split))')}:load"
    assert opened(reference, split="train").feeds([0])["input"].tolist() == [[5]]
    assert "is called with no arguments, but its signature is (split)" in refusal(reference)


def test_a_module_is_imported_by_name(tmp_path, monkeypatch):
    (tmp_path / "crossrt_test_data_module.py").write_text(HEAD + "def load():    return np.zeros((4, 1))")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(opened("crossrt_test_data_module:load")) == 4


def test_a_file_may_import_its_neighbours(code, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "crossrt_test_neighbour.py").write_text("COUNT = 3")
    reference = code("import crossrt_test_neighbour\ndef load():    return np.zeros((crossrt_test_neighbour.COUNT, 1))")
    assert len(opened(f"{reference}:load")) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def load():\n    raise ValueError('no disk')", "load raised: ValueError: no disk (data.py, line 3)"),
        ("def load():\n    raise SystemExit(3)", "load raised: SystemExit: 3"),
        ("import os\ndef load():\n    os._exit(0)", "load raised: SystemExit: it called os._exit(0), which would end"),
        ("raise RuntimeError('at import')", "cannot be imported: RuntimeError: at import (data.py, line 2)"),
        ("def load(:", "cannot be imported: SyntaxError"),
        ("load = 3\ndef loaded(): ...\ndef other(): ...", "has no function 'load'; available: loaded, other"),
        ("", "has no function 'load'; available: none"),
        ("def load():\n    return None", "is of type NoneType; expected a data set, a dict of arrays"),
        ("def load():\n    return 'x.npz'", "is of type str; expected"),
        ("def load():\n    return np.zeros(3), 1, 2", "gave a tuple of 3; expected"),
        ("def load():\n    return {}", "holds no array that could feed a model"),
        ("def load():\n    return np.array([None, 1])", "Python objects"),
        ("def load():\n    return [[1], [1, 2]]", "cannot be read: ValueError"),
        ("def load():\n    return np.zeros((2, 1)), np.zeros(3)", "input: 2, labels: 3"),
        ("def load():\n    return np.zeros((0, 1))", "holds no samples"),
    ],
)
def test_what_goes_wrong_is_one_message_with_the_function_and_the_reason(code, text, message):
    found = refusal(f"{code(text)}:load")
    assert message in found
    assert "data.py" in found


def test_a_missing_file_or_module_is_named(tmp_path):
    assert "nothing.py is not a file" in refusal(f"{tmp_path}/nothing.py:load")
    assert "ModuleNotFoundError: No module named 'crossrt_no_such_module'" in refusal("crossrt_no_such_module:load")


def test_a_file_of_data_is_never_imported_as_a_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crossrt_test_ran.py").write_text("raise SystemExit")
    (tmp_path / "crossrt_test_ran.npz").write_bytes(b"")
    assert "names a file that is not Python code" in refusal("crossrt_test_ran.npz:load")


@pytest.mark.parametrize("reference", ["a b:load", "mod:", ":load", "data/x:load", "mod:load it"])
def test_what_does_not_name_a_function_is_not_imported(reference):
    assert "there is no data set" in refusal(reference)


def test_prints_go_to_standard_error(code, capsys):
    opened(f"{code('print(1)' + chr(10) + 'def load():    print(2); return np.zeros(3)')}:load")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "1\n2\n")


CUSTOM = """
from crossrt.core.tensor import TensorSpec
class Mine:
    name, fingerprint, shared, labels, notes = "mine", "0" * 64, frozenset(), None, ()
    inputs = {"x": TensorSpec(name="x", dtype="float32", shape=(2,))}
    def __len__(self):
        return 5
    def feeds(self, indices):
        BODY
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError(indices[0])", "mine: samples 1 to 3 cannot be read: KeyError: 1"),
        ("return {}", "mine: `feeds` gives no array 'x', which `inputs` promises"),
        ("return {'x': np.zeros((2, 2))}", "gives 'x' as float64 (2, 2); `inputs` promises float32 (2, 2)"),
        ("return {'x': np.zeros((2, 3), 'f')}", "gives 'x' as float32 (2, 3); `inputs` promises float32 (2, 2)"),
    ],
)
def test_a_data_set_of_the_user_is_checked_when_it_is_read(code, body, message):
    data = opened(f"{code(CUSTOM.replace('BODY', body))}:Mine")
    assert len(data) == 5
    with pytest.raises(DataError) as caught:
        data.feeds([1, 3])
    assert message in str(caught.value)


def test_a_data_set_of_the_user_is_limited_like_any_other(code):
    data = opened(
        f"{code(CUSTOM.replace('BODY', 'return {chr(120): np.ones((len(indices), 2), np.float32)}'))}:Mine", limit=2
    )
    assert len(data) == 2
    assert data.fingerprint != "0" * 64
    np.testing.assert_array_equal(data.feeds([1])["x"], np.ones((1, 2)))
