from __future__ import annotations

import fcntl
import os
import resource
import time
from contextlib import suppress
from pathlib import Path

import pytest

from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.process import child as module
from crossrt.harness.process.child import STDERR_TAIL_BYTES, ChildProcess, kill_all_children
from crossrt.harness.process.pool import DrivingPool
from crossrt.harness.process.scratch import scratch_folder

PATIENCE_S = 120
"""What a child may take on a machine that is busy."""
ECHO = "import sys\nfor line in sys.stdin:\n    print(line, end='', flush=True)\n"


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Starts a child that runs the given source."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = []

    def start(source: str) -> ChildProcess:
        (tmp_path / "some_child.py").write_text(source)
        started.append(ChildProcess("some_child"))
        return started[-1]

    yield start
    kill_all_children()  # closing waits for those that sleep
    for each in started:
        each.close()


def test_answers_come_back_in_order(child):
    echo = child(ECHO)
    echo.send({"number": 1})
    echo.send({"number": 2})
    assert [echo.receive(PATIENCE_S), echo.receive(PATIENCE_S)] == [{"number": 1}, {"number": 2}]


def test_answer_longer_than_a_pipe_arrives_whole(child):
    long = {"samples": list(range(100_000))}
    assert child(ECHO).ask(long, PATIENCE_S) == long


def test_silence_ends_at_the_deadline_and_the_child_is_killed(child):
    silent = child("import time\ntime.sleep(3600)\n")
    started = time.monotonic()
    with pytest.raises(ChildFailedError, match=r"no answer within 0.5 s"):
        silent.receive(0.5)
    assert time.monotonic() - started < PATIENCE_S
    assert silent.has_ended


def test_exit_status_and_last_words_are_told(child):
    with pytest.raises(ChildFailedError, match="exit status 7") as failure:
        child("import sys\nprint('last words', file=sys.stderr)\nsys.exit(7)\n").receive(PATIENCE_S)
    assert failure.value.stderr_tail == "last words"


def test_long_standard_error_is_cut_to_its_end(child):
    with pytest.raises(ChildFailedError) as failure:
        child("import sys\nsys.stderr.write('x' * 100_000 + 'the end')\nsys.exit(1)\n").receive(PATIENCE_S)
    assert failure.value.stderr_tail.endswith("the end")
    assert len(failure.value.stderr_tail) <= 4_000


def test_answer_that_is_not_json_is_a_failure(child):
    with pytest.raises(ChildFailedError, match="not an answer: b'hello'"):
        child("import time\nprint('hello', flush=True)\ntime.sleep(60)\n").receive(PATIENCE_S)


def test_kill_all_ends_whoever_waits(child):
    silent = child("import time\ntime.sleep(3600)\n")
    kill_all_children()
    with pytest.raises(ChildFailedError, match="SIGKILL"):
        silent.receive(PATIENCE_S)


def test_module_of_the_current_folder_is_not_picked_up(child, tmp_path, monkeypatch):
    elsewhere = tmp_path / "project"
    elsewhere.mkdir()
    (elsewhere / "json.py").write_text("raise SystemExit('wrong json')\n")
    monkeypatch.chdir(elsewhere)
    assert child("import json\nprint(json.dumps({'fine': True}), flush=True)\n").receive(PATIENCE_S) == {"fine": True}


def test_closing_twice_is_fine(child):
    echo = child(ECHO)
    echo.close()
    echo.close()
    assert echo.has_ended


PRINTS = """
import json, sys
for line in sys.stdin:
    sys.stderr.write("x" * 3_000_000 + "the end")
    sys.stderr.flush()
    print(line, end="", flush=True)
    if "last" in line:
        sys.exit(7)
"""


def test_a_child_that_prints_without_end_fills_no_disk_and_its_tail_is_kept(child):
    talkative = child(PRINTS)
    sizes = []
    for number in range(8):
        talkative.ask({"number": number}, PATIENCE_S)
        sizes.append(os.fstat(talkative._stderr.fileno()).st_size)
    assert max(sizes) < module.MOST_STDERR_BYTES + 3_100_000
    talkative.ask({"last": True}, PATIENCE_S)
    with pytest.raises(ChildFailedError, match="exit status 7") as failure:
        talkative.receive(PATIENCE_S)
    assert failure.value.stderr_tail.endswith("xthe end")
    assert len(failure.value.stderr_tail) <= STDERR_TAIL_BYTES


def test_what_idle_children_print_is_cut_while_another_is_waited_for(child, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)
    idle = child(
        "import sys, time\nfor _ in range(40): sys.stderr.write('x' * 2**20)\nprint(1, flush=True)\ntime.sleep(60)\n"
    )
    while idle._stderr.seek(0, os.SEEK_END) < 2**25 and not idle.has_ended:
        time.sleep(0.01)
    waiting = child("import time\ntime.sleep(60)\n")
    with pytest.raises(ChildFailedError, match="no answer"):
        waiting.receive(0.5)
    assert os.fstat(idle._stderr.fileno()).st_size <= module.MOST_STDERR_BYTES


def test_descriptors_above_1023_are_no_problem(child):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        echo = child(ECHO)
        high = fcntl.fcntl(echo._process.stdout.fileno(), fcntl.F_DUPFD_CLOEXEC, 1500)
        echo._process.stdout.close()
        echo._process.stdout = os.fdopen(high, "rb", buffering=0)
        assert echo.ask({"number": 1}, PATIENCE_S) == {"number": 1}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_failure_has_at_most_a_thousand_characters():
    assert len(ChildFailedError("x" * 60_000, "").reason) < 1_010


def test_a_pool_whose_block_fails_waits_for_no_child(child):
    """Also for none that a thread starts after all others were killed."""
    started = []

    def drive(number):
        time.sleep(0.2 * number)
        started.append(child("import time\ntime.sleep(3600)\n"))
        started[-1].receive(3600)

    began = time.monotonic()
    with suppress(KeyboardInterrupt), DrivingPool(2) as pool:
        for number in range(4):
            pool.submit(drive, number)
        raise KeyboardInterrupt
    assert time.monotonic() - began < PATIENCE_S
    assert all(each.has_ended for each in started)


def test_a_system_without_free_threads_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(
        "threading.Thread.start", lambda _: (_ for _ in ()).throw(RuntimeError("can't start new thread"))
    )
    with (
        pytest.raises(HarnessError, match=r"can't start new thread: see the limits .* ulimit -u"),
        DrivingPool(1) as pool,
    ):
        pool.submit(print)


def test_temporary_files_of_a_child_lie_in_the_folder_of_the_run(child):
    source = "import json, tempfile\nprint(json.dumps({'made': tempfile.mkdtemp()}), flush=True)\n"
    with scratch_folder() as folder:
        made = Path(child(source).receive(PATIENCE_S)["made"])
        assert made.parent == folder
    assert not made.exists()
