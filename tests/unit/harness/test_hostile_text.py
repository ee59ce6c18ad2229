"""Names and messages that anybody may have written reach no terminal, log, page or picture as anything but text."""

from __future__ import annotations

import io
import json
import re
import runpy
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from crossrt.cli.shared.failures import explained
from crossrt.cli.shared.inspection import tensor_sheet
from crossrt.core.errors import CrossrtError
from crossrt.core.tensor import TensorSpec, batching_of, described
from crossrt.datasets.fitting import savez_line
from crossrt.exporters.inspection import Inspection
from crossrt.reports.schema.files import read_report
from crossrt.reports.tables.terminal import print_sheet
from crossrt.reports.text.consoles import GuardedConsole
from crossrt.reports.text.guard import GuardedStream
from crossrt.reports.text.printable import for_logs, json_for_logs, printable
from crossrt.reports.text.progress import Terminal

TESTS = Path(__file__).parents[2]
REPORT = TESTS / "data" / "report-v1.json"
COMMANDS = runpy.run_path(str(TESTS / "fuzz" / "report_commands.py"))["report_commands"]

ESCAPES = "\x1b]0;owned\x07\x1b[31m\x9b31m\r\x08\u202eevil\u2066\u200f\U000e0041"
ORDERS = "\n::error file=a.py,line=1::said by a report\n  ::add-mask::b\n##[error]c ##vso[task.x]d"
HOSTILE = f"{ESCAPES}[/red][bold]$\\frac{{{ORDERS}"
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
ORDER = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)
NAMES = ("fp32", "int8-qdq", "ort-cpu", "Conv", "x86_64")


def assert_harmless(text: str) -> None:
    assert not FORBIDDEN.findall(text)
    assert not ORDER.findall(text)


def hostile(part):
    if isinstance(part, str):
        for name in NAMES:
            part = part.replace(name, f"{name}{HOSTILE}")
        return part
    if isinstance(part, dict):
        return {hostile(key) if key.startswith(NAMES) else key: hostile(value) for key, value in part.items()}
    return [hostile(each) for each in part] if isinstance(part, list) else part


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> tuple[Path, Path]:
    """Two runs whose names, reasons, notes and machine are hostile."""
    folder = tmp_path_factory.mktemp("reports")
    known = json.loads(msgspec.json.encode(read_report(REPORT)))
    known["results"][0] |= {"reason": HOSTILE, "stderr_tail": f"x86_64{HOSTILE}"}
    known["run"]["command"] = ["crossrt", f"x{HOSTILE}"]
    known["environment"] |= {"cpu_model": HOSTILE, "kernel": HOSTILE, "governor": HOSTILE}
    changed = hostile(known)
    later = json.loads(json.dumps(changed))
    later["run"] |= {"id": "20261122T074336Z-6e9b", "started_at": "2026-11-22T07:43:36+00:00"}
    paths = folder / "one.json", folder / "two.json"
    for path, content in zip(paths, (changed, later), strict=True):
        content["cautions"] = [HOSTILE]
        path.write_text(json.dumps(content))
        read_report(path)
    return paths


NAMED = [name for name, _ in COMMANDS(Path("one"), Path("two"), Path("out"))]


def test_no_command_that_reads_reports_lets_text_act(crossrt, reports, tmp_path):
    for name, arguments in COMMANDS(*reports, tmp_path):
        done = crossrt(*arguments)
        assert done.returncode in (0, 1, 2, 3), (name, done)
        assert "Traceback" not in done.stderr, name
        for text in (done.stdout, done.stderr):
            assert not FORBIDDEN.findall(text), name
            assert not ORDER.findall(text), name
    written = [path for path in tmp_path.rglob("*") if path.suffix in (".html", ".svg", ".csv", ".xml")]
    assert {path.suffix for path in written} >= {".html", ".svg"}
    for path in written:
        assert not FORBIDDEN.findall(path.read_text()), path


def test_json_for_other_programs_keeps_the_names_as_they_are(crossrt, reports):
    said = json.loads(crossrt("show", reports[0], "--format", "json").stdout)
    assert said["results"][0]["reason"] == HOSTILE


@pytest.mark.parametrize(
    "text", [ESCAPES, HOSTILE, "::error::x", "  \t::x::y", "a\n::b", "##[x]", "a ##vso[b]", "###[x"]
)
def test_what_is_printed_is_harmless(text):
    assert_harmless(for_logs(text))
    assert not FORBIDDEN.findall(printable(text))
    said = json_for_logs(json.dumps({text: [text]}, ensure_ascii=False))
    assert_harmless(said)
    assert json.loads(said) == {text: [text]}


@pytest.mark.parametrize(
    "text", ["test_a.py::test_b", "module:function", "# heading", "a :: b", "## [1.0] notes", "µs ± × 日本 é", "a\tb\n"]
)
def test_text_that_does_nothing_stays_as_it_is(text):
    assert for_logs(text) == printable(text) == text
    assert json_for_logs(text) == text


@pytest.mark.parametrize(
    "parts", [[":", ":error::x"], ["  ", "::error::x"], ["#", "#[x]"], ["##ab", "[x]"], ["a\n:", ":"]]
)
def test_an_order_in_parts_is_none_either(parts):
    file = io.StringIO()
    stream = GuardedStream(file)
    stream.writelines(parts)
    assert_harmless(file.getvalue())


def test_what_wrapping_moves_to_the_beginning_of_a_line_is_no_order():
    file = io.StringIO()
    GuardedConsole(file=file, width=20, markup=False).print("a" * 20 + "::error::x " + "word " * 3 + " ::error::y")
    assert "error" in file.getvalue()
    assert_harmless(file.getvalue())


def test_colours_of_our_own_stay_and_those_of_a_file_go():
    file = io.StringIO()
    GuardedConsole(file=file, force_terminal=True, color_system="standard", highlight=False).print(
        f"a{ESCAPES}", style="red", markup=False
    )
    assert file.getvalue().startswith("\x1b[31ma")
    assert "\x07" not in file.getvalue()
    assert file.getvalue().count("\x1b") == 2


def test_markup_in_a_name_is_text(monkeypatch):
    from crossrt.reports.text.progress import Terminal

    file = io.StringIO()
    console = GuardedConsole(file=file, force_terminal=True, width=120, markup=False, emoji=False)
    with Terminal(console) as display:
        display.phase("measuring", 3)
        display.doing("[/red] [bold]x :smile:")
    assert "[/red] [bold]x :smile:" in file.getvalue()


def test_usage_errors_and_paths_are_harmless(crossrt, tmp_path):
    for arguments in (["show", f"missing{HOSTILE}"], [f"nothing{HOSTILE}"], ["bench", "--batch", HOSTILE]):
        done = crossrt(*arguments)
        assert done.returncode == 2
        assert_harmless(done.stderr)


def test_bytes_and_text_share_standard_output(capfd, monkeypatch):
    stream = GuardedStream(sys.stdout)
    assert stream.isatty() is sys.stdout.isatty()
    with pytest.raises(TypeError):
        stream.write(b"x")  # type: ignore[arg-type]


TWO_LINES = "logits\nTo ship:\tevil"


def test_a_name_of_two_lines_is_one_line_of_an_inspection(capsys):
    spec = TensorSpec(name=TWO_LINES, dtype="float32", shape=("N\nTo ship: evil", 3))
    batching = batching_of((spec,))
    said = [described(spec), savez_line((spec,), batching)]
    found = Inspection(
        kind="onnx", path="n.onnx", model="n", sha256="0" * 64, size_bytes=1, inputs=(spec,), outputs=(spec,),
        batching=batching, role="float",
    )  # fmt: skip
    print_sheet(tensor_sheet(found), Console(width=100))
    printed = capsys.readouterr().out
    assert "logits⏎To ship:⇥evil" in printed
    assert not [line for line in printed.splitlines() if line.strip().startswith("To ship")]
    assert not [text for text in said if "\n" in text]


def test_lines_of_a_message_of_other_code_do_not_begin_where_ours_do(capsys):
    explained(CrossrtError("data.py failed: ValueError: first\nTo ship: evil\n\tmore"))
    assert capsys.readouterr().err == "crossrt: data.py failed: ValueError: first\n  To ship: evil\n  \tmore\n"
    with Terminal(Console(stderr=True, width=100)) as display:
        display.failure("  a@b: failed: ValueError: first\nTo ship: evil")
    assert "\n    To ship: evil\n" in capsys.readouterr().err
