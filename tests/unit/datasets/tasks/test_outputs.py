import pytest

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.tasks.outputs import match_outputs, matched_outputs


def spec(name, *shape, dtype="float32", **fields):
    return TensorSpec(name=name, dtype=dtype, shape=shape, **fields)


REFERENCE = (spec("boxes", "N", 100, 4), spec("scores", "N", 100))


def test_equal_names_match_whatever_their_order():
    found = matched_outputs(REFERENCE, (spec("scores", 1, 100), spec("boxes", 1, 100, 4)))
    assert found.names == {"boxes": "boxes", "scores": "scores"}
    assert list(found.names) == ["boxes", "scores"]
    assert found.notes == ()


def test_other_names_match_by_shape_and_kind():
    found = matched_outputs(REFERENCE, (spec("out:0", 1, 100), spec("out:1", 1, 100, 4)))
    assert found.names == {"boxes": "out:1", "scores": "out:0"}
    assert found.notes == ("outputs were matched by shape and kind of dtype: out:1 for boxes, out:0 for scores",)
    assert match_outputs(REFERENCE, (spec("out:0", 1, 100), spec("out:1", 1, 100, 4))) == found.names


def test_integers_that_stand_for_numbers_match_floats_and_others_do_not():
    reference = (spec("label", "N", dtype="int64"), spec("score", "N"))
    case = (spec("a", 1, dtype="int8", scale=0.1, zero_point=0), spec("b", 1, dtype="int32"))
    assert match_outputs(reference, case) == {"label": "b", "score": "a"}


def test_equal_shapes_match_by_order_which_is_said():
    reference = (spec("start", "N", "L"), spec("end", "N", "L"))
    found = matched_outputs(reference, (spec("Identity", "N", 384), spec("Identity_1", "N", 384)))
    assert found.names == {"start": "Identity", "end": "Identity_1"}
    assert "matched by order" in found.notes[0]


def test_outputs_left_over_by_names_are_matched_among_themselves():
    found = matched_outputs(REFERENCE, (spec("x", 1, 100, 4), spec("scores", 1, 100, 4)))
    assert found.names == {"boxes": "x", "scores": "scores"}


def test_outputs_that_the_reference_lacks_are_left_out_and_said():
    found = matched_outputs(REFERENCE[:1], (spec("boxes", "N", 100, 4), spec("hidden", "N", 8)))
    assert found.names == {"boxes": "boxes"}
    assert found.notes == ("outputs that the reference does not have are not compared: hidden",)


def test_unknown_dimensions_fit_any():
    assert match_outputs((spec("a", "N", None), spec("b", "N")), (spec("p", 1), spec("q", 1, 7))) == {
        "a": "q",
        "b": "p",
    }


@pytest.mark.parametrize(
    "case",
    [
        (),
        (spec("x", 1, 100), spec("y", 1, 100), spec("z", 1, 5)),
        (spec("x", 1, 100, 4), spec("y", 1, 100, 1)),
        (spec("x", 1, 100, 4), spec("y", 1, 100, dtype="str")),
    ],
)
def test_what_cannot_be_matched_is_refused(case):
    with pytest.raises(DataError, match=r"boxes float32 \(N, 100, 4\); scores float32 \(N, 100\); found"):
        match_outputs(REFERENCE, case)
