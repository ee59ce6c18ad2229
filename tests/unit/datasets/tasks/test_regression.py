import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import max_error, mean_absolute_error, r2_score, root_mean_squared_error

from crossrt.core.errors import DataError
from crossrt.datasets.tasks.protocol import HasOptions, KnowsChance
from crossrt.datasets.tasks.regression import Regression, looks_like_chance

RNG = np.random.default_rng(0)
LABELS = RNG.normal(size=200)
OUTPUT = (LABELS + RNG.normal(size=200) * 0.1).astype(np.float32)[:, None]


def scored(answers, labels, reference=None, **options):
    outputs = answers if isinstance(answers, dict) else {"y": answers}
    reference = {"y": reference} if isinstance(reference, np.ndarray) else reference
    return Regression(**options).evaluate(outputs, labels, reference, {})


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 50), st.integers(1, 4), st.integers(0, 2**31), st.floats(-1e6, 1e6))
def test_metrics_are_those_of_scikit_learn(samples, width, seed, offset):
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=(samples, width)) + offset
    output = labels + rng.normal(size=labels.shape)
    values = scored(output, labels).values
    assert values["mae"] == pytest.approx(mean_absolute_error(labels, output))
    assert values["rmse"] == pytest.approx(np.sqrt(np.mean((labels - output) ** 2)))
    assert values["r2"] == pytest.approx(r2_score(labels, output, multioutput="variance_weighted"), rel=1e-6, abs=1e-6)
    assert values["max_error"] == pytest.approx(max_error(labels.ravel(), output.ravel()))
    if width == 1:
        assert values["rmse"] == pytest.approx(root_mean_squared_error(labels, output))


def test_samples_hold_what_metrics_are_means_of():
    found = scored(OUTPUT, LABELS, OUTPUT)
    absolute, squared = (found.per_sample[name].unpack() for name in ("mae", "rmse"))
    assert absolute.dtype == squared.dtype == np.float32
    assert absolute.mean() == pytest.approx(found.values["mae"], rel=1e-5)
    assert np.sqrt(squared.mean()) == pytest.approx(found.values["rmse"], rel=1e-5)
    assert found.reference_values == scored(OUTPUT, LABELS).values
    assert found.values["agreement"] == 1.0


def test_every_value_has_a_definition():
    found = scored(OUTPUT + np.float32(0.2), LABELS, OUTPUT)
    assert list(found.values) == [metric.name for metric in Regression().metrics]
    by_name = {metric.name: metric for metric in Regression().metrics}
    assert by_name["mae"].paired_test == "paired-t"
    assert by_name["mae"].direction == "smaller_is_better"
    assert by_name["r2"].direction == "bigger_is_better"


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], LABELS.astype(np.float32)])
def test_dimensions_of_size_one_do_not_matter(labels):
    assert scored(OUTPUT, labels).values["mae"] == pytest.approx(scored(OUTPUT, LABELS).values["mae"], rel=1e-5)


def test_integers_and_images_are_labels_too():
    labels = RNG.integers(0, 256, (5, 4, 3), np.uint8)
    values = scored(labels.astype(np.float32) + 1, labels).values
    assert (values["mae"], values["max_error"]) == (1.0, 1.0)


def test_an_output_is_found_by_its_shape_or_named():
    outputs = {"other": np.ones((200, 7)), "y": OUTPUT}
    assert scored(outputs, LABELS).values == scored(OUTPUT, LABELS).values
    twice = {"a": OUTPUT, "b": OUTPUT + 1}
    with pytest.raises(DataError, match=r"several outputs: a float32 .*regression:output=a"):
        scored(twice, LABELS)
    assert scored(twice, LABELS, output="a").values == scored(OUTPUT, LABELS).values
    with pytest.raises(DataError, match="output 'c'; available: a, b"):
        scored(twice, LABELS, output="c")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "needs labels"),
        (np.ones((200, 3)), r"shape \(200, 3\) do not fit any output; found y float32 \(200, 1\)"),
        (np.ones(100), r"\(100,\) for 200 samples"),
        (np.full(200, np.inf), "labels of 200 of 200 samples hold NaN or infinity, first that of sample 0"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        Regression().check({"y": OUTPUT}, labels)


@pytest.mark.parametrize("labels", [np.array([3.0]), np.array([3.0, 3.0]), np.array([0.1] * 7)])
def test_labels_that_do_not_vary_have_no_r2(labels):
    found = scored(labels + 1, labels)
    assert "r2" not in found.values
    assert found.values["mae"] == pytest.approx(1.0)
    assert "labels do not vary" in found.notes[0]
    assert looks_like_chance(found) is None


def test_answers_that_are_not_finite_are_infinitely_wrong_in_finite_numbers():
    output = OUTPUT.copy()
    output[0], output[1] = np.nan, np.inf
    found = scored(output, LABELS, OUTPUT)
    assert found.values["mae"] == found.values["max_error"] == np.finfo(np.float64).max
    assert np.isfinite(list(found.values.values())).all()
    assert np.isfinite(found.per_sample["rmse"].unpack()).all()
    assert found.counts["agreement"] == 198
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def test_an_r2_of_zero_or_less_is_near_chance():
    assert looks_like_chance(scored(OUTPUT, LABELS)) is None
    constant = np.full(200, LABELS.mean())
    assert "no better than always answering the mean" in looks_like_chance(scored(constant, LABELS))
    task = Regression()
    assert isinstance(task, KnowsChance)
    assert isinstance(task, HasOptions)
    assert "R² is -" in task.looks_like_chance(scored(-OUTPUT, LABELS), LABELS)


def test_outputs_on_disk_give_the_same(tmp_path):
    np.save(tmp_path / "y.npy", OUTPUT)
    np.save(tmp_path / "labels.npy", LABELS)
    output, labels = (np.load(tmp_path / name, mmap_mode="r") for name in ("y.npy", "labels.npy"))
    assert scored(output, labels, OUTPUT) == scored(OUTPUT, LABELS, OUTPUT)


def test_the_tolerance_of_agreement_is_an_option():
    task = Regression().with_options({"tolerance": "0.5", "output": "y"})
    assert task.evaluate({"y": OUTPUT * 1.3}, LABELS, {"y": OUTPUT}, {}).values["agreement"] == 1.0
    assert scored(OUTPUT * np.float32(1.3), LABELS, OUTPUT).values["agreement"] < 0.6
    with pytest.raises(DataError, match="available: output, tolerance"):
        Regression().with_options({"top_k": "3"})
