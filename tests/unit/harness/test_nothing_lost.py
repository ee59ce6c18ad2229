"""Whatever breaks after the first finished round: the run is saved, says what it is, and the exit code is true."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.cli.shared.saving import Saved
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.checkpoints import Checkpoints
from crossrt.harness.measure.rounds import RoundRunner
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import read_duel, read_report, write_report

pytestmark = pytest.mark.processes

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"
ENTRY = "import sys; from crossrt.cli.entry import main; sys.exit(main())"


def failing_from(index, error):
    """Starting processes fails from this round on."""
    start = RoundRunner._start

    def fail(self, participant, position, stack):
        if any(self._found.rounds.values()) and len(next(iter(self._found.rounds.values()))) >= index:
            raise error
        return start(self, participant, position, stack)

    return fail


REFUSED = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


@pytest.mark.parametrize(
    ("error", "said"),
    [(REFUSED, "no further process or thread can be started"), (MemoryError(), "out of memory")],
)
def test_a_system_that_refuses_between_rounds_ends_measuring_and_keeps_the_run(bench, monkeypatch, error, said):
    kept = []
    monkeypatch.setattr(RoundRunner, "_start", failing_from(1, error))
    report = bench(only=("fp32@ort",), keep=kept.append)
    assert kept == [report]
    assert [len(each.rounds) for each in report.results] == [1]
    assert report.run.status == "interrupted"
    assert said in report.run.broken_off
    assert any(each.startswith("the run broke off after 1 round: ") and said in each for each in report.warnings)


def test_a_defect_between_rounds_is_shown_after_the_run_was_saved(bench, monkeypatch):
    kept = []
    monkeypatch.setattr(RoundRunner, "_start", failing_from(1, ZeroDivisionError("a defect")))
    with pytest.raises(ZeroDivisionError):
        bench(only=("fp32@ort",), keep=kept.append)
    assert [len(each.rounds) for each in kept[0].results] == [1]


def test_a_system_that_refuses_before_anything_is_finished_is_an_error(bench, monkeypatch):
    monkeypatch.setattr("crossrt.harness.run.check._fed", lambda _: (_ for _ in ()).throw(REFUSED))
    with pytest.raises(OSError, match="temporarily unavailable"):
        bench(only=("fp32@ort",))


def test_the_rounds_of_an_a_b_comparison_are_kept_too(duel, monkeypatch):
    monkeypatch.setattr(RoundRunner, "_start", failing_from(2, REFUSED))
    found = duel(margin=1e-4)
    assert len(found.a.result.rounds) == 2
    assert "no further process" in found.run.broken_off


@pytest.fixture
def fake_run(monkeypatch, tmp_path):
    """`crossrt bench` in which the run is over at once; `meanwhile` happens before it is saved."""

    def install(meanwhile=lambda: None):
        def run_bench(_settings, _command, _display, keep, _checkpoint):
            report = read_report(REPORT)
            meanwhile()
            keep(report)
            return report

        monkeypatch.setattr("crossrt.harness.run.bench.run_bench", run_bench)

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return install


def test_a_run_for_which_the_folder_has_no_room_is_kept_elsewhere_and_is_no_success(crossrt, fake_run, tmp_path):
    fake_run(lambda: (tmp_path / "results").write_text("something else is in the way"))
    done = crossrt("bench")
    assert done.returncode == 1
    (kept,) = tmp_path.glob("crossrt-saved-*/report.json")
    assert f"cannot be written: Not a directory; free space or choose another place. The run was saved as {kept}" in (
        done.stderr
    )
    assert f"report: {kept}" in done.stdout
    assert read_report(kept).results
    assert kept.parent.stat().st_mode & 0o077 == 0


def test_a_run_that_is_kept_elsewhere_leaves_no_empty_folder_behind(monkeypatch, tmp_path, capsys):
    def write(found, path):
        path.parent.mkdir(exist_ok=True)
        if path.parent.name == "run":
            raise ReportError("no space left on the disk")
        write_report(found, path)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("crossrt.cli.shared.saving.write_report", write)
    saved = Saved()
    saved.write(read_report(REPORT), tmp_path / "run" / "report.json")
    assert not (tmp_path / "run").exists()
    assert saved.path.is_file()
    assert "no space left on the disk. The run was saved as" in capsys.readouterr().err


def test_a_run_that_can_be_written_nowhere_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(ReportError, match="cannot be written"):
        Saved().write(read_report(REPORT), tmp_path / "file" / "run" / "report.json")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_results_that_cannot_be_printed_are_said_to_be_saved(crossrt, fake_run, monkeypatch, error):
    fake_run()
    monkeypatch.setattr("crossrt.reports.tables.terminal.print_report", lambda *_: (_ for _ in ()).throw(error))
    done = crossrt("bench")
    assert done.returncode == (130 if isinstance(error, KeyboardInterrupt) else 2)
    assert "the results were not printed" in done.stderr
    assert "report.json" in done.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "crossrt: out of memory\n"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "model.onnx"), "too many open files: allow more with ulimit"),
        (HarnessError("MLIR says " + "x" * 60_000), "crossrt: MLIR says xxx"),
    ],
)
def test_what_the_system_refuses_or_a_library_writes_pages_about_is_one_short_message(crossrt, fake_run, error, said):
    fake_run(lambda: (_ for _ in ()).throw(error))
    done = crossrt("bench")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr) < 5_000


def test_an_interrupt_while_another_is_handled_loses_nothing(bench, monkeypatch):
    run = RoundRunner.run_round

    def interrupted(self, index, display):
        if index == 1:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
        run(self, index, display)

    monkeypatch.setattr(RoundRunner, "run_round", interrupted)
    kept = []
    bench(only=("fp32@ort",), keep=kept.append)
    assert [len(each.rounds) for each in kept[0].results] == [1]


def run_in_shell(line, *arguments, cwd):
    """Runs `$CROSSRT` in a line of shell; the exit code is that of the line."""
    program = cwd / "crossrt.py"
    program.write_text(ENTRY)
    command = f"{sys.executable} -P {program} {' '.join(map(str, arguments))}"
    return subprocess.run(
        ["bash", "-c", line.replace("CROSSRT", command)], cwd=cwd, capture_output=True, text=True, timeout=1200
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("CROSSRT 2>&1 | head -1; exit ${PIPESTATUS[0]}", 141),
        ("CROSSRT >/dev/full 2>&-", 2),
    ],
)
def test_streams_that_are_left_closed_or_full_do_not_cost_the_run(tmp_path, folder, data, line, code):
    arguments = ("bench", "--artifacts", folder, "--data", data, "--only", "fp32@ort", "--rounds", 1)
    done = run_in_shell(line, *arguments, cwd=tmp_path)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == code
    (path,) = tmp_path.glob("results/*/report.json")
    assert [len(each.rounds) for each in read_report(path).results] == [1]


@pytest.mark.parametrize(("line", "code"), [("CROSSRT 2>/dev/full", 2), ("CROSSRT 2>&-", 2)])
def test_an_error_that_cannot_be_told_keeps_its_exit_code(tmp_path, line, code):
    assert run_in_shell(line, "compare", "missing.json", "missing.json", cwd=tmp_path).returncode == code


def test_a_full_disk_behind_standard_output_is_said(tmp_path):
    done = run_in_shell("CROSSRT >/dev/full", "recipes", cwd=tmp_path)
    assert done.returncode == 2
    assert "No space left" in done.stderr or "no space left" in done.stderr


@pytest.mark.parametrize("arguments", [("show", REPORT, "--json"), ("docs",), ("--version",)])
def test_a_result_that_goes_to_a_closed_standard_output_is_said_to_be_lost(tmp_path, arguments):
    done = run_in_shell("CROSSRT >&-", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "crossrt: standard output cannot be written: it is closed\n")


@pytest.mark.usefixtures("noops")
def test_controls_whose_processes_die_are_told(bench, monkeypatch):
    prepare = RoundRunner._prepare

    def die(self, each):
        control = each.participant.control
        if control is not None and (control.kind != "reference" or self._found.rounds):
            os.kill(each.worker.pid, signal.SIGKILL)
        prepare(self, each)

    monkeypatch.setattr(RoundRunner, "_prepare", die)
    report = bench(only=("fp32@ort",))
    assert [len(each.rounds) for each in report.results] == [3]
    assert [(each.kind, len(each.rounds)) for each in report.controls] == [("reference", 1)]
    found = "\n".join(report.warnings)
    assert "the A/A replicate of conv.fp32@ort-cpu/b1/t1 shows how alike two processes of one case are; its" in found
    assert "the no-op model on ort-cpu shows the call overhead of the runtime, batch 1; its process failed" in found
    assert "its process failed after 1 round: " in found
    assert found.count("in the first round: ") == 2
    assert found.count("SIGKILL") == 3


def test_finished_rounds_are_kept_while_others_are_measured(bench, monkeypatch):
    monkeypatch.setattr("crossrt.harness.measure.checkpoints.SHARE", 1e9)
    found = []
    report = bench(only=("fp32@ort",), checkpoint=found.append)
    assert [len(each.results[0].rounds) for each in found] == [1, 2, 3]
    assert {each.run.status for each in found} == {"interrupted"}
    assert report.run.status == "complete"


def test_keeping_takes_a_small_share_of_the_time_and_never_ends_the_run(monkeypatch):
    clock, kept = [100.0], []

    def keep():
        kept.append(clock[0])
        clock[0] += 0.5
        raise ReportError("no space left")

    monkeypatch.setattr("crossrt.harness.measure.checkpoints.time.monotonic", lambda: clock[0])
    checkpoints = Checkpoints(keep)
    for _ in range(30):
        checkpoints()
        clock[0] += 1.0
    assert kept == [100.0, 110.5, 121.0]


KILLED_IN_THE_THIRD_ROUND = """
import os, signal, sys
from crossrt.cli.main import main
from crossrt.harness.measure.rounds import RoundRunner

run_round = RoundRunner.run_round

def run(self, index, display):
    if index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    run_round(self, index, display)

RoundRunner.run_round = run
sys.exit(main())
"""


@pytest.mark.parametrize("command", ["bench", "duel"])
def test_a_run_that_is_killed_leaves_what_it_had(tmp_path, folder, data, command):
    what = ("bench", "--artifacts", folder, "--only", "fp32@ort") if command == "bench" else ("duel", "fp32@ort-cpu")
    rest = () if command == "bench" else ("--artifacts", folder)
    command = [sys.executable, "-P", "-c", KILLED_IN_THE_THIRD_ROUND, *map(str, (*what, *rest, "--data", data))]
    variables = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1200, env=variables)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (path,) = tmp_path.glob("results/*/*.json")
    if path.name == "duel.json":
        found = read_duel(path)
        rounds = len(found.a.result.rounds)
    else:
        found = read_report(path)
        rounds = len(found.results[0].rounds)
    assert found.run.status == "interrupted"
    assert rounds >= 1
