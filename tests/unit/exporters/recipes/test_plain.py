"""The plain recipe behind each method."""

from __future__ import annotations

import pytest

from crossrt.exporters.errors import RecipeError
from crossrt.exporters.recipes.plain import plain_of
from crossrt.exporters.recipes.recipe import OnnxStatic
from crossrt.exporters.recipes.toml_files import NamedRecipe
from crossrt.exporters.variants import method_recipes, shipped_recipes

KNOWN = {each.item: each for each in shipped_recipes()}


@pytest.mark.parametrize(
    ("item", "plain"),
    [
        ("int8-qdq-repaired.onnx", "int8-qdq.onnx"),
        ("int8-qdq-per-tensor-equalized.onnx", "int8-qdq-per-tensor.onnx"),
        ("a8w4-qdq-adaround.onnx", "a8w4-qdq.onnx"),
        ("int8-qdq-entropy.onnx", "int8-qdq.onnx"),
        ("int8-qdq.onnx", "int8-qdq.onnx"),
        ("w4.onnx", "w4.onnx"),
        ("int16x8.tflite", "int8.tflite"),
        ("int8.tflite", "int8.tflite"),
    ],
)
def test_it_has_the_same_types_without_the_method(item, plain):
    assert plain_of(KNOWN[item], list(KNOWN.values())).item == plain


def test_every_method_has_a_plain_recipe_that_ships():
    plains = {plain_of(each, list(KNOWN.values())).item for each in method_recipes()}
    assert plains <= KNOWN.keys() - {each.item for each in method_recipes()}


def test_one_that_does_not_ship_is_made():
    mine = NamedRecipe(name="mine", summary="", recipe=OnnxStatic(weight_type="int16", equalize=True))
    plain = plain_of(mine, [mine, *KNOWN.values()])
    assert plain.item == "mine-plain.onnx"
    assert plain.recipe == OnnxStatic(weight_type="int16")


def test_another_can_be_named():
    assert plain_of(KNOWN["int8-qdq-mse.onnx"], list(KNOWN.values()), "a16w8-qdq").item == "a16w8-qdq.onnx"
    with pytest.raises(RecipeError, match="'int9' is not a recipe to compare with"):
        plain_of(KNOWN["int8-qdq-mse.onnx"], list(KNOWN.values()), "int9")
