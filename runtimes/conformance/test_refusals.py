"""Feeds that do not fit are refused, in words that say which input, what was expected and what was found."""
# ruff: noqa: ANN001, ANN201, D103
# mypy: ignore-errors

import numpy as np
import pytest

from crossrt.runtimes.errors import InputRefusedError

IO_MODES = ["float32", "native"]


def refusal(session, feeds):
    with pytest.raises(InputRefusedError) as refused:
        session.run(feeds)
    return str(refused.value)


def with_first_input(session, feeds, change):
    spec = session.inputs[0]
    return spec, feeds | {spec.name: change(feeds[spec.name])}


def sizes(shape):
    return ", ".join(map(str, shape))


def test_a_wrong_name_is_refused(prepare, feeds_for):
    session = prepare()
    feeds = feeds_for(session)
    name = session.inputs[0].name
    message = refusal(session, {"picture": feeds.pop(name), **feeds})
    assert name in message
    assert "picture" in message


def test_a_missing_input_is_refused(prepare):
    session = prepare()
    message = refusal(session, {})
    assert all(spec.name in message for spec in session.inputs)


def test_an_extra_input_is_refused(prepare, feeds_for):
    session = prepare()
    message = refusal(session, feeds_for(session) | {"picture": np.zeros(1, np.float32)})
    assert session.inputs[0].name in message
    assert "picture" in message


@pytest.mark.parametrize("io", IO_MODES)
@pytest.mark.parametrize("dtype", ["float64", "int32", "float16", "bool"])
def test_a_wrong_dtype_is_refused(prepare, feeds_for, io, dtype):
    session = prepare(io=io)
    dtype = "uint16" if dtype == session.inputs[0].dtype else dtype
    spec, feeds = with_first_input(session, feeds_for(session), lambda feed: feed.astype(dtype))
    message = refusal(session, feeds)
    assert spec.name in message
    assert spec.dtype in message
    assert dtype in message


@pytest.mark.parametrize("io", IO_MODES)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda feed: feed.reshape(len(feed), -1, 1, 1, 1, 1), id="reshaped"),
        pytest.param(lambda feed: feed[..., np.newaxis], id="one-dimension-more"),
        pytest.param(lambda feed: np.array(feed[0]), id="one-dimension-less"),
        pytest.param(lambda feed: feed.ravel()[:1].reshape([1] * feed.ndim), id="one-number"),
        pytest.param(lambda feed: np.array(feed.ravel()[0]), id="no-dimension"),
        pytest.param(lambda feed: feed[:1], id="batch-of-1"),
        pytest.param(lambda feed: feed[:-1], id="batch-too-small"),
        pytest.param(lambda feed: np.concatenate([feed, feed[:1]]), id="batch-too-large"),
        pytest.param(lambda feed: feed[:0], id="batch-of-0"),
    ],
)
def test_a_wrong_shape_is_refused(prepare, feeds_for, io, change):
    session = prepare(batch_size=7, io=io)
    spec, feeds = with_first_input(session, feeds_for(session), change)
    message = refusal(session, feeds)
    assert spec.name in message
    assert sizes(spec.shape) in message
    assert sizes(feeds[spec.name].shape) in message


@pytest.mark.parametrize("io", IO_MODES)
@pytest.mark.parametrize(
    "change", [list, np.ndarray.tolist, lambda _: None], ids=["list-of-rows", "nested-lists", "none"]
)
def test_what_is_not_an_array_is_refused(prepare, feeds_for, io, change):
    session = prepare(io=io)
    spec, feeds = with_first_input(session, feeds_for(session), change)
    message = refusal(session, feeds)
    assert spec.name in message
    assert "array" in message
    assert type(feeds[spec.name]).__name__ in message


def test_a_session_still_answers_after_it_refused(prepare, answers, assert_close):
    session = prepare(batch_size=2)
    before = answers(session)
    refusal(session, {})
    assert_close(answers(session), before)
