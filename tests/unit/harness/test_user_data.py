"""Data functions run in a process of their own: whatever they do ends in one message, or in samples."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from crossrt.core.errors import CrossrtError, DataError
from crossrt.core.tensor import TensorSpec
from crossrt.core.user_code import time_limit_s
from crossrt.datasets.opening import DataRequest, dataset_from, open_dataset
from crossrt.datasets.serving import host
from crossrt.harness.process import user_code
from crossrt.harness.process.user_data import served

pytestmark = pytest.mark.processes

X = (TensorSpec(name="x", dtype="float32", shape=("N", 2)),)
LAZY = """
import os, time, ctypes
import numpy as np
from crossrt.core.tensor import TensorSpec

class Mine:
    name, fingerprint, shared, notes = "mine", "0" * 64, frozenset({"rate"}), ("a note",)
    inputs = {
        "x": TensorSpec(name="x", dtype="float32", shape=(2,)),
        "rate": TensorSpec(name="rate", dtype="int64", shape=()),
    }
    labels = np.arange(1000)
    def __len__(self):
        return 1000
    def feeds(self, indices):
        BODY
        return {"x": np.array([[i, os.getpid()] for i in indices], np.float32), "rate": np.array(16000)}
"""


@pytest.fixture
def folder(tmp_path):
    """A scratch folder whose processes are gone after the test."""
    made = tmp_path / "scratch"
    made.mkdir()
    with user_code.user_code_in(made):
        yield made


@pytest.fixture
def code(tmp_path):
    def write(text, name="data.py"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.fixture
def refusal(code, folder):
    def found(text, function="load"):
        with pytest.raises(DataError) as caught:
            served(DataRequest(reference=f"{code(text)}:{function}"), X, folder)
        return str(caught.value)

    return found


def opened(reference, folder, **options):
    return open_dataset(served(DataRequest(reference=reference, **options), X, folder), X)


@pytest.mark.parametrize("ending", ["", "    if not child: raise ValueError('a copy')\n"])
def test_a_copy_that_code_forks_leaves_quietly(code, folder, capfd, ending):
    text = (
        f"import os, numpy as np\ndef load():\n    child = os.fork()\n{ending}    return np.ones((4, 2), np.float32)\n"
    )
    assert len(opened(f"{code(text)}:load", folder)) == 4
    assert capfd.readouterr().err == ""


def test_a_copy_that_is_forked_while_samples_are_given_leaves_quietly(code, folder, capfd):
    data = opened(f"{code(LAZY.replace('BODY', 'os.fork()'))}:Mine", folder)
    assert [data.feeds([place])["x"][0, 0] for place in (3, 5)] == [3, 5]
    assert capfd.readouterr().err == ""


def test_arrays_are_read_from_files_and_the_process_is_gone(code, folder, tmp_path):
    reference = code(
        "import os, numpy as np\n"
        f"def load(split):\n    open({str(tmp_path / 'calls')!r}, 'a').write(f'{{os.getpid()}} ')\n"
        "    return {'x': np.arange(8, dtype='f').reshape(4, 2), 'rate': 16000, 'labels': [0, 1, 0, 1]}\n"
    )
    request = served(DataRequest(reference=f"{reference}:load", split="test", limit=3), X, folder)
    for _ in range(2):  # this process and any other read the same files
        data = open_dataset(request, X)
        assert (len(data), data.labels.tolist(), data.shared) == (3, [0, 1, 0], {"rate"})
        assert data.feeds([2, 0])["x"].tolist() == [[4, 5], [0, 1]]
        assert any("samples come from code" in note for note in data.notes)
    (pid,) = map(int, (tmp_path / "calls").read_text().split())
    assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not user_code._kept[folder]


def test_a_lone_array_is_that_of_the_only_input(code, folder):
    assert list(
        opened(f"{code('import numpy as np' + chr(10) + 'def load(): return np.zeros((3, 2))')}:load", folder).inputs
    ) == ["x"]


def test_a_lazy_data_set_is_asked_for_what_is_needed_by_every_process(code, folder, tmp_path):
    log = tmp_path / "asked"
    reference = code(LAZY.replace("BODY", f"open({str(log)!r}, 'a').write(f'{{list(indices)}}\\n')"))
    request = served(DataRequest(reference=f"{reference}:Mine"), X, folder)
    data = open_dataset(request, X)
    assert (len(data), data.fingerprint, data.notes[0], data.labels[7]) == (1000, "0" * 64, "a note", 7)
    assert not log.exists()
    first = data.feeds([5, 3])
    assert first["x"][:, 0].tolist() == [5, 3]
    assert first["rate"] == 16000
    other = (
        "import sys; from crossrt.datasets.opening import *\n"
        "print(int(open_dataset(DataRequest(reference='?', served=sys.argv[1])).feeds(range(2))['x'][1, 1]))"
    )
    pid = subprocess.run([sys.executable, "-c", other, request.served], capture_output=True, text=True, check=True)
    assert int(pid.stdout) == int(first["x"][0, 1]) != os.getpid()
    assert log.read_text() == "[5, 3]\n[0, 1]\n"
    assert not list((Path(request.served)).glob("given-*"))


def test_the_process_of_a_lazy_data_set_ends_with_the_scratch_folder(code, tmp_path):
    made = tmp_path / "own"
    made.mkdir()
    with user_code.user_code_in(made):
        data = opened(f"{code(LAZY.replace('BODY', 'pass'))}:Mine", made)
        pid = int(data.feeds([0])["x"][0, 1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "import time; time.sleep(600)",
            "did not answer within 0.3 s, so it was stopped; CROSSRT_CODE_TIMEOUT=SECONDS",
        ),
        ("while True: print('x' * 10_000)", "did not answer within 0.3 s, so it was stopped"),
    ],
)
def test_a_function_that_hangs_is_stopped_and_named(refusal, monkeypatch, body, message, capfd):
    monkeypatch.setenv("CROSSRT_CODE_TIMEOUT", "0.3")
    assert "data.py:load " + message in refusal(f"def load():\n    {body}\n")
    assert len(capfd.readouterr().err) < 2 * user_code.MOST_PRINTED_BYTES


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "import ctypes; ctypes.string_at(0)",
            "could not be run to its end: the process was ended by SIGSEGV, a crash",
        ),
        (
            "import os; os.kill(os.getpid(), 9)",
            "the process was ended by SIGKILL, perhaps by the system for lack of mem",
        ),
        ("import os; os._exit(0)", "it called os._exit(0), which would end"),
        ("raise ValueError('no disk')", "data.py:load raised: ValueError: no disk (data.py, line 2)"),
        ("raise KeyboardInterrupt", "failed: KeyboardInterrupt"),
        ("return 'x.npz'", "array 'x' is of type str; expected a data set, a dict of arrays"),
        ("return list(bytearray(10**15))", "data.py:load raised: MemoryError"),
    ],
)
def test_what_a_function_does_to_its_process_is_one_message(refusal, body, message):
    assert message in refusal(f"def load():\n    {body}\n")


def test_the_line_of_a_module_is_told_too(folder, tmp_path, monkeypatch):
    (tmp_path / "crossrt_test_deep.py").write_text("def inner():\n    return 1 / 0\ndef load():\n    return inner()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match=r"ZeroDivisionError: division by zero \(crossrt_test_deep.py, line 2\)"):
        served(DataRequest(reference="crossrt_test_deep:load"), X, folder)


def test_what_is_printed_goes_to_standard_error_up_to_a_limit(code, folder, capfd):
    reference = code(
        "import os\nimport numpy as np\nprint('at import')\n"
        "def load():\n    os.write(1, b'from below\\n'); print('x' * 1_000_000); return np.zeros((3, 2), 'f')\n"
    )
    assert len(opened(f"{reference}:load", folder)) == 3
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "at import\n" in captured.err
    assert "from below\n" in captured.err
    assert "load printed more than 64 KiB: the rest is left out" in captured.err
    assert len(captured.err) < 70_000


def test_what_is_printed_comes_in_whole_lines_and_acts_on_no_terminal_and_no_log(code, folder, capfd):
    reference = code(
        "import sys\nimport numpy as np\nprint('::error::no\\n\\x1b]0;title\\x07\\u202e', end='')\n"
        "def load():\n    print('\\n10%\\r\\u00e920%'); print('no end', end=''); return np.zeros((3, 2), 'f')\n"
    )
    opened(f"{reference}:load", folder)
    assert capfd.readouterr().err == ": :error::no\n]0;title\n\u00e920%\nno end\n"


def opened_with_little_time(reference, folder, monkeypatch):
    """A data set whose calls may take a second; on a busy machine, where opening it takes longer, twenty."""
    monkeypatch.setenv("CROSSRT_CODE_TIMEOUT", "1")
    with suppress(DataError):
        return opened(reference, folder)
    monkeypatch.setenv("CROSSRT_CODE_TIMEOUT", "20")
    return opened(reference, folder)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("ctypes.string_at(0)", "ended while samples were read: the process was ended by SIGSEGV"),
        ("os._exit(3)", "ended while samples were read: the process ended with exit status 3"),
        ("time.sleep(600)", "no samples within {limit} s, so it was stopped"),
        ("raise KeyError(indices[0])", "samples 1 to 2 cannot be read: KeyError: 1 (data.py, line 16)"),
        ("return {'x': np.zeros(2)}", "`inputs` promises float32 (2, 2)"),
    ],
)
def test_a_lazy_data_set_that_fails_is_one_message(code, folder, monkeypatch, body, message):
    reference = f"{code(LAZY.replace('BODY', body))}:Mine"
    data = opened_with_little_time(reference, folder, monkeypatch) if "sleep" in body else opened(reference, folder)
    message = message.format(limit=os.environ.get("CROSSRT_CODE_TIMEOUT"))
    for _ in range(2):  # and stays that message, at once
        started = time.monotonic()
        with pytest.raises(DataError) as caught:
            data.feeds([1, 2])
        assert message in str(caught.value)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_whoever_ends_a_run_ends_the_function_too(code, tmp_path, number, status):
    pid = tmp_path / "pid"
    reference = code(
        f"import os, time\ndef load():\n    open({str(pid)!r}, 'w').write(f'{{os.getpid()}}\\n')\n    time.sleep(600)\n"
    )
    script = (
        "import sys\nfrom crossrt.harness.run.prepare import scratch_folder\n"
        "from crossrt.harness.process.user_data import DataRequest, served\n"
        "try:\n    with scratch_folder() as folder:\n"
        "        served(DataRequest(reference=sys.argv[1]), (), folder)\nexcept KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, f"{reference}:load"]) as run:
        while not (pid.exists() and pid.read_text().endswith("\n")):
            time.sleep(0.05)
        run.send_signal(number)
        assert run.wait(300) == status
    for _ in range(1000):  # the system ends a process a little after its parent
        if not Path(f"/proc/{int(pid.read_text())}").exists():
            return
        time.sleep(0.1)
    pytest.fail("the function goes on")


def test_a_long_path_of_the_temporary_folder_does_no_harm(code, tmp_path):
    deep = tmp_path / ("a" * 100) / ("b" * 60)
    deep.mkdir(parents=True)
    with user_code.user_code_in(deep):
        assert opened(f"{code(LAZY.replace('BODY', 'pass'))}:Mine", deep).feeds([4])["x"][0, 0] == 4


def test_large_arrays_and_memory_maps_are_not_copied_into_files(tmp_path, monkeypatch):
    np.save(tmp_path / "mapped.npy", np.zeros((4, 2), "f"))
    mapped = np.load(tmp_path / "mapped.npy", mmap_mode="r")
    assert host._in_memory(dataset_from(mapped[1:], "mapped")) is None
    assert host._in_memory(dataset_from(np.zeros((4, 2)), "held"))["input"].shape == (4, 2)
    monkeypatch.setattr(host, "MOST_BYTES_IN_FILES", 10)
    assert host._in_memory(dataset_from(np.zeros((4, 2)), "held")) is None


def test_data_without_code_start_no_process(folder, tmp_path, monkeypatch):
    np.savez(tmp_path / "test.npz", x=np.zeros((3, 2), "f"))
    monkeypatch.setattr("crossrt.harness.process.user_data.UserCodeProcess", None)
    for reference in ("random", str(tmp_path / "test.npz"), "mnist", "nothing.npz"):
        request = DataRequest(reference=reference)
        assert served(request, X, folder) is request


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_a_time_limit_that_means_nothing_is_refused(monkeypatch, text):
    monkeypatch.setenv("CROSSRT_CODE_TIMEOUT", text)
    with pytest.raises(CrossrtError, match="CROSSRT_CODE_TIMEOUT is"):
        time_limit_s()
