"""A/B comparisons over the small models: verdicts, files, both Pythons, sides that fail, interrupts."""

from __future__ import annotations

import json
import math
import signal
import sys
import venv
from pathlib import Path

import jsonschema
import msgspec
import pytest

from crossrt.harness.errors import ArmFailedError, HarnessError
from crossrt.harness.measure.effort import Cost
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import read_duel, write_report
from crossrt.reports.schema.json_schema import duel_json_schema
from crossrt.reports.schema.records import Look
from crossrt.reports.statistics.spending import Spending
from crossrt.reports.tables.duel_text import duel_as_markdown, duel_lines, gate_line
from crossrt.reports.text.progress import Silent
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.duel import ALPHA, CONFIRMING_ROUNDS, judge_duel
from crossrt.reports.verdicts.duel_reports import arm_report

pytestmark = pytest.mark.processes

DATA = Path(__file__).parents[2] / "data"


def assert_nobody_won(found):
    """Three short rounds on a busy machine may leave it open whether equals are within a factor of two."""
    judgement = judge_duel(found)
    assert judgement.verdict in ("same", "inconclusive")
    assert judgement.rounds >= 3
    assert abs(judgement.ratio.mean) < math.log(3)


@pytest.fixture
def slowed(monkeypatch):
    """Registers runtimes that are slower by a known share."""
    monkeypatch.setenv("PYTHONPATH", str(DATA / "slowed"))
    monkeypatch.syspath_prepend(str(DATA / "slowed"))


def test_a_case_is_as_fast_as_itself_also_when_the_file_is_read_again(duel, tmp_path):
    found = duel(margin=1.0)
    assert_nobody_won(found)
    judgement = judge_duel(found)
    assert found.run.settings.rounds == judgement.rounds >= 3
    for arm in (found.a, found.b):
        assert len(arm.result.rounds) == len(arm.replicate_rounds) == judgement.rounds
    write_report(found, tmp_path / "duel.json")
    again = read_duel(tmp_path / "duel.json")
    assert judge_duel(again) == judgement
    assert duel_lines(again) == duel_lines(found)
    assert duel_as_markdown(again).startswith(f"**{duel_lines(found)[0]}")
    jsonschema.validate(json.loads((tmp_path / "duel.json").read_text()), duel_json_schema())


def test_a_slower_runtime_is_found_and_the_verdict_recurs(duel, slowed):
    for _ in range(3):  # other work on the machine may make it unsure
        found = duel("fp32@slowed-0", "fp32@slowed-100", margin=0.1, budget_s=8.0)
        if (judgement := judge_duel(found)).verdict == "A faster":
            break
    assert (judgement.verdict, judgement.recurred) == ("A faster", True)
    assert judgement.rounds == found.looks[-1].rounds + CONFIRMING_ROUNDS


def test_the_two_sides_are_reports_that_share_their_rounds(duel):
    found = duel("fp32@ort-cpu", "fp32@tflite", margin=1.0)
    sides = arm_report(found, found.a), arm_report(found, found.b)
    compared = compare_reports(*sides, Question(is_paired=True))
    ratio = next(each for each in compared.findings if each.metric == "latency_p50_ns")
    assert ratio.change == pytest.approx(2.718281828 ** judge_duel(found).ratio.mean - 1)


def test_sides_that_are_slow_lose_blocks_and_what_the_fewest_rounds_take_is_said(duel, remarks, monkeypatch):
    slow = Cost(call_ns=1_000_000_000)
    monkeypatch.setattr("crossrt.harness.measure.duel.prepare._cost", lambda _: slow)
    found = duel(margin=1.0, display=remarks)
    assert {len(each.blocks_ns) for each in (*found.a.result.rounds, *found.b.replicate_rounds)} == {2}
    assert found.run.settings.blocks_per_round == 2
    assert any("measuring takes about " in text for text in remarks.texts)


def test_threads_may_differ(duel):
    found = duel("fp32@ort-cpu/t1", "fp32@ort-cpu/t2", margin=5.0)
    assert (found.a.result.threads, found.b.result.threads) == (1, 2)
    sides = (found.a.result.rounds, found.b.result.rounds)
    assert len({len(block) for rounds in sides for each in rounds for block in each.blocks_ns}) == 1


def test_looks_may_not_have_more_than_the_whole_chance_of_error(duel, tmp_path):
    found = duel(margin=1.0)
    spending = Spending(ALPHA)
    looks = tuple(Look(rounds=n, alpha=spending.next_level(share, n)) for n, share in ((2, 0.8), (3, 1.0)))
    path = tmp_path / "duel.json"
    write_report(msgspec.structs.replace(found, looks=looks), path)
    assert read_duel(path).looks == looks
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(found, looks=(Look(rounds=3, alpha=0.05),))))
    with pytest.raises(ReportError, match="more than the chance of error"):
        read_duel(path)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("fp32", None, "is neither a file nor written like a case"),
        ("fp32@ort-cpu/x1", None, "is not written like a side"),
        ("fp32@ort-cpu/b0", None, "is not written like a side"),
        ("int9@ort-cpu", None, "there is no case 'int9@ort-cpu'; available: fp32@ort-cpu"),
        ("fp32@no-such", None, "there is no runtime 'no-such'"),
        ("fp32@ort-cpu/b1", "fp32@ort-cpu/b2", "name one batch size"),
    ],
)
def test_arms_that_make_no_sense_are_refused(duel, a, b, message):
    with pytest.raises(HarnessError, match=message):
        duel(a, b)


@pytest.mark.parametrize("fault", ["load:crash", "run:raise", "run:nan", "load:hang"])
def test_an_arm_that_fails_ends_the_duel_with_its_reason(duel, chaos, fault):
    chaos(fault)
    for limit_s in (3.0, 15.0, 75.0):  # which the other arm may exceed as well on a busy machine
        with pytest.raises(ArmFailedError) as error:
            duel("fp32@ort-cpu", "fp32@chaos", timeout_s=limit_s)
        if "chaos" in str(error.value):
            break
    assert "chaos" in str(error.value)
    assert error.value.exit_code == 1


def test_a_runtime_that_cannot_be_imported_is_wrong_usage(duel, chaos):
    chaos("import:raise")
    with pytest.raises(HarnessError, match="chaos") as error:
        duel("fp32@ort-cpu", "fp32@chaos")
    assert error.value.exit_code == 2


def test_an_arm_that_fails_while_it_is_timed_ends_the_duel(duel, chaos):
    chaos("fourth-load:abort")
    with pytest.raises(HarnessError, match=r"B failed in round 1: loading the model: .*SIGABRT"):
        duel("fp32@ort-cpu", "fp32@chaos")


def test_an_arm_that_fails_in_the_first_round_leaves_no_file(duel, chaos):
    chaos("fourth-load:abort")
    kept = []
    with pytest.raises(ArmFailedError, match="B failed in round 1"):
        duel("fp32@ort-cpu", "fp32@chaos", checkpoint=kept.append)
    assert kept == []


def test_finished_rounds_of_both_sides_are_kept_meanwhile(duel):
    kept = []
    duel(checkpoint=kept.append)
    assert kept
    assert all(each.a.result.rounds and each.b.replicate_rounds for each in kept)


def test_an_arm_that_fails_later_keeps_the_finished_rounds(duel, chaos):
    """Loads: the check, then two processes of B with two sessions each in every round."""
    chaos("seventh-load:abort")
    found = duel("fp32@ort-cpu", "fp32@chaos")
    assert (found.a.result.status, found.b.result.status) == ("ok", "failed")
    assert judge_duel(found).verdict == "inconclusive"
    assert duel_lines(found)[0].startswith("No verdict: B failed after 1 round: loading the model: ")
    assert gate_line(found) == "gate: undecided, an arm failed"


def test_an_interrupt_keeps_the_finished_rounds(duel, monkeypatch):
    class Impatient(Silent):
        def step(self, doing=""):
            if doing.startswith("round 2"):
                raise KeyboardInterrupt

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    found = duel(display=Impatient(), margin=1e-4)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert found.run.status == "interrupted"
    assert judge_duel(found).rounds == 2
    assert judge_duel(found).verdict == "inconclusive"


def test_b_runs_under_another_python(duel):
    found = duel(python_b=Path(sys.executable), margin=1.0)
    assert found.b.environment.packages["runtime ort-cpu"] == found.a.environment.packages["runtime ort-cpu"]
    assert_nobody_won(found)


@pytest.fixture
def bare_venv(tmp_path):
    """A virtual environment in which nothing is installed."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    return tmp_path / "bare"


def lend(bare, *packages):
    """Makes installed packages importable in a bare environment."""
    site = next((bare / "lib").glob("python3*")) / "site-packages"
    for name in packages:
        source = next(Path(entry) / name for entry in sys.path if (Path(entry) / name).is_dir())
        (site / name).symlink_to(source)
        libraries = source.with_name(f"{name}.libs")
        if libraries.is_dir():
            (site / libraries.name).symlink_to(libraries)


def test_the_other_environment_needs_nothing_but_numpy_and_the_runtime(duel, bare_venv):
    lend(bare_venv, "numpy", "onnxruntime")
    found = duel(python_b=bare_venv, margin=1.0)
    assert_nobody_won(found)


def test_another_environment_without_numpy_is_refused(duel, bare_venv):
    with pytest.raises(HarnessError, match=r"has no usable numpy .*pip install numpy"):
        duel(python_b=bare_venv)


def test_another_environment_without_the_runtime_is_refused_with_its_install_command(duel, bare_venv):
    lend(bare_venv, "numpy")
    with pytest.raises(HarnessError, match=r"onnxruntime is not installed: .*bare/bin/python.* install onnxruntime"):
        duel(python_b=bare_venv)


@pytest.mark.parametrize("path", ["/bin/true", "/bin/false", "/etc/passwd", "/no/such/python"])
def test_what_is_no_python_is_refused(duel, path):
    with pytest.raises(HarnessError, match=Path(path).name):
        duel(python_b=Path(path))
