import sys

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.datasets.tasks.custom import custom_task, imported

SOURCE = '''
import numpy as np

def exact(outputs, labels):
    """Share of samples that are exact.

    More text.
    """
    return outputs["y"][:, 0] == labels

def distance(output, labels):
    return np.abs(output[:, 0] - labels)

distance.name = "l1"
distance.direction = "smaller_is_better"
distance.unit = "mm"

def fails(output, labels):
    return output.nothing

def scalar(output, labels):
    return 0.5

def text(output, labels):
    return ["a"] * len(output)

def infinite(output, labels):
    return np.array([np.nan, np.inf, 1.0])

def leaves(output, labels):
    raise SystemExit(3)

def changes(output, labels):
    return output[:, 0] > 0 if output[0, 0] == 0 else output[:, 0]

def sideways(output, labels):
    return output[:, 0]

sideways.direction = "sideways"

def agreement(output, labels):
    return output[:, 0]

number = 3
'''
OUTPUTS = {"y": np.array([[0.0], [1.0], [2.0]])}
LABELS = np.array([0.0, 1.0, 4.0])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my metric.py"
    path.write_text(SOURCE)
    return path


def test_booleans_are_shares_and_judged_by_mcnemar(file):
    task = custom_task(f"{file}:exact", OUTPUTS, LABELS)
    found = task.evaluate(OUTPUTS, LABELS, OUTPUTS, {})
    metric = task.metrics[0]
    assert (metric.name, metric.unit, metric.paired_test, metric.format) == ("exact", "share", "mcnemar", "percent")
    assert metric.description == "Share of samples that are exact."
    assert found.values == {"exact": pytest.approx(2 / 3), "agreement": 1.0, "max_abs_error": 0.0}
    assert found.counts == {"exact": 2, "agreement": 3}
    assert found.per_sample["exact"].unpack().tolist() == [True, True, False]
    assert found.reference_values == {"exact": pytest.approx(2 / 3)}
    assert [each.name for each in task.metrics] == list(found.values)


def test_numbers_are_means_and_judged_by_a_paired_t_test(file):
    task = custom_task(f"{file}:distance", OUTPUTS, LABELS)
    found = task.evaluate({"y": OUTPUTS["y"] + 1}, LABELS, OUTPUTS, {})
    metric = task.metrics[0]
    assert (metric.name, metric.unit, metric.paired_test) == ("l1", "mm", "paired-t")
    assert metric.direction == "smaller_is_better"
    assert found.values["l1"] == 1.0
    assert found.per_sample["l1"].unpack().tolist() == [1.0, 1.0, 1.0]
    assert found.reference_values == {"l1": pytest.approx(2 / 3)}
    assert found.values["max_abs_error"] == 1.0


def test_modules_of_the_current_folder_are_found(tmp_path, monkeypatch):
    (tmp_path / "crossrt_test_metrics.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    try:
        task = custom_task("crossrt_test_metrics:exact", OUTPUTS, LABELS)
    finally:
        sys.modules.pop("crossrt_test_metrics", None)
    assert task.name == "crossrt_test_metrics:exact"
    assert sys.path == before


def test_a_metric_that_ends_the_process_is_refused(tmp_path):
    path = tmp_path / "leaves.py"
    path.write_text("import os\n\n\ndef leave(output, labels):\n    os._exit(0)\n")
    with pytest.raises(DataError, match=r"leaves.py:leave failed: SystemExit: it called os._exit\(0\)"):
        custom_task(f"{path}:leave", OUTPUTS, LABELS)


def test_values_that_are_not_finite_are_refused_with_the_first_of_them(file):
    with pytest.raises(DataError, match=r"infinite returned nan for sample 0 \(2 of 3 samples"):
        custom_task(f"{file}:infinite", OUTPUTS, LABELS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", r"metric .*:fails failed: AttributeError: .*nothing.* \(my metric.py:\d+\)"),
        ("scalar", r"returned float64 of the shape \(\); one number or boolean per sample is expected, \(3,\)"),
        ("text", "returned <U1"),
        ("leaves", "failed: SystemExit: 3"),
        ("missing", "does not have a function 'missing'; available: exact, distance"),
        ("number", "does not have a function 'number'"),
        ("sideways", "'sideways'; available: smaller_is_better, bigger_is_better"),
        ("agreement", "another one than agreement and max_abs_error"),
    ],
)
def test_functions_that_cannot_be_used_give_one_message(file, name, message):
    with pytest.raises(DataError, match=message):
        custom_task(f"{file}:{name}", OUTPUTS, LABELS)


def test_a_function_must_return_the_same_kind_for_all_cases(file):
    task = custom_task(f"{file}:changes", OUTPUTS, LABELS)
    with pytest.raises(DataError, match="returned float64; booleans are expected"):
        task.evaluate({"y": OUTPUTS["y"] + 1}, LABELS, OUTPUTS, {})


def test_several_outputs_are_given_by_name_only(file):
    outputs = {**OUTPUTS, "z": OUTPUTS["y"]}
    assert custom_task(f"{file}:exact", outputs, LABELS).evaluate(outputs, LABELS, None, {}).counts == {"exact": 2}
    with pytest.raises(DataError, match=r"outputs y, z: the first parameter of .* must be called `outputs`"):
        custom_task(f"{file}:distance", outputs, LABELS)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_module_at_all:f", "importing no_such_module_at_all failed: ModuleNotFoundError"),
        ("missing.py:f", "missing.py does not exist"),
        ("f", "write module:function or file.py:function"),
        ("module:", "write module:function"),
    ],
)
def test_references_that_cannot_be_imported_are_refused(reference, message):
    with pytest.raises(DataError, match=message):
        imported(reference)


def test_a_file_that_fails_on_import_gives_one_message(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("x = 1\nraise RuntimeError('no licence')\n")
    with pytest.raises(DataError, match=r"failed: RuntimeError: no licence \(broken.py:2\)"):
        imported(f"{path}:f")
