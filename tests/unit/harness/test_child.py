from __future__ import annotations

import time

import pytest

from crossrt.harness.errors import ChildFailedError
from crossrt.harness.process.child import ChildProcess, kill_all_children

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
    for each in started:
        each.close()


def test_answers_come_back_in_order(child):
    echo = child(ECHO)
    echo.send({"number": 1})
    echo.send({"number": 2})
    assert [echo.receive(10), echo.receive(10)] == [{"number": 1}, {"number": 2}]


def test_answer_longer_than_a_pipe_arrives_whole(child):
    long = {"samples": list(range(100_000))}
    assert child(ECHO).ask(long, 10) == long


def test_silence_ends_at_the_deadline_and_the_child_is_killed(child):
    silent = child("import time\ntime.sleep(3600)\n")
    started = time.monotonic()
    with pytest.raises(ChildFailedError, match=r"no answer within 0.5 s"):
        silent.receive(0.5)
    assert time.monotonic() - started < 10
    assert silent.has_ended


def test_exit_status_and_last_words_are_told(child):
    with pytest.raises(ChildFailedError, match="exit status 7") as failure:
        child("import sys\nprint('last words', file=sys.stderr)\nsys.exit(7)\n").receive(10)
    assert failure.value.stderr_tail == "last words"


def test_long_standard_error_is_cut_to_its_end(child):
    with pytest.raises(ChildFailedError) as failure:
        child("import sys\nsys.stderr.write('x' * 100_000 + 'the end')\nsys.exit(1)\n").receive(10)
    assert failure.value.stderr_tail.endswith("the end")
    assert len(failure.value.stderr_tail) <= 4_000


def test_answer_that_is_not_json_is_a_failure(child):
    with pytest.raises(ChildFailedError, match="not an answer: b'hello'"):
        child("import time\nprint('hello', flush=True)\ntime.sleep(60)\n").receive(10)


def test_kill_all_ends_whoever_waits(child):
    silent = child("import time\ntime.sleep(3600)\n")
    kill_all_children()
    with pytest.raises(ChildFailedError, match="SIGKILL"):
        silent.receive(10)


def test_module_of_the_current_folder_is_not_picked_up(child, tmp_path, monkeypatch):
    elsewhere = tmp_path / "project"
    elsewhere.mkdir()
    (elsewhere / "json.py").write_text("raise SystemExit('wrong json')\n")
    monkeypatch.chdir(elsewhere)
    assert child("import json\nprint(json.dumps({'fine': True}), flush=True)\n").receive(10) == {"fine": True}


def test_closing_twice_is_fine(child):
    echo = child(ECHO)
    echo.close()
    echo.close()
    assert echo.has_ended
