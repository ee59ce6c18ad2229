"""Feeds are left alone, outputs belong to the caller, and the layout of a feed does not matter."""
# ruff: noqa: ANN001, ANN201, D103
# mypy: ignore-errors

import numpy as np
import pytest

from crossrt.runtimes.errors import InputRefusedError

IO_MODES = ["float32", "native"]


def copied(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def locked(arrays):
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def every_other(array):
    return np.repeat(array, 2, axis=-1)[..., ::2]


def backwards(array):
    return array[::-1].copy()[::-1] if array.ndim else array


def unaligned(array):
    return np.ndarray(array.shape, array.dtype, buffer=b"\0" + array.tobytes(), offset=1)


def byte_swapped(array):
    return array.astype(array.dtype.newbyteorder())


@pytest.mark.parametrize("io", IO_MODES)
@pytest.mark.parametrize("prepared", [dict, locked], ids=["writable", "read-only"])
def test_feeds_stay_as_they_are(prepare, feeds_for, io, prepared):
    session = prepare(batch_size=2, io=io)
    feeds = prepared(feeds_for(session))
    before = copied(feeds)
    session.run(feeds)
    assert {name: feed.tobytes() for name, feed in feeds.items()} == {k: v.tobytes() for k, v in before.items()}


@pytest.mark.parametrize("io", IO_MODES)
def test_a_later_run_leaves_earlier_outputs_alone(prepare, feeds_for, io):
    session = prepare(batch_size=2, io=io)
    feeds = feeds_for(session)
    first = session.run(feeds)
    before = copied(first)
    second = session.run({name: np.zeros_like(feed) for name, feed in feeds.items()})
    for name in before:
        np.testing.assert_array_equal(first[name], before[name])
        assert not np.shares_memory(first[name], second[name])


@pytest.mark.parametrize("io", IO_MODES)
def test_outputs_outlive_the_session(prepare, feeds_for, io):
    session = prepare(batch_size=2, io=io)
    outputs = session.run(feeds_for(session))
    before = copied(outputs)
    session.close()
    prepare(batch_size=2, io=io)
    for name in before:
        np.testing.assert_array_equal(outputs[name], before[name])


@pytest.mark.parametrize("io", IO_MODES)
def test_outputs_share_no_memory_with_feeds(prepare, feeds_for, io):
    session = prepare(batch_size=2, io=io)
    feeds = feeds_for(session)
    for output in session.run(feeds).values():
        assert not any(np.shares_memory(output, feed) for feed in feeds.values())


@pytest.mark.parametrize("io", IO_MODES)
@pytest.mark.parametrize("layout", [np.asfortranarray, every_other, backwards, unaligned, byte_swapped])
def test_another_memory_layout_is_answered_rightly_or_refused(prepare, feeds_for, answers, assert_close, io, layout):
    session = prepare(batch_size=7, io=io)
    feeds = feeds_for(session)
    expected = answers(session, feeds)
    try:
        found = answers(session, {name: layout(feed) for name, feed in feeds.items()})
    except InputRefusedError:
        return
    assert_close(found, expected)
