"""From what a call answers to samples, and the outputs that have none."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.harness.evaluate.answers import check_comparable
from crossrt.harness.process.session_arrays import problem_of


def test_an_output_with_a_row_for_each_sample_has_no_problem():
    assert problem_of([np.ones((3, 4)), np.zeros((3, 4))], 3) is None


@pytest.mark.parametrize(
    ("answered", "said"),
    [((1, 1, 1), "(1, 1)"), ((1, 4, 3), "(4, 3)"), ((6, 4), "(6, 4)")],
    ids=["one for the call", "transposed", "doubled"],
)
def test_an_output_without_a_row_for_each_sample_has_no_axis_of_samples(answered, said):
    told = problem_of([np.ones(answered), np.ones(answered)], 3)
    assert told == f"it has no axis of samples: a call with 3 samples answers the shape {said}"


def test_an_output_that_differs_from_call_to_call_is_told_with_both_shapes():
    assert "such as (2,) and (5,)" in problem_of([np.ones((1, 2)), np.ones((1, 5))], 1)


def test_where_no_output_is_left_the_error_says_why_for_each():
    with pytest.raises(DataError, match=r"no output can be compared over samples \(y: it has no axis of samples\)"):
        check_comparable({}, {"y": "it has no axis of samples"})
    check_comparable({"z": np.ones(3)}, {"y": "it has no axis of samples"})
