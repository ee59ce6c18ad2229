import msgspec
import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.datasets.tasks.agreement import Agreement
from crossrt.datasets.tasks.protocol import HasOptions, KnowsChance, Task

OUTPUTS = {"boxes": np.ones((4, 2, 3), np.float32), "scores": np.arange(4, dtype=np.float32)[:, None]}


def moved(**outputs):
    return {**OUTPUTS, **outputs}


def test_the_reference_itself_has_no_values():
    evaluation = Agreement().evaluate(OUTPUTS, None, None, {})
    assert evaluation.samples == 4
    assert evaluation.values == {}
    assert evaluation.outputs == ()
    assert len(evaluation.answers_sha256) == 64


def test_values_are_those_of_the_worst_output():
    scores = OUTPUTS["scores"] * np.array([[1], [1], [1.1], [1]])
    evaluation = Agreement().evaluate(
        moved(boxes=OUTPUTS["boxes"] * 1.01, scores=scores), None, OUTPUTS, {"boxes": 0.01}
    )
    relative = 0.2 / np.sqrt(14)
    assert evaluation.values["agreement"] == 0.75
    assert evaluation.counts == {"agreement": 3}
    assert evaluation.per_sample["agreement"].unpack().tolist() == [True, True, False, True]
    assert evaluation.values["relative_error"] == pytest.approx(relative)
    assert evaluation.values["sqnr_db"] == pytest.approx(-20 * np.log10(relative))
    assert evaluation.values["max_abs_error"] == pytest.approx(0.2)
    assert [error.max_steps for error in evaluation.outputs] == [pytest.approx(1.0, rel=1e-4), None]


def test_equal_outputs_agree_wholly_and_have_no_noise():
    evaluation = Agreement().evaluate(OUTPUTS, None, OUTPUTS, {})
    assert evaluation.values == {"agreement": 1.0, "relative_error": 0.0, "max_abs_error": 0.0}


def test_every_value_has_a_definition():
    task = Agreement()
    evaluation = task.evaluate(moved(boxes=OUTPUTS["boxes"] * 2), None, OUTPUTS, {})
    assert set(evaluation.values) == {metric.name for metric in task.metrics}
    assert task.metrics[0].margin == 0.001


def test_evaluations_survive_json():
    evaluation = Agreement().evaluate(moved(boxes=OUTPUTS["boxes"] * np.nan), None, OUTPUTS, {"boxes": 0.1})
    assert msgspec.json.decode(msgspec.json.encode(evaluation), type=type(evaluation)) == evaluation


def test_the_tolerance_is_an_option_that_the_description_names():
    task = Agreement().with_options({"tolerance": "0.2"})
    assert task.tolerance == 0.2
    assert "0.2 max" in task.metrics[0].description
    assert "20% of elements" in task.metrics[0].description
    assert "0.05 max" in Agreement().metrics[0].description


@pytest.mark.parametrize(
    ("options", "message"),
    [({"tolerance": "2"}, "from 0 to 1"), ({"tolerance": "x"}, "tolerance=x"), ({"tol": "1"}, "available: tolerance")],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        Agreement().with_options(options)


def test_it_is_a_task_with_options_and_without_a_rule_for_chance():
    task: Task = Agreement()
    assert isinstance(task, HasOptions)
    assert not isinstance(task, KnowsChance)
