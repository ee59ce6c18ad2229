"""Which release is tried next, and what follows from those that were."""

from __future__ import annotations

import pytest

from crossrt.analysis.bisection.narrowing import answers_differ, answers_verdict, range_of, step_margin
from crossrt.analysis.bisection.record import Step

RELEASES = ("1", "2", "3", "4", "5", "6", "7")


def step(version, verdict="inconclusive", **found):
    return Step(version=version, against="1", verdict=verdict, **found)


@pytest.mark.parametrize("first_bad", RELEASES[1:])
def test_every_change_is_found_in_few_steps(first_bad):
    steps = []
    while (version := range_of(RELEASES, steps).next) is not None:
        steps.append(step(version, "like bad" if version >= first_bad else "like good"))
    found = range_of(RELEASES, steps)
    assert (found.first_bad, found.open) == (first_bad, ())
    assert len(steps) <= 3


def test_what_stays_open_is_left_aside_and_named():
    steps = [step("4", "inconclusive"), step("3", "like good"), step("5", "failed"), step("6", "like bad")]
    found = range_of(RELEASES, steps)
    assert (found.last_good, found.open, found.first_bad, found.next) == ("3", ("4", "5"), "6", None)


def test_beside_an_open_one_the_nearest_is_tried():
    assert range_of(RELEASES, [step("4", "inconclusive")]).next in ("3", "5")


def test_ends_that_follow_each_other_need_no_step():
    found = range_of(("1", "2"), [])
    assert (found.last_good, found.first_bad, found.next) == ("1", "2", None)


def test_a_version_is_like_the_nearer_end():
    assert (1 + step_margin(1.21)) == pytest.approx(1.1)
    assert step_margin(1 / 1.21) == pytest.approx(step_margin(1.21))


@pytest.mark.parametrize(
    ("found", "differs"),
    [
        ({"relative": 1e-6, "agreement": 1.0}, False),
        ({"relative": 1e-2}, True),
        ({"relative": 1e-6, "agreement": 0.99}, True),
        ({}, False),
    ],
)
def test_answers_differ_by_a_flip_or_beyond_the_tolerance(found, differs):
    assert answers_differ(step("2", **found), 1e-3) is differs


@pytest.mark.parametrize(
    ("ends", "found", "verdict"),
    [
        ({"relative": 0.1}, {"relative": 0.09}, "like bad"),
        ({"relative": 0.1}, {"relative": 0.01}, "like good"),
        ({"agreement": 0.9}, {"agreement": 0.9}, "like bad"),
        ({"agreement": 0.9}, {"agreement": 1.0}, "like good"),
        ({"relative": 0.1}, {}, "inconclusive"),
    ],
)
def test_by_answers_half_way_is_the_cut(ends, found, verdict):
    assert answers_verdict(step("3", **found), step("7", **ends)) == verdict
