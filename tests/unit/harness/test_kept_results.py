"""`crossrt report` of what other commands left behind: a search, and tables as JSON."""

from __future__ import annotations

import lzma

import click
import msgspec
import pytest

from crossrt.analysis.search.budget import Budget, Drop
from crossrt.analysis.search.result import Candidate, Confirmation, Loss, SearchReport, Speed
from crossrt.cli.commands.report import report
from crossrt.cli.shared.kept_results import kept_page
from crossrt.core.errors import CrossrtError
from crossrt.datasets.tasks.classification import TOP1
from crossrt.reports.schema.files import read_report
from crossrt.reports.tables.recording import Printed, Table

LOSS = Loss(value=0.98, loss=0.002, upper=0.004, confidence=0.975, samples=1000, changed=4)
SPEED = Speed(ratio=1.5, lower=1.45, upper=1.55, rounds=8, float_ns=1000.0)
SEARCH = SearchReport(
    schema_version=1,
    crossrt="0",
    status="found",
    model="<net>",
    model_sha256="1" * 64,
    data="test.npz",
    data_fingerprint="2" * 64,
    calibration_fingerprint="3" * 64,
    seed=0,
    held_out=0.5,
    budget=Budget(drop=Drop(value=0.01)),
    allowed=0.01,
    metric=TOP1,
    float_value=0.985,
    float_size_bytes=1000,
    search_samples=1000,
    held_out_samples=1000,
    candidates=(
        Candidate(name="static", recipe={}, sqnr_db=30.0, size_bytes=300, loss=LOSS, speed=SPEED),
        Candidate(name="dynamic", recipe={}, is_hopeless=True),
    ),
    confirmations=(Confirmation(candidate="static", loss=LOSS, speed=SPEED, passes=True),),
    best="static",
    sentence="Ship net.best.onnx",
)
PRINTED = Printed(
    cautions=("<few> samples",),
    tables=(Table(title="net, methods", columns=("recipe", "dB"), rows=(("plain", "30"), ("  better", "40"))),),
    lines=("failed  nncf.onnx: not installed",),
)


def kept(folder, name, content):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else msgspec.json.encode(content))
    return path


def test_the_page_of_a_search_has_its_front_as_plot_and_table(tmp_path):
    kept(tmp_path / "found", "search.json", SEARCH)
    page = kept_page(tmp_path / "found")()
    assert "crossrt: search of &lt;net&gt;" in page
    assert "Ship net.best.onnx" in page
    assert "<svg" in page
    assert all(text in page for text in ("not scored: too noisy", "1.50 [1.45, 1.55]", "passes"))


def test_a_search_that_is_packed_has_the_same_page(tmp_path):
    packed = kept(tmp_path, "search.json.xz", lzma.compress(msgspec.json.encode(SEARCH)))
    assert kept_page(packed)() == kept_page(kept(tmp_path, "search.json", SEARCH))()


@pytest.mark.parametrize(
    ("content", "what"), [(SEARCH, "search"), ({"schema_version": 1, "kind": "bisection"}, "bisection")]
)
def test_commands_that_read_reports_say_what_such_a_file_is_and_what_shows_it(content, what, tmp_path):
    path = kept(tmp_path, "kept.json", content)
    with pytest.raises(CrossrtError, match=rf"is the result of a {what}, .*: crossrt report {path} --html PAGE shows"):
        read_report(path)


def test_a_search_without_a_timed_candidate_has_no_plot(tmp_path):
    early = msgspec.structs.replace(SEARCH, candidates=(), confirmations=(), status="searching", sentence="")
    page = kept_page(kept(tmp_path, "early.json", early))()
    assert "<svg" not in page


def test_tables_as_json_become_a_page_in_which_methods_stay_indented(tmp_path):
    page = kept_page(kept(tmp_path, "methods.json", PRINTED))()
    assert "crossrt: net, methods" in page
    assert '<th scope="row">\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}better</th>' in page
    assert "&lt;few&gt; samples" in page
    assert "failed  nncf.onnx: not installed" in page


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"schema_version": 2, "cases": []}'])
def test_anything_else_is_left_to_others(content, tmp_path):
    assert kept_page(kept(tmp_path, "report.json", content)) is None
    assert kept_page(tmp_path) is None


@pytest.mark.parametrize(
    "content", [b'{"tables": 1, "lines": 2}', msgspec.json.encode(Printed(cautions=(), tables=(), lines=()))]
)
def test_damaged_tables_are_an_error(content, tmp_path):
    with pytest.raises(CrossrtError, match=r"methods\.json"):
        kept_page(kept(tmp_path, "methods.json", content))()


def test_only_a_page_can_be_made_of_them(tmp_path):
    path = kept(tmp_path, "methods.json", PRINTED)
    page = tmp_path / "page.html"
    report.main([str(path), "--html", str(page)], standalone_mode=False)
    assert page.read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(click.UsageError, match="--html FILE"):
        report.main([str(path), "--png", str(tmp_path)], standalone_mode=False)
