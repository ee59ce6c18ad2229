"""Metrics and tasks that are not crossrt's own run in a process of their own."""

from __future__ import annotations

import os

import numpy as np
import pytest

from crossrt.core.errors import DataError, PluginError
from crossrt.datasets.opening import DataRequest
from crossrt.harness.evaluate.hosted_task import HostedTask, chosen_task
from crossrt.harness.measure.settings import Subject
from crossrt.harness.process.user_code import user_code_in

pytestmark = pytest.mark.processes

METRICS = """
import os, time, ctypes
import numpy as np

def near(y, labels):
    \"\"\"Share of samples that are near.\"\"\"
    print("scored", file=__import__("sys").stdout)
    if y[0, 0] == -1:
        ctypes.string_at(0)
    if y[0, 0] == -2:
        os.kill(os.getpid(), 9)
    if y[0, 0] == -3:
        time.sleep(600)
    if y[0, 0] == -4:
        raise ValueError("odd answers")
    y += 1000  # changes a copy
    return np.abs(y[:, 0] - 1000 - labels) < 1

def pid(outputs, labels):
    return np.full(len(labels), os.getpid(), np.int64)

def forks(y, labels):
    os.fork()
    return np.abs(y[:, 0] - labels) < 1

def text(y, labels):
    return "good"

def crashes(y, labels):
    ctypes.string_at(0)
"""
OUTPUTS = {"y": np.array([[0.0], [1.0], [9.0]])}
LABELS = np.array([0.0, 1.0, 2.0])


@pytest.fixture
def scratch(tmp_path):
    made = tmp_path / "scratch"
    made.mkdir()
    with user_code_in(made):
        yield made


@pytest.fixture
def choose(tmp_path, scratch):
    (tmp_path / "metrics.py").write_text(METRICS)
    return lambda name, outputs=OUTPUTS: chosen_task(f"{tmp_path}/metrics.py:{name}", LABELS, outputs, scratch).task


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs a package with a task."""

    def install(source, name="graded"):
        info = tmp_path / f"crossrt_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: crossrt-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[crossrt.tasks]\n{name} = crossrt_{name}:Task\n")
        (tmp_path / f"crossrt_{name}.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def at(value, path=None):
    """Answers that begin with a value, in memory or in a file."""
    array = np.array([[value], [1.0], [2.0]])
    if path is None:
        return {"y": array}
    np.save(path, array)
    return {"y": np.load(path, mmap_mode="r+")}


def test_a_metric_scores_files_in_another_process_and_changes_none(choose, tmp_path, capfd):
    task = choose("near")
    task.check(OUTPUTS, LABELS)
    outputs = at(0.0, tmp_path / "outputs.npy")
    found = task.evaluate(outputs, LABELS, OUTPUTS, {})
    assert found.per_sample["near"].unpack().tolist() == [True, True, True]
    assert found.values["near"] == 1.0
    assert found.reference_values == {"near": pytest.approx(2 / 3)}
    assert (task.metrics[0].description, task.metrics[0].paired_test) == ("Share of samples that are near.", "mcnemar")
    assert task.looks_like_chance(found, LABELS) is None
    assert np.load(tmp_path / "outputs.npy")[0, 0] == 0.0
    assert OUTPUTS["y"][0, 0] == 0.0
    task._process.close()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("scored\n")


def test_a_copy_that_a_metric_forks_leaves_quietly(choose, capfd):
    task = choose("forks")
    assert [task.evaluate(OUTPUTS, LABELS, None, {}).values["forks"] for _ in range(2)] == [pytest.approx(2 / 3)] * 2
    task._process.close()
    assert capfd.readouterr().err == ""


def test_one_process_scores_all_cases(choose):
    task = choose("pid")
    first, second = (task.evaluate(OUTPUTS, LABELS, None, {}).values["pid"] for _ in range(2))
    assert first == second != os.getpid()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1.0, "near could not be run to its end: the process was ended by SIGSEGV, a crash in native code"),
        (-2.0, "near could not be run to its end: the process was ended by SIGKILL"),
        (-4.0, r"near failed: ValueError: odd answers \(metrics.py:15\)"),
    ],
)
def test_answers_that_a_metric_fails_on_are_an_error_and_the_next_are_scored(choose, value, message):
    task = choose("near")
    with pytest.raises(DataError, match=message):
        task.evaluate(at(value), LABELS, OUTPUTS, {})
    assert task.evaluate(at(0.0), LABELS, OUTPUTS, {}).values["near"] == 1.0


def test_a_metric_that_hangs_is_stopped_named_and_in_the_end_left_alone(choose, monkeypatch):
    monkeypatch.setenv("CROSSRT_CODE_TIMEOUT", "0.5")
    task = choose("near")
    for _ in range(2):
        with pytest.raises(
            DataError, match=r"metrics.py:near did not answer within 0.5 s.* CROSSRT_CODE_TIMEOUT=SECONDS"
        ):
            task.evaluate(at(-3.0), LABELS, OUTPUTS, {})
    with pytest.raises(DataError, match="near is not asked again: it hung 2 times"):
        task.evaluate(at(0.0), LABELS, OUTPUTS, {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text", "returned <U4 of the shape"),
        ("crashes", "crashes could not be run to its end: the process was ended by SIGSEGV"),
        ("missing", "does not have a function 'missing'"),
    ],
)
def test_a_metric_that_cannot_be_used_at_all_is_refused_at_once(choose, name, message):
    with pytest.raises(DataError, match=message):
        choose(name)


def test_bundled_tasks_start_no_process(scratch, monkeypatch):
    monkeypatch.setattr("crossrt.harness.evaluate.hosted_task.UserCodeProcess", None)
    for text in (None, "agreement", "regression:tolerance=0.1"):
        assert not isinstance(chosen_task(text, LABELS, OUTPUTS, scratch).task, HostedTask)
    with pytest.raises(PluginError, match="task 'nothing' is not known"):
        chosen_task("nothing", LABELS, OUTPUTS, scratch)


PLUGIN = """
from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation
from crossrt.datasets.tasks.agreement import AGREEMENT

class Task:
    name, metrics = "graded", (AGREEMENT,)
    def check(self, outputs, labels):
        if labels is None:
            raise DataError("labels are missing")
    def evaluate(self, outputs, labels, reference, steps):
        return RETURNED
    def looks_like_chance(self, evaluation, labels):
        return f"{evaluation.samples} of {len(labels)} samples are by chance"
"""


def test_a_task_of_a_plug_in_is_run_with_all_that_it_can_do(plugin, scratch):
    plugin(
        PLUGIN.replace("RETURNED", "Evaluation(task='graded', samples=len(labels), values={'agreement': steps['y']})")
    )
    task = chosen_task("graded", LABELS, OUTPUTS, scratch).task
    found = task.evaluate(OUTPUTS, LABELS, None, {"y": 0.25})
    assert (task.name, task.metrics[0].name, found.values) == ("graded", "agreement", {"agreement": 0.25})
    assert task.looks_like_chance(found, LABELS) == "3 of 3 samples are by chance"
    with pytest.raises(DataError, match="labels are missing"):
        task.check(OUTPUTS, None)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PLUGIN.replace("RETURNED", "1 / 0"), r"graded failed: ZeroDivisionError.*\(crossrt_graded.py, line 12\)"),
        (PLUGIN.replace("RETURNED", "{'agreement': 1.0}"), "graded returned dict; an Evaluation is expected"),
    ],
)
def test_what_a_plug_in_does_wrong_is_one_message(plugin, scratch, source, message):
    plugin(source)
    task = chosen_task("graded", LABELS, OUTPUTS, scratch).task
    with pytest.raises(DataError, match=message):
        task.evaluate(OUTPUTS, LABELS, None, {})


def test_files_of_answers_do_not_pile_up(choose, scratch):
    task = choose("near")
    for value in range(20):
        task.evaluate(at(value / 100), LABELS, OUTPUTS, {})
    assert len(list(scratch.glob("scored-*/*"))) <= 18


def test_a_metric_that_crashes_on_one_case_fails_its_row_and_the_others_are_measured(bench, folder, data, tmp_path):
    (tmp_path / "odd.py").write_text(
        "import os\nimport numpy as np\n\n"
        f"SEEN = {str(tmp_path / 'seen.npy')!r}\n\n\n"
        "def score(scores, labels):\n"
        "    if not os.path.exists(SEEN):\n        np.save(SEEN, scores)\n"
        "    if not np.allclose(np.load(SEEN), scores, atol=1e-3):\n        os.kill(os.getpid(), 11)\n"
        "    return scores.argmax(axis=1) == labels\n"
    )
    subject = Subject(artifacts=folder, data=DataRequest(reference=str(data)), task=f"{tmp_path}/odd.py:score")
    report = bench(subject=subject, only=("fp32@ort-cpu*", "int8-io@tflite*"), effort_rounds=1)
    rows = {each.variant: each for each in report.results}
    assert (rows["fp32"].status, rows["int8-io"].status) == ("ok", "failed")
    assert rows["fp32"].evaluation.values["score"] == 1.0
    assert rows["fp32"].rounds
    assert rows["int8-io"].reason.endswith("the process was ended by SIGSEGV, a crash in native code")
