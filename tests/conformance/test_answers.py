"""Answers: right, and the same whatever the batch size, the I/O mode and the threads."""

import pytest

from crossrt.runtimes.protocol import SessionOptions

IO_MODES = ["float32", "native"]


def row_of(arrays, row):
    return {name: array[row : row + 1] for name, array in arrays.items()}


@pytest.mark.parametrize("io", IO_MODES)
def test_answers_match_the_stored_ones(prepare, answers, stored_answers, assert_close, io):
    batch_size = len(next(iter(stored_answers.values())))
    assert_close(answers(prepare(batch_size=batch_size, io=io)), stored_answers)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 32])
def test_each_row_is_answered_as_if_it_were_alone(prepare, feeds_for, answers, assert_close, batch_size):
    session, alone = prepare(batch_size=batch_size), prepare(batch_size=1)
    feeds = feeds_for(session)
    together = answers(session, feeds)
    for row in range(batch_size):
        assert_close(row_of(together, row), answers(alone, row_of(feeds, row)))


@pytest.mark.parametrize("io", IO_MODES)
@pytest.mark.parametrize("batch_size", [1, 7])
def test_outputs_are_what_the_specs_promise(prepare, feeds_for, io, batch_size):
    session = prepare(batch_size=batch_size, io=io)
    outputs = session.run(feeds_for(session))
    found = {name: (str(output.dtype), output.shape) for name, output in outputs.items()}
    assert found == {spec.name: (spec.dtype, spec.shape) for spec in session.outputs}


def test_both_io_modes_agree_within_one_step(prepare, answers, assert_close):
    assert_close(answers(prepare(batch_size=7, io="native")), answers(prepare(batch_size=7, io="float32")))


@pytest.mark.parametrize("option", ["intra_op_threads", "inter_op_threads"])
def test_more_threads_change_no_answer(prepare, runtime, artifact, answers, assert_close, option):
    threads = 2 if runtime.unsupported_reason(artifact, SessionOptions(**{option: 2})) is None else 1
    assert_close(answers(prepare(batch_size=7, **{option: threads})), answers(prepare(batch_size=7)))
