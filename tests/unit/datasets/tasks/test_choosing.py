import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from crossrt.core.errors import DataError, PluginError
from crossrt.datasets.tasks import choosing
from crossrt.datasets.tasks.agreement import Agreement
from crossrt.datasets.tasks.choosing import BUNDLED, GROUP, chance_caution, choose_task, make_task, task_names
from crossrt.datasets.tasks.classification import Classification
from crossrt.datasets.tasks.multilabel import Multilabel
from crossrt.datasets.tasks.regression import Regression

SCORES = {"y": np.random.default_rng(0).normal(size=(6, 4))}
CLASSES = np.array([0, 1, 2, 3, 0, 1])


class Plain:
    """A task without options."""

    name = "plain"
    metrics = ()

    def check(self, outputs, labels):
        pass

    def evaluate(self, outputs, labels, reference, steps):
        raise NotImplementedError


def register(monkeypatch, *points):
    found = {name: EntryPoint(name, value, GROUP) for name, value in points}
    monkeypatch.setattr(choosing, "registered", lambda group: found if group == GROUP else {})
    monkeypatch.setattr("crossrt.core.plugins.registered", lambda group: found if group == GROUP else {})


@pytest.mark.parametrize(
    ("labels", "outputs", "kind", "said"),
    [
        (None, SCORES, Agreement, "agreement: there are no labels"),
        (CLASSES, SCORES, Classification, "classification: labels are int64 (6,)"),
        (CLASSES[:, None], SCORES, Classification, "classification: labels are int64 (6, 1)"),
        (CLASSES, {"label": CLASSES}, Classification, "classification: labels are int64 (6,)"),
        (CLASSES % 2, {"p": np.linspace(0, 1, 6)}, Classification, "classification: labels are int64 (6,)"),
        (np.eye(4)[CLASSES], SCORES, Classification, "classification: labels are float64 (6, 4), one-hot"),
        (np.tri(6, 4), SCORES, Multilabel, "multilabel: labels are float64 (6, 4) of 0 and 1"),
        (np.linspace(0, 1, 6), {"y": np.ones((6, 1))}, Regression, "regression: labels are float64 (6,)"),
        (CLASSES, {"y": np.ones((6, 1))}, Regression, "regression: labels are int64 (6,), but no output holds scores"),
        (CLASSES - 9, {"y": np.ones((6, 1))}, Regression, "regression: labels are int64 (6,), but labels hold -9"),
    ],
)
def test_a_task_is_inferred_and_said(labels, outputs, kind, said):
    chosen = choose_task(None, labels, outputs)
    assert isinstance(chosen.task, kind)
    assert chosen.inferred.startswith(said)
    assert isinstance(make_task(None, labels, outputs), kind)


@pytest.mark.parametrize(
    ("labels", "outputs", "message"),
    [
        (CLASSES + 1, SCORES, r"classification was inferred \(labels are int64 \(6,\)\), but labels hold 4"),
        (np.array([1, 2, 1, 2, 1, 2]), {"y": np.ones((6, 1))}, "classification was inferred"),
        (CLASSES.astype("float32"), SCORES, r"are classes, give labels\.astype\(.int64.\), or --task classification"),
        (np.ones((6, 2)) / 3, SCORES, r"do not fit any output; .*; name the task with --task, if it is another"),
        (np.ones((6, 2)) / 3, SCORES, r"regression was inferred .*do not fit any output"),
        (np.array(None), SCORES, "labels are object; numbers are expected"),
        (
            np.array(list("abcdef")),
            SCORES,
            r"text .'a', 'b', 'c', 'd', 'e', \.\.\.\); a class is the number",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused_rather_than_guessed(labels, outputs, message):
    with pytest.raises(DataError, match=message):
        choose_task(None, labels, outputs)


def test_a_named_task_is_not_inferred_and_takes_options():
    chosen = choose_task("classification:output=y,top_k=2", CLASSES, SCORES)
    assert chosen.task == Classification(output="y", top_k=2)
    assert chosen.inferred == ""
    assert choose_task("agreement", CLASSES, SCORES).task == Agreement()
    assert make_task("regression: tolerance=0.1", None, SCORES) == Regression(tolerance=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classification:top_k", "option 'top_k' has no value"),
        ("classification:top_k=1,top_k=2", "given twice"),
        ("classification:top=1", "does not have the option 'top'; available: output, top_k"),
    ],
)
def test_options_that_cannot_be_used_are_refused(text, message):
    with pytest.raises(DataError, match=message):
        make_task(text, CLASSES, SCORES)


@pytest.mark.parametrize("text", ["clasification", "clasification:top_k=3"])
def test_unknown_names_list_what_is_available(text):
    expected = r"'clasification' is not known \(did you mean 'classification'\?\); available: agreement, classification"
    with pytest.raises(PluginError, match=expected):
        make_task(text, CLASSES, SCORES)


def test_a_function_of_the_users_is_a_task(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def right(output, labels):\n    return output.argmax(axis=1) == labels\n")
    task = make_task(f"{path}:right", CLASSES, SCORES)
    assert task.metrics[0].name == "right"


def test_tasks_of_other_packages_are_found_by_name(monkeypatch):
    register(monkeypatch, ("mine", f"{Classification.__module__}:Classification"))
    assert make_task("mine:top_k=3", CLASSES, SCORES) == Classification(top_k=3)
    assert task_names() == ("agreement", "classification", "mine", "multilabel", "regression")


def test_options_for_a_task_without_any_are_refused(monkeypatch):
    register(monkeypatch, ("plain", "somewhere:Plain"))
    monkeypatch.setattr(choosing, "load_plugin", lambda *_: Plain())
    assert make_task("plain", CLASSES, SCORES).name == "plain"
    with pytest.raises(DataError, match="task plain does not have options; found k"):
        make_task("plain:k=1", CLASSES, SCORES)
    assert chance_caution(Plain(), None, CLASSES) is None


def test_a_plug_in_that_is_not_a_task_is_refused(monkeypatch):
    register(monkeypatch, ("odd", "collections:OrderedDict"))
    with pytest.raises(PluginError, match="'odd' is not a task: it lacks name, metrics, check, evaluate"):
        make_task("odd", CLASSES, SCORES)


def test_a_plug_in_must_not_take_the_name_of_a_bundled_task(monkeypatch):
    register(monkeypatch, ("agreement", "elsewhere:Task"))
    with pytest.raises(PluginError, match="elsewhere:Task"):
        make_task("agreement", None, SCORES)


def test_bundled_tasks_may_be_registered_too(monkeypatch):
    register(monkeypatch, *BUNDLED.items())
    for name in BUNDLED:
        assert make_task(name, None, SCORES).name == name
    assert task_names() == tuple(sorted(BUNDLED))


def test_a_caution_is_that_of_the_task():
    task = make_task("classification", CLASSES, SCORES)
    constant = {"y": np.eye(4)[np.zeros(6, int)]}
    evaluation = task.evaluate(constant, CLASSES, None, {})
    assert chance_caution(task, evaluation, CLASSES) == "the reference answers class 0 to all 6 samples"
    assert chance_caution(task, evaluation, None) is None


def test_nothing_heavy_is_imported():
    code = (
        "import sys; import crossrt.datasets.tasks.choosing as c; import crossrt.datasets.tasks.classification;"
        "c.make_task(None, None, {'y': __import__('numpy').ones((2, 3))});"
        "print([m for m in ('scipy', 'sklearn', 'onnx', 'onnxruntime', 'tensorflow', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
