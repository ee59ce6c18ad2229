"""A bisection that was kept, shown again; and one that is asked for from Python."""

import json

import msgspec
import pytest

import crossrt as package
from crossrt.analysis.bisection.record import REPORT, BisectionReport, KernelChange, Kernels, Step
from crossrt.cli.shared.kept_results import bisection_at, kept_page
from crossrt.core.errors import CrossrtError
from crossrt.harness.bisect import run as bisecting
from crossrt.harness.errors import HarnessError

FOUND = BisectionReport(
    identity="1" * 12,
    crossrt_version="0",
    started_at="2026-01-01T00:00:00+00:00",
    case="<own>.onnx",
    runtime="ort-cpu",
    package="onnxruntime",
    good="1.0.0",
    bad="3.0.0",
    margin=0.02,
    tolerance=1e-3,
    status="found",
    by="time",
    ends=Step(version="3.0.0", against="1.0.0", verdict="like bad", ratio=1.3, lower=1.25, upper=1.35),
    releases=("1.0.0", "2.0.0", "3.0.0"),
    steps=(Step(version="2.0.0", against="1.0.0", verdict="like good", ratio=1.0, lower=0.99, upper=1.01),),
    last_good="2.0.0",
    first_bad="3.0.0",
    kernels=Kernels(changes=(KernelChange(before="Conv", after="Conv", name="c", before_ns=5000.0, after_ns=9000.0),)),
)


@pytest.fixture
def kept(tmp_path):
    """The folder of a bisection."""
    folder = tmp_path / "bisection"
    folder.mkdir()
    (folder / REPORT).write_bytes(msgspec.json.encode(FOUND))
    return folder


@pytest.mark.parametrize("is_folder", [True, False])
def test_show_prints_the_table_and_the_sentence_again(crossrt, kept, is_folder):
    done = crossrt("show", kept if is_folder else kept / REPORT)
    assert done.returncode == 0, done.stderr
    assert "<own>.onnx on ort-cpu, beside 1.0.0" in done.stdout
    assert "3.0.0" in done.stdout
    assert "like good" in done.stdout


def test_show_gives_the_file_itself_as_json(crossrt, kept):
    assert json.loads(crossrt("show", kept, "--format", "json").stdout) == json.loads((kept / REPORT).read_text())


@pytest.mark.parametrize("options", [("--format", "markdown"), ("--case", "fp32")])
def test_show_says_what_it_cannot_show_of_a_bisection(crossrt, kept, options):
    done = crossrt("show", kept, *options)
    assert done.returncode == 2
    assert "is a bisection: it is shown as table or json" in done.stderr


def test_a_damaged_bisection_is_called_the_same_by_its_file_and_its_folder(crossrt, kept):
    (kept / REPORT).write_text('{"kind": "bisec')
    said = {crossrt("show", path).stderr for path in (kept, kept / REPORT)}
    assert said == {
        f"crossrt: {kept / REPORT} is damaged or is not a bisection of schema version 1: Input data was truncated\n"
    }


def test_a_damaged_bisection_is_an_error(kept):
    (kept / REPORT).write_text('{"kind": "bisection"}')
    with pytest.raises(HarnessError, match="is damaged or is not a bisection of schema version 1"):
        kept_page(kept)()


def test_the_page_has_the_versions_and_the_kernels(kept):
    page = kept_page(kept)()
    assert "&lt;own&gt;.onnx" in page
    assert 'id="steps"' in page
    assert 'id="kernels"' in page
    assert "<own>" not in page


def test_other_files_are_no_bisections(tmp_path):
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "bisection.json").write_text("{}")
    assert bisection_at(tmp_path) is None
    assert bisection_at(tmp_path / "report.json") is None
    assert bisection_at(tmp_path / "missing.json") is None


def test_python_asks_for_what_the_command_asks_for(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(bisecting, "run_bisection", lambda request, _: asked.append(request) or FOUND)
    found = package.bisect_runtime(
        tmp_path / "own.onnx", runtime="ort-cpu:arena=off", good="1.27", bad="1.31", batch=4, samples=8, out=tmp_path
    )
    (request,) = asked
    assert found.first_bad == "3.0.0"
    assert request.at("1.31") == f"{tmp_path / 'own.onnx'}@ort-cpu==1.31:arena=off"
    assert (request.run.batch_sizes, request.run.subject.samples, request.out) == ((4,), 8, tmp_path)
    assert request.by is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runtime": "ort-cpu==1.30"}, "leave its version to good and bad"),
        ({"bad": "1.27"}, "good and bad are the same version"),
        ({"runtime": "nothing"}, "there is no runtime"),
        ({"by": "speed"}, "by must be one of time, answers"),
    ],
)
def test_errors_speak_of_python(changes, message, tmp_path):
    asked = {"runtime": "ort-cpu", "good": "1.27", "bad": "1.31", **changes}
    with pytest.raises(CrossrtError, match=message):
        package.bisect_runtime(tmp_path / "own.onnx", **asked)
