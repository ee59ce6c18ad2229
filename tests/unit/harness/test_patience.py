"""How long a build may be silent before it is ended."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from crossrt.exporters.jobs import BuildJob
from crossrt.exporters.recipes.recipe import OnnxStatic
from crossrt.harness.build.building import BUILD_TIMEOUT_S, LEARNING_TIMEOUT_S, patience_s


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (None, BUILD_TIMEOUT_S),
        (OnnxStatic(), BUILD_TIMEOUT_S),
        (OnnxStatic(weight_rounding="brecq"), LEARNING_TIMEOUT_S),
        (OnnxStatic(weight_rounding="adaround"), LEARNING_TIMEOUT_S),
    ],
    ids=str,
)
def test_rounding_that_is_learned_is_given_more_time(recipe, expected):
    fields = dict.fromkeys((each.name for each in dataclasses.fields(BuildJob)), None)
    job = BuildJob(**fields | {"recipes": {} if recipe is None else {"own": msgspec.to_builtins(recipe)}})
    assert patience_s(job, "own") == expected
