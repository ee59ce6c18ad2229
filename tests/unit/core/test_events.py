"""The line protocol of a building process: one job in, one event per line out."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys

import pytest

from crossrt.core.errors import DataError
from crossrt.core.events import EventStream, read_job
from crossrt.exporters.errors import ExportError
from crossrt.exporters.jobs import BuildJob


@pytest.fixture
def guarded():
    """Guards a function; gives the exit status and the events that were sent."""

    def run(work) -> tuple[int, list[dict]]:
        pipe = io.StringIO()
        status = EventStream(pipe).guard(work)
        return status, [json.loads(line) for line in pipe.getvalue().splitlines()]

    return run


def failing(error):
    def work():
        raise error

    return work


def test_work_that_succeeds_ends_with_finished(guarded):
    assert guarded(lambda: None) == (0, [{"event": "finished"}])


@pytest.mark.parametrize("kind", [ExportError, DataError])
def test_a_foreseen_failure_is_its_message(guarded, kind, capsys):
    assert guarded(failing(kind("the file was cut short"))) == (
        1,
        [{"event": "failed", "reason": "the file was cut short"}],
    )
    assert capsys.readouterr().err == ""


def test_an_unforeseen_failure_is_named_and_its_traceback_kept(guarded, capsys):
    status, events = guarded(failing(ZeroDivisionError("division by zero")))
    assert (status, events) == (1, [{"event": "failed", "reason": "ZeroDivisionError: division by zero"}])
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_named_with_its_file(guarded):
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "model.onnx")
    assert guarded(failing(error))[1] == [{"event": "failed", "reason": "No space left on device: model.onnx"}]


def test_events_sent_before_a_failure_arrive():
    pipe = io.StringIO()
    events = EventStream(pipe)
    events.guard(lambda: events.send("building", item="fp32.onnx") or 1 / 0)
    assert [json.loads(line)["event"] for line in pipe.getvalue().splitlines()] == ["building", "failed"]


def test_an_event_is_one_line_whatever_it_holds():
    pipe = io.StringIO()
    EventStream(pipe).send("item_failed", reason="first\nsecond \u2028 ä \udcff")
    (line,) = pipe.getvalue().splitlines()
    assert json.loads(line) == {"event": "item_failed", "reason": "first\nsecond \u2028 ä \udcff"}


def test_a_job_is_read_from_one_line():
    job = {"model": "net", "source_sha256": "d" * 64, "source": "net.keras", "kind": "keras", "folder": "out"}
    job |= {"items": ["fp32.onnx"], "recipes": {}}
    assert read_job(io.StringIO(json.dumps(job) + "\nmore"), BuildJob) == BuildJob(**job)


def test_what_libraries_print_goes_to_standard_error():
    source = (
        "import os\nfrom crossrt.core.events import EventStream\nevents = EventStream.take_stdout()\n"
        "print('from Python', flush=True)\nos.write(1, b'from native code')\nevents.send('hello')"
    )
    done = subprocess.run([sys.executable, "-P", "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == '{"event": "hello"}\n'
    assert done.stderr == "from Python\nfrom native code"
