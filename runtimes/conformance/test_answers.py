"""Answers: right, and the same whatever the batch size, the I/O mode and the threads."""
# ruff: noqa: ANN001, ANN201, ARG001, D103
# mypy: ignore-errors

import pytest

from crossrt.runtimes.conformance.samples import default_options
from crossrt.runtimes.errors import OptionRefusedError

IO_MODES = ["float32", "native"]


def row_of(samples, row):
    return {name: array[row : row + 1] for name, array in samples.items()}


def feeds_of_row(feeds, row, axes):
    return {name: feed.take([row], axis=axes[name]) if name in axes else feed for name, feed in feeds.items()}


@pytest.mark.parametrize("io", IO_MODES)
def test_answers_match_the_stored_ones(prepare, answers, artifact, stored_answers, assert_close, io):
    rows = len(next(iter(stored_answers.values()))) if artifact.batching.is_batched else 1
    expected = {name: array[:rows] for name, array in stored_answers.items()}
    assert_close(answers(prepare(batch_size=rows, io=io)), expected)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 32])
def test_each_row_is_answered_as_if_it_were_alone(
    any_batch_size, prepare, artifact, feeds_for, answers, assert_close, batch_size
):
    session, alone = prepare(batch_size=batch_size), prepare(batch_size=1)
    feeds = feeds_for(session)
    together = answers(session, feeds)
    for row in range(batch_size):
        assert_close(row_of(together, row), answers(alone, feeds_of_row(feeds, row, artifact.batching.axes)))


@pytest.mark.parametrize("io", IO_MODES)
@pytest.mark.parametrize("batch_size", [1, 7])
def test_outputs_are_what_the_specs_promise(prepare, feeds_for, io, batch_size):
    session = prepare(batch_size=batch_size, io=io)
    outputs = session.run(feeds_for(session))
    assert outputs.keys() == {spec.name for spec in session.outputs}
    for spec in session.outputs:
        output = outputs[spec.name]
        known = [size if isinstance(size, int) else found for size, found in zip(spec.shape, output.shape, strict=True)]
        assert output.dtype.kind == "U" if spec.dtype == "str" else str(output.dtype) == spec.dtype
        assert list(output.shape) == known


def test_both_io_modes_agree_within_one_step(prepare, answers, assert_close):
    assert_close(answers(prepare(batch_size=7, io="native")), answers(prepare(batch_size=7, io="float32")))


def with_threads(prepare, option, threads):
    """A session; None for a runtime that sets its threads once in the life of a process, and so has one already."""
    try:
        return prepare(batch_size=7, **{option: threads})
    except OptionRefusedError as refusal:
        if option in str(refusal) and "once a process" in str(refusal):
            return None
        raise


@pytest.mark.parametrize("option", ["intra_op_threads", "inter_op_threads"])
def test_more_threads_change_no_answer(prepare, runtime, artifact, answers, assert_close, option):
    threads = 2 if runtime.unsupported_reason(artifact, default_options(artifact, **{option: 2})) is None else 1
    expected = answers(prepare(batch_size=7))
    if (session := with_threads(prepare, option, threads)) is not None:
        assert_close(answers(session), expected)


def test_other_sizes_of_dynamic_dimensions_are_run(prepare, artifact, feeds_for):
    """Every dynamic dimension but the batch at half its stored size."""
    whole = prepare()
    halves = {name: -(-size // 2) for name, size in default_options(artifact).dimensions.items()}
    smaller = prepare(dimensions=halves)
    feeds = feeds_for(whole)
    cut = {spec.name: feeds[spec.name][(..., *map(slice, spec.shape))] for spec in smaller.inputs}
    outputs = smaller.run(cut)
    for own, shown in zip(artifact.outputs, smaller.outputs, strict=True):
        found = outputs[own.name].shape
        assert all(size == found[axis] for axis, size in enumerate(shown.shape) if isinstance(size, int))
        assert all(halves[name] == found[axis] for axis, name in enumerate(own.shape) if name in halves)
