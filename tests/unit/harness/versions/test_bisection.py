"""Bisections: of planted changes with real processes, and of verdicts that are given."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from crossrt.analysis.bisection.record import Kernels, Step
from crossrt.analysis.bisection.tables import sentences, steps_sheet
from crossrt.harness.bisect import run as bisecting
from crossrt.harness.bisect.comparing import Compared, InterruptedBisectionError
from crossrt.harness.bisect.request import BisectRequest
from crossrt.harness.errors import ArmFailedError, HarnessError
from crossrt.harness.measure.settings import BenchSettings, Effort, Subject
from crossrt.reports.text.progress import Silent
from crossrt.runtimes.registry import selector_of

pytestmark = pytest.mark.processes

SHORT_DUEL = Effort(rounds=1, blocks=6, block_target_ns=300_000, warmup_ns=100_000, sessions=2)


@pytest.fixture
def request_for(model, tmp_path):
    """What a bisection of a small model from 1.0.0 to 4.0.0 is asked for."""
    path = model("conv.fp32.onnx")

    def ask(**changes):
        fields = {"by": None, "margin": 0.02, "tolerance": 1e-3, "budget_s": 1.0, "good": "1.0.0", "bad": "4.0.0"}
        run = BenchSettings(subject=Subject(samples=8))
        return BisectRequest(
            **{
                "case": f"{path}",
                "runtime": selector_of("ort-cpu"),
                "run": run,
                "out": tmp_path / "results",
                **fields,
                **changes,
            }
        )

    return ask


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr("crossrt.harness.measure.duel.prepare.DUEL_EFFORT", SHORT_DUEL)
    monkeypatch.setattr("crossrt.harness.measure.duel.fight.FEWEST_ROUNDS", 3)
    monkeypatch.setattr("crossrt.harness.measure.duel.fight.CONFIRMING_ROUNDS", 1)
    monkeypatch.setattr("crossrt.harness.bisect.comparing.PROFILES", 1)
    monkeypatch.setattr("crossrt.harness.bisect.comparing.PROFILED_CALLS", 5)


def test_a_release_that_answers_otherwise_is_found_with_its_kernels(crossrt, index, model, short):
    for number in "123":
        index.add(f"{number}.0.0", shift=0.5 * (number > "2"))
    path = model("conv.fp32.onnx")
    done = crossrt(
        *("bisect-runtime", path, "--runtime", "ort-cpu", "--good", "1.0", "--bad", "3.0", "--by", "answers"),
        *("--samples", "8", "--json"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["status"], found["last_good"], found["first_bad"]) == ("found", "2.0.0", "3.0.0")
    assert [each["version"] for each in found["steps"]] == ["2.0.0"]
    assert "ort-cpu 3.0.0 changed the answers: 2.0.0 is still like 1.0.0." in done.stderr
    assert "Kernels: " not in done.stderr or "same" in done.stderr
    assert Path(done.stderr.split("bisection: ")[1].strip()).exists()


class Given:
    """Verdicts instead of measurements: times by version."""

    def __init__(self, times, breaks=(), interrupts=None):
        self.times_by_version, self.breaks, self.interrupts, self.asked = times, breaks, interrupts, []

    def check(self, *_):
        """Nothing is wrong with the model."""

    def times(self, against, version, margin):
        self.asked.append(version)
        if version in self.breaks:
            raise ArmFailedError(f"B ({version}) failed: refuses the file")
        if version == self.interrupts:
            raise InterruptedBisectionError
        ratio = self.times_by_version[version] / self.times_by_version[against]
        step = Step(version=version, against=against, verdict="inconclusive", ratio=ratio, lower=ratio, upper=ratio)
        if abs(ratio - 1 - margin) < 0.005:
            return Compared(step=step, verdict="inconclusive")
        return Compared(step=step, verdict="A faster" if ratio > 1 + margin else "same")

    def kernels(self, *_):
        return Kernels(problem="not profiled")


class Store:
    """Environments and releases that need not be made: any version from 1.0.0 to 7.0.0."""

    def open(self, _, version):
        return SimpleNamespace(manifest=SimpleNamespace(version=version, package="onnxruntime"), python=Path("python"))

    def releases(self, *bounds):
        above, below = bounds[2:]
        return [f"{each}.0.0" for each in range(int(above[0]) + 1, int(below[0]))]


@pytest.fixture
def given(monkeypatch):
    """A bisection whose times are given."""
    monkeypatch.setattr(bisecting, "version_environments", lambda *_: Store())
    monkeypatch.setattr(bisecting, "find_installer", lambda _: Store())

    def use(times, **faults):
        comparer = Given({f"{place + 1}.0.0": each for place, each in enumerate(times)}, **faults)
        monkeypatch.setattr(bisecting, "Comparer", lambda *_: comparer)
        return comparer

    return use


def test_noise_is_not_bisected(given, request_for):
    comparer = given([1, 1, 1, 1.01])
    found = bisecting.run_bisection(request_for(), Silent())
    assert (found.status, found.steps, comparer.asked) == ("no difference", (), ["4.0.0"])
    assert next(sentences(found)).startswith(
        "No difference: 1.0.0 and 4.0.0 take the same time within 2% (4.0.0 takes 1.010"
    )


def test_an_interrupted_bisection_goes_on_where_it_stood(given, request_for):
    given([1, 1, 1, 1, 1.2, 1.2, 1.2], interrupts="5.0.0")
    asked = request_for(bad="7.0.0")
    broken_off = bisecting.run_bisection(asked, Silent())
    assert broken_off.status == "interrupted"
    assert next(sentences(broken_off)).startswith(
        "INTERRUPTED: 2 releases between 4.0.0 and 7.0.0 not compared yet; the same command"
    )
    comparer = given([1, 1, 1, 1, 1.2, 1.2, 1.2])
    found = bisecting.run_bisection(asked, Silent())
    assert (found.status, found.last_good, found.first_bad) == ("found", "4.0.0", "5.0.0")
    assert comparer.asked[0] == "5.0.0"
    assert bisecting.run_bisection(asked, Silent()) == found
    again = given([1, 1, 1, 1, 1.2, 1.2, 1.2])
    bisecting.run_bisection(request_for(bad="7.0.0", is_fresh=True), Silent())
    assert again.asked[0] == "7.0.0"


def test_ends_that_were_not_compared_are_not_called_good_or_bad(given, request_for):
    given([1, 1, 1, 1.2], interrupts="4.0.0")
    found = bisecting.run_bisection(request_for(), Silent())
    assert [row[1].text for row in steps_sheet(found).rows] == ["not compared", "not compared"]
    (line,) = sentences(found)
    assert line.startswith("INTERRUPTED before 1.0.0 and 4.0.0 were compared: nothing is known yet; the same command")


def test_what_no_version_reads_is_refused_before_one_is_installed(index, request_for, model, tmp_path):
    model("image.fp32.openvino-ir")
    with pytest.raises(HarnessError, match="no runtime of this run reads openvino-ir"):
        bisecting.run_bisection(request_for(case=str(tmp_path / "model.xml")), Silent())
    assert index.installs == []


def test_a_release_half_way_stays_open_and_is_measured_beside_its_neighbours(given, request_for):
    given([1, 1, 1.1, 1.21])
    found = bisecting.run_bisection(request_for(), Silent())
    assert (found.status, found.last_good, found.first_bad) == ("narrowed", "2.0.0", "4.0.0")
    assert [step.version for step in found.neighbours] == ["3.0.0", "4.0.0"]
    lines = list(sentences(found))
    assert lines[0] == "The time of a call changed after 2.0.0 and not later than in 4.0.0: 3.0.0 stays open."
    assert lines[-1] == "3.0.0: inconclusive: too near to half of the change"


def test_releases_that_do_not_run_are_left_aside_and_said(given, request_for):
    given([1, 1, 1, 1, 1.2, 1.2, 1.2], breaks=("4.0.0",))
    found = bisecting.run_bisection(request_for(bad="7.0.0"), Silent())
    assert (found.status, found.last_good, found.first_bad) == ("narrowed", "3.0.0", "5.0.0")
    assert "4.0.0: failed: B (4.0.0) failed: refuses the file" in list(sentences(found))


def test_a_good_end_may_be_the_newer_one(given, request_for):
    given([1.2, 1.2, 1, 1])
    found = bisecting.run_bisection(request_for(good="4.0.0", bad="1.0.0"), Silent())
    assert (found.releases, found.first_bad) == (("4.0.0", "3.0.0", "2.0.0", "1.0.0"), "2.0.0")


def test_a_damaged_record_is_named(given, request_for):
    asked = request_for()
    asked.folder.mkdir(parents=True)
    (asked.folder / "bisection.json").write_text("{}")
    with pytest.raises(HarnessError, match=r"bisection\.json is damaged or is not a bisection .*--fresh begins again"):
        bisecting.run_bisection(asked, Silent())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"good": "4"}, "are the same version"),
        ({"good": "1.x"}, "'1.x' does not name one version"),
        ({"runtime": selector_of("ort-cpu==1.0")}, "leave its version to --good and --bad"),
        ({"runtime": selector_of("ort")}, "no runtime 'ort'"),
    ],
)
def test_requests_that_mean_nothing_are_refused(request_for, changes, said):
    with pytest.raises(Exception, match=said):
        request_for(**changes)


def test_other_data_or_settings_are_another_bisection(request_for):
    assert request_for().folder != request_for(margin=0.05).folder
    assert request_for().folder == request_for().folder
