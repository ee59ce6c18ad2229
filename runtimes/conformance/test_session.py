"""What a session shows, and how it ends."""
# ruff: noqa: ANN001, ANN201, D103
# mypy: ignore-errors

import re
from dataclasses import replace

import pytest

from crossrt.runtimes.conformance.samples import default_options
from crossrt.runtimes.errors import OptionRefusedError, SessionClosedError

FLOATS = ("float16", "float32", "float64")


def bound(specs, options, batch_dimension):
    """Specs with every known dimension in place of its name, those without a name by their own."""
    sizes = {**options.dimensions, batch_dimension: options.batch_size}
    return tuple(replace(spec, shape=tuple(sizes.get(size, size) for size in spec.shape)) for spec in specs)


def as_float32(spec):
    if spec.scale is None and spec.dtype not in FLOATS:
        return spec
    return replace(spec, dtype="float32", scale=None, zero_point=None)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_native_specs_are_those_of_the_file_at_the_sizes(prepare, artifact, batch_size):
    session = prepare(batch_size=batch_size, io="native")
    options, batch = default_options(artifact, batch_size=batch_size), artifact.batching.dimension
    assert session.inputs == bound(artifact.inputs, options, batch)
    assert session.outputs == bound(artifact.outputs, options, batch)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_float32_specs_stand_in_for_floats_and_quantized_integers(prepare, artifact, batch_size):
    session = prepare(batch_size=batch_size, io="float32")
    options, batch = default_options(artifact, batch_size=batch_size), artifact.batching.dimension
    assert session.inputs == tuple(map(as_float32, bound(artifact.inputs, options, batch)))
    assert session.outputs == tuple(map(as_float32, bound(artifact.outputs, options, batch)))


def test_every_dimension_of_an_input_is_a_number(prepare):
    assert all(isinstance(size, int) for spec in prepare(batch_size=2).inputs for size in spec.shape)


def test_a_dimension_without_a_size_is_refused(runtime, artifact):
    options = default_options(artifact)
    for name in options.dimensions:
        others = {other: size for other, size in options.dimensions.items() if other != name}
        with pytest.raises(OptionRefusedError, match=f"--dim {re.escape(name)}=SIZE"):
            runtime.prepare(artifact, replace(options, dimensions=others))


def test_closing_again_does_nothing(prepare, feeds_for):
    session = prepare()
    session.run(feeds_for(session))
    session.close()
    session.close()


def test_a_session_that_never_ran_can_be_closed(prepare):
    session = prepare()
    session.close()
    session.close()


def test_a_closed_session_refuses_to_run(prepare, feeds_for):
    session = prepare()
    session.close()
    with pytest.raises(SessionClosedError, match="closed"):
        session.run(feeds_for(session))


def test_leaving_the_context_closes(runtime, artifact, feeds_for):
    with runtime.prepare(artifact, default_options(artifact)) as session:
        feeds = feeds_for(session)
        session.run(feeds)
    with pytest.raises(SessionClosedError, match="closed"):
        session.run(feeds)


def test_an_error_inside_the_context_closes_and_comes_out(runtime, artifact, feeds_for):
    with pytest.raises(ZeroDivisionError), runtime.prepare(artifact, default_options(artifact)) as session:
        raise ZeroDivisionError
    with pytest.raises(SessionClosedError, match="closed"):
        session.run(feeds_for(session))


def test_two_sessions_do_not_disturb_each_other(prepare, answers, assert_close):
    one, other = prepare(batch_size=2), prepare(batch_size=7)
    before = answers(one)
    answers(other)
    assert_close(answers(one), before)


def test_closing_one_session_leaves_the_other_running(prepare, answers, assert_close):
    one, other = prepare(batch_size=2), prepare(batch_size=2)
    before = answers(other)
    one.close()
    assert_close(answers(other), before)


def test_operators_are_named_or_unknown(prepare):
    operators = prepare().executed_operators()
    assert operators is None or (isinstance(operators, tuple) and operators)
    assert all(isinstance(operator, str) and operator for operator in operators or ())


def test_asking_for_operators_changes_no_answer(prepare, answers, assert_close):
    session = prepare(batch_size=2)
    before = answers(session)
    session.executed_operators()
    assert_close(answers(session), before)


def test_a_profile_names_every_kernel_or_is_unknown(prepare, answers, assert_close):
    session = prepare(batch_size=2)
    before = answers(session)
    profile = session.profile(3)
    assert_close(answers(session), before)
    if profile is None:
        return
    assert profile.kernels
    assert all(kernel.operator and kernel.dtype for kernel in profile.kernels)
    assert {kernel.kind for kernel in profile.kernels} <= {"integer", "hybrid", "float", "conversion", "layout"}
    known = [kernel.duration_ns for kernel in profile.kernels if kernel.duration_ns is not None]
    assert all(duration >= 0 for duration in known)
    assert profile.call_ns is None or sum(known) <= profile.call_ns


def test_a_closed_session_has_no_profile(prepare):
    session = prepare()
    can_tell = session.profile(1) is not None
    session.close()
    if can_tell:
        with pytest.raises(SessionClosedError):
            session.profile(1)
