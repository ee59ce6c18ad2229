import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support, top_k_accuracy_score

from crossrt.core.errors import DataError
from crossrt.datasets.tasks.classification import Classification, _mcnemar, looks_like_chance
from crossrt.datasets.tasks.protocol import HasOptions, KnowsChance


def logits_of(labels, classes, accuracy=0.8, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), classes)).astype(np.float32)
    right = rng.random(len(labels)) < accuracy
    logits[right, labels[right]] += 10
    return logits


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def scored(outputs, labels, reference=None, **options):
    outputs = outputs if isinstance(outputs, dict) else {"y": outputs}
    reference = {"y": reference} if isinstance(reference, np.ndarray) else reference
    return Classification(**options).evaluate(outputs, labels, reference, {})


LABELS = np.random.default_rng(1).integers(0, 10, 500)
LOGITS = logits_of(LABELS, 10)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 60), st.integers(2, 12), st.integers(1, 11), st.integers(0, 2**31))
def test_metrics_are_those_of_scikit_learn(samples, classes, k, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    logits = rng.normal(size=(samples, classes))
    found = scored(logits, labels, top_k=k)
    answers = logits.argmax(axis=1)
    assert found.values["top1"] == (answers == labels).mean()
    assert found.values["macro_f1"] == pytest.approx(f1_score(labels, answers, average="macro", zero_division=0))
    precision, recall, _, _ = precision_recall_fscore_support(labels, answers, average="macro", zero_division=0)
    assert (found.values["macro_precision"], found.values["macro_recall"]) == pytest.approx((precision, recall))
    if classes > k > 1:
        every = np.arange(classes)
        expected = top_k_accuracy_score(labels, logits, k=k, labels=every) if classes > 2 else None
        assert expected is None or found.values[f"top{k}"] == pytest.approx(expected)
    else:
        assert [name for name in found.values if name.startswith("top")] == ["top1"]
    dense = np.zeros((classes, classes), int)
    for row, column, count in found.classes.confusion:
        dense[row, column] = count
    assert (dense == confusion_matrix(labels, answers, labels=range(classes))).all()
    p, r, f, n = precision_recall_fscore_support(labels, answers, labels=range(classes), zero_division=0)
    scores = found.classes.scores
    assert [each.precision for each in scores] == pytest.approx(p.tolist())
    assert [each.recall for each in scores] == pytest.approx(r.tolist())
    assert [each.f1 for each in scores] == pytest.approx(f.tolist())
    assert [each.support for each in scores] == n.tolist()


def test_counts_and_samples_hold_what_values_are_made_from():
    found = scored(LOGITS, LABELS, LOGITS + np.float32(0.5))
    assert {name: count / 500 for name, count in found.counts.items()} == {
        name: found.values[name] for name in ("top1", "top5", "agreement")
    }
    assert {name: int(each.unpack().sum()) for name, each in found.per_sample.items()} == found.counts
    assert (found.predictions.unpack() == LOGITS.argmax(axis=1)).all()
    assert found.predictions.dtype == "uint8"
    assert found.values["max_abs_error"] == pytest.approx(0.5, abs=1e-5)
    assert found.outputs[0].output == "y"


def test_agreement_is_the_same_class_and_the_reference_is_scored_too():
    other = logits_of(LABELS, 10, 0.5, seed=3)
    found = scored(other, LABELS, LOGITS)
    assert found.values["agreement"] == (other.argmax(axis=1) == LOGITS.argmax(axis=1)).mean()
    assert found.reference_values == scored(LOGITS, LABELS).values


def test_every_value_has_a_definition():
    for k in (1, 3, 5):
        names = [metric.name for metric in Classification(top_k=k).metrics]
        assert sorted(names) == sorted(scored(LOGITS, LABELS, LOGITS, top_k=k).values)
        assert names[0] == "top1"
        assert Classification(top_k=k).metrics[0].margin == 0.001


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64, np.float32])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_labels_may_be_of_any_width(dtype, shape):
    assert scored(LOGITS, LABELS.astype(dtype).reshape(shape)).values == scored(LOGITS, LABELS).values


def test_one_hot_labels_are_read_and_said():
    found = scored(LOGITS, np.eye(10)[LABELS])
    assert found.values == scored(LOGITS, LABELS).values
    assert any("one-hot" in note for note in found.notes)


def test_one_hot_labels_that_are_wider_than_the_output_are_refused():
    with pytest.raises(DataError, match=r"labels are one-hot rows of 11 classes, but output 'y' has 10"):
        scored(LOGITS, np.eye(11)[LABELS])


@pytest.mark.parametrize("shape", [(500, 10, 1, 1), (500, 1, 1, 10), (500, 1, 10)])
def test_dimensions_of_size_one_do_not_matter(shape):
    assert scored(LOGITS.reshape(shape), LABELS).values == scored(LOGITS, LABELS).values


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [(LOGITS, "logits"), (softmax(LOGITS), "probabilities"), (1 / (1 + np.exp(-LOGITS)), "independent probabilities")],
)
def test_kinds_of_scores_are_said(outputs, kind):
    assert scored(outputs, LABELS).notes == (f"output 'y' holds {kind} of 10 classes",)


def test_probabilities_in_float16_are_found():
    assert "holds probabilities" in scored(softmax(LOGITS).astype(np.float16), LABELS).notes[0]


def test_a_single_score_is_a_logit_or_a_probability():
    labels = np.array([0, 1, 1, 0])
    logits = np.array([[-2.0], [3.0], [0.2], [0.4]])
    found = scored(logits, labels)
    assert found.values["top1"] == 0.75
    assert found.predictions.unpack().tolist() == [0, 1, 1, 1]
    assert "taken for a logit: class 1 above 0" in found.notes[0]
    shares = scored(np.array([0.1, 0.9, 0.4, 0.2]), labels)
    assert shares.values["top1"] == 0.75
    assert "taken for a probability: class 1 above 0.5" in shares.notes[0]
    assert len(shares.classes.scores) == 2


def test_scores_of_a_case_are_read_as_the_reference_is():
    labels = np.array([0, 1, 1, 0])
    logits = np.array([-2.0, 3.0, 0.2, -0.4])
    found = scored(np.array([0.0, 1.0, 0.2, 0.0]), labels, logits)
    assert found.values["agreement"] == 1.0


def test_an_output_of_classes_is_used_where_there_are_no_scores():
    found = scored({"label": LOGITS.argmax(axis=1)}, LABELS)
    assert found.values == {
        name: scored(LOGITS, LABELS).values[name] for name in ("top1", "macro_f1", "macro_precision", "macro_recall")
    }
    assert found.notes == ("output 'label' holds classes, not scores",)
    both = scored({"label": np.zeros(500, int), "probabilities": softmax(LOGITS)}, LABELS)
    assert both.values["top1"] == found.values["top1"]


def test_several_outputs_of_scores_must_be_named():
    outputs = {"a": LOGITS, "b": -LOGITS}
    with pytest.raises(DataError, match=r"a float32 \(500, 10\), b float32 .*classification:output=a"):
        scored(outputs, LABELS)
    assert scored(outputs, LABELS, output="a").values == scored(LOGITS, LABELS).values
    with pytest.raises(DataError, match="output 'c'; available: a, b"):
        scored(outputs, LABELS, output="c")


def test_an_output_with_too_few_classes_is_not_meant():
    assert scored({"few": np.ones((500, 3)), "y": LOGITS}, LABELS).values == scored(LOGITS, LABELS).values


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "needs labels"),
        (
            np.array([0, 1, 12, -1, 12]),
            r"-1, 12 \(3 of 5 samples\), outside the 10 classes of output 'y'; expected 0 to 9",
        ),
        (np.array([1, 2, 3, 10, 9]), "if they count from 1, subtract 1"),
        (np.array([0.5, 1, 2, 3, 4]), r"hold 0.5 \(1 of 5 samples\)"),
        (np.array([np.nan, 1, 2, 3, 4]), "labels of 1 of 5 samples hold NaN or infinity, first that of sample 0"),
        (np.array(["a"] * 5), "labels are text .'a'.; a class is the number of its score"),
        (np.zeros(4, int), r"shape \(4,\) for 5 samples"),
        (np.ones((5, 3)), r"shape \(5, 3\), which is neither"),
        (np.full(5, 2**64 - 1, np.uint64), "65536 classes"),
        (np.array(["a"] * 5, object), "object"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        Classification().check({"y": LOGITS[:5]}, labels)


def test_outputs_that_do_not_hold_classes_are_refused():
    with pytest.raises(DataError, match=r"no output holds scores of classes: y float64 \(3, 4, 5\)"):
        Classification().check({"y": np.ones((3, 4, 5))}, np.array([0, 1, 2]))
    with pytest.raises(DataError, match="answers integers from -1 to 1"):
        Classification().check({"y": np.array([-1, 1, 1])}, np.array([0, 1, 1]))


def test_65536_classes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 65_536, 40).astype(np.uint16)
    labels[0] = 65_535
    logits = rng.normal(size=(40, 65_536)).astype(np.float32)
    logits[np.arange(30), labels[:30]] += 100
    found = scored(logits, labels, logits)
    assert found.values["top1"] == 0.75
    assert found.values["agreement"] == 1.0
    assert len(found.classes.confusion) == 40
    assert len(found.classes.scores) == 65_536
    assert found.predictions.dtype == "uint16"
    assert found.predictions.unpack()[0] == 65_535
    with pytest.raises(DataError, match="outside the 65536 classes"):
        scored(logits, np.append(labels[1:].astype(int), 65_536))


def test_outputs_on_disk_give_the_same(tmp_path):
    np.save(tmp_path / "y.npy", LOGITS)
    assert scored(np.load(tmp_path / "y.npy", mmap_mode="r"), LABELS, LOGITS) == scored(LOGITS, LABELS, LOGITS)


def test_one_sample_of_one_class():
    found = scored(np.array([[0.1, 0.9]]), np.array([1]), np.array([[0.2, 0.8]]))
    assert found.values["top1"] == found.values["agreement"] == found.values["macro_f1"] == 1.0


def test_equal_scores_go_to_the_first_class_in_every_metric():
    found = scored(np.zeros((8, 8)), np.arange(8), top_k=3)
    assert found.predictions.unpack().tolist() == [0] * 8
    assert (found.values["top1"], found.values["top3"]) == (1 / 8, 3 / 8)


def test_scores_that_are_not_numbers_never_win():
    logits = LOGITS.copy()
    logits[:2] = np.nan
    logits[2, 0] = np.nan
    found = scored(logits, LABELS, LOGITS)
    assert "2 samples have no score that is a number; they count as class 0" in found.notes
    assert any("NaN or infinite" in note for note in found.notes)
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def chance(logits, labels):
    return looks_like_chance(scored(logits, labels), labels)


def test_a_good_classifier_is_not_near_chance():
    assert chance(LOGITS, LABELS) is None


def test_a_classifier_with_its_classes_in_another_order_is_near_chance():
    assert "is no better than always answering the most frequent class" in chance(np.roll(LOGITS, 1, axis=1), LABELS)


def test_a_constant_answer_is_seen():
    logits = LOGITS.copy()
    logits[:, 3] += 100
    assert chance(logits, LABELS) == "the reference answers class 3 to all 500 samples"


def test_an_accuracy_close_to_that_of_the_most_frequent_class_is_indistinguishable():
    labels = np.array([0] * 60 + [1] * 40)
    logits = np.eye(2)[np.array([0] * 58 + [1] * 2 + [1] * 5 + [0] * 35)]
    assert "63.00% is statistically indistinguishable from always" in chance(logits, labels)


def test_labels_of_a_single_class_are_seen():
    labels = np.zeros(20, int)
    assert "all 20 labels are class 0" in chance(np.eye(2)[labels], labels)


def test_the_rule_for_chance_is_part_of_the_task():
    task = Classification()
    assert isinstance(task, KnowsChance)
    assert isinstance(task, HasOptions)
    assert task.looks_like_chance(scored(LOGITS, LABELS), np.eye(10)[LABELS]) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [({"top_k": "0"}, "top_k=0"), ({"top_k": "x"}, "top_k=x"), ({"k": "3"}, "available: output, top_k")],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        Classification().with_options(options)


def test_memory_stays_bounded_for_outputs_on_disk(tmp_path):
    shape = (16_384, 1024)
    path = tmp_path / "y.npy"
    outputs = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    labels = np.arange(shape[0]) % shape[1]
    outputs[np.arange(shape[0]), labels] = 0.75
    outputs[:, 0] += 0.25
    outputs.flush()
    answers = np.load(path, mmap_mode="r")
    tracemalloc.start()
    found = scored({"y": answers}, labels, {"y": answers})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.values["top1"] == found.values["agreement"] == 1.0
    assert answers.nbytes == 64 * 2**20
    assert peak < 60 * 2**20


@pytest.mark.parametrize(("wins", "losses"), [(1, 0), (0, 9), (4, 4), (5, 20), (300, 200)])
def test_the_p_value_of_one_model_against_another_is_that_of_scipy(wins, losses):
    one = np.arange(wins + losses + 7) < wins
    other = np.arange(wins + losses + 7) >= wins + 7
    assert _mcnemar(one, other) == pytest.approx(stats.binomtest(wins, wins + losses).pvalue, rel=1e-9)
    assert _mcnemar(one, one) == 1.0
