"""Whatever ends a command is one message with what to do; a traceback is for who asks for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crossrt.cli.exit_codes import DEFECT
from crossrt.cli.shared.failures import explained
from crossrt.core.errors import CrossrtError

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"


@pytest.fixture
def broken(monkeypatch):
    """Lets `crossrt show` end with this error."""

    def with_error(error):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr("crossrt.reports.tables.terminal.print_report", fail)

    return with_error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyError("gone"), DEFECT, "unexpected KeyError: 'gone'"),
        (RecursionError("too deep"), DEFECT, "CROSSRT_DEBUG=1"),
        (MemoryError(), 2, "out of memory"),
        (ModuleNotFoundError("No module named 'markupsafe'", name="markupsafe.x"), 2, "-m pip install markupsafe"),
        (ModuleNotFoundError("No module named 'crossrt.x'", name="crossrt.x"), DEFECT, "defect of crossrt"),
        (CrossrtError("what to do"), 2, "crossrt: what to do"),
    ],
)
def test_no_error_shows_a_traceback(crossrt, broken, error, code, said):
    broken(error)
    done = crossrt("show", REPORT)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_traceback_is_there_for_who_asks_for_it(crossrt, broken):
    broken(KeyError("gone"))
    done = crossrt("show", REPORT, CROSSRT_DEBUG="1")
    assert "Traceback" in done.stderr
    assert "in fail" in done.stderr


def test_a_page_without_its_packages_is_one_line(crossrt, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("crossrt.reports.page")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = crossrt("report", REPORT, "--html", "page.html")
    assert done.returncode == 2
    assert "jinja2" in done.stderr
    assert "pip" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_command_that_cannot_be_imported_is_one_line(monkeypatch, capfd):
    from crossrt.cli.entry import main

    monkeypatch.setitem(sys.modules, "crossrt.cli.main", None)
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # main puts another one in its place
    assert main() == 2
    assert "install it again" in capfd.readouterr().err


def test_a_message_is_never_longer_than_anybody_reads(capsys):
    assert explained(CrossrtError("a" * 60_000 + "end")) == 2
    assert len(capsys.readouterr().err) < 5_000
