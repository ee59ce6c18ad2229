"""Signals from outside: what is finished is saved, nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import click
import pytest

from crossrt.cli.shared.saving import Saved
from crossrt.harness.process.interrupts import interruptible
from crossrt.reports.schema.files import read_report

pytestmark = pytest.mark.processes

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"

KILLED_BEFORE_SAVING = """
import os, signal, sys
from crossrt.cli.shared.saving import Saved
from crossrt.harness.run import bench
from crossrt.cli.main import main

def killed(function):
    def run(*arguments, **named):
        if not named:  # not while rounds are kept that others follow
            os.kill(os.getpid(), getattr(signal, number))
        return function(*arguments, **named)
    return run

number, where = sys.argv.pop(), sys.argv.pop()
if where == "composing":
    bench.report_of = killed(bench.report_of)
else:
    Saved.write = killed(Saved.write)
sys.exit(main())
"""


def start(source, *arguments, cwd):
    command = [sys.executable, "-P", "-c", source, *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def arguments(folder, data, rounds=1):
    return ("bench", "--artifacts", folder, "--data", data, "--only", "fp32@ort", "--rounds", rounds)


@pytest.mark.parametrize(("where", "number"), [("composing", "SIGTERM"), ("saving", "SIGINT")])
def test_a_signal_between_the_last_round_and_the_written_report_loses_nothing(tmp_path, folder, data, where, number):
    process = start(KILLED_BEFORE_SAVING, *arguments(folder, data), where, number, cwd=tmp_path)
    output, errors = process.communicate(timeout=1200)
    assert process.returncode == 0, errors
    (path,) = tmp_path.glob("results/*/report.json")
    assert f"report: {path.relative_to(tmp_path)}" in output
    assert [len(each.rounds) for each in read_report(path).results] == [1]


MAIN = "import sys; from crossrt.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_rounds_are_measured_keeps_what_is_finished(tmp_path, folder, data, number):
    process = start(MAIN, *arguments(folder, data, rounds=500), cwd=tmp_path)
    while not list(tmp_path.glob("results/*/report.json")) and process.poll() is None:  # as soon as a round is over
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=1200)
    assert process.returncode == 130, errors
    (path,) = tmp_path.glob("results/*/report.json")
    report = read_report(path)
    assert report.run.status == "interrupted"
    assert 1 <= len(report.results[0].rounds) < 500


def test_handlers_are_restored_also_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with suppress(ValueError), interruptible() as interrupts:
        interrupts.settle()
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError
    assert signal.getsignal(signal.SIGINT) is before


def test_whoever_is_impatient_interrupts_once():
    caught = []
    with interruptible():
        for _ in range(2):
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                caught.append(True)
    assert caught == [True]


def test_signals_close_to_one_that_ended_the_run_do_not_cut_what_comes_after_it():
    done = []
    with interruptible():
        with interruptible() as inner:
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
            inner.settle()
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("printed")
    assert done == ["printed"]


def test_any_number_of_signals_while_a_report_is_printed_leave_its_path(tmp_path, capsys):
    saved = Saved()
    saved.write(read_report(REPORT), tmp_path / "run" / "report.json")

    def print_under_fire():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt), saved.printing():
        print_under_fire()
    assert capsys.readouterr().err.endswith(f"they are saved in {saved.path}\n")


def test_signals_while_the_path_itself_is_said_are_ignored(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("crossrt.harness.process.interrupts._ONE_WISH_S", 0.0)
    echo = click.echo

    def interrupted(*arguments, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        echo(*arguments, **options)

    saved = Saved()
    saved.write(read_report(REPORT), tmp_path / "run" / "report.json")
    monkeypatch.setattr(click, "echo", interrupted)
    with pytest.raises(OSError, match="gone"), saved.printing():
        raise OSError("the terminal is gone")
    assert str(saved.path) in capsys.readouterr().err


def test_an_interrupt_that_some_library_swallowed_can_be_repeated(monkeypatch):
    monkeypatch.setattr("crossrt.harness.process.interrupts._ONE_WISH_S", 0.0)
    with interruptible():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


INTERRUPTED_WITH_MUCH_TO_TIDY_UP = """
import atexit, os, signal, time
from crossrt.cli import main
from crossrt.cli.entry import main as enter

class Slow:
    def __del__(self):
        print("tidied up", flush=True)

kept = Slow()
atexit.register(print, "exit functions", flush=True)
main.cli.make_context = lambda *_: os.kill(os.getpid(), signal.SIGTERM) or time.sleep(60)
enter()
"""


def test_an_interrupted_command_ends_before_python_tidies_up(tmp_path):
    process = start(INTERRUPTED_WITH_MUCH_TO_TIDY_UP, cwd=tmp_path)
    assert process.communicate(timeout=1200) == ("exit functions\n", "crossrt: interrupted\n")
    assert process.returncode == 130
