"""Recipes in TOML: what is read, what is refused and with which words, and the grid."""

from __future__ import annotations

import pytest

from crossrt.exporters.errors import RecipeError
from crossrt.exporters.recipes.recipe import OnnxStatic, TfliteStatic
from crossrt.exporters.recipes.toml_files import SHIPPED_FILE, read_recipes


@pytest.fixture
def read(tmp_path):
    """Reads a text as a file of recipes."""

    def run(text: str):
        path = tmp_path / "recipes.toml"
        path.write_text(text)
        return read_recipes(path)

    return run


def test_the_shipped_file_holds_enough_of_each_format():
    found = [each.item for each in read_recipes(SHIPPED_FILE).recipes]
    assert len([item for item in found if item.endswith(".onnx")]) >= 24
    assert len([item for item in found if item.endswith(".tflite")]) >= 8


def test_every_shipped_recipe_has_a_line_for_a_reader():
    assert all(each.summary for each in read_recipes(SHIPPED_FILE).recipes)


def test_what_is_not_said_has_its_default(read):
    (found,) = read('[recipes.mine]\nkind = "onnx-static"\nper_channel = true\n').recipes
    assert (found.name, found.item) == ("mine", "mine.onnx")
    assert found.recipe == OnnxStatic(per_channel=True)


def test_one_name_may_serve_both_formats(read):
    text = '[recipes."mine.onnx"]\nkind = "onnx-static"\n[recipes."mine.tflite"]\nkind = "tflite-static"\n'
    assert [each.item for each in read(text).recipes] == ["mine.onnx", "mine.tflite"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipes = 5", "recipes is not a table of tables"),
        ("= 5", "is not TOML"),
        ("", "holds no recipe"),
        ('[recipe.mine]\nkind = "onnx-static"', "unknown 'recipe': did you mean 'recipes'"),
        ("[recipes.mine]\nper_channel = true", "mine has no kind"),
        ('[recipes.mine]\nkind = ["onnx-static"]', r"kind \['onnx-static'\]: did you mean"),
        ("[recipes.mine]\nkind = {a = 1}", "available: onnx-static"),
        ('[grid]\nkind = [["onnx-static"]]', "did you mean 'onnx-static'"),
        ("[recipes.mine]\ncalibration_samples = " + "9" * 5000, "is not TOML"),
        ("[recipes." + "a" * 101 + ']\nkind = "onnx-static"', "not a name for a recipe"),
        ('[recipes.mine]\nkind = "onnx-statc"', "kind 'onnx-statc': did you mean 'onnx-static'"),
        ('[recipes.mine]\nkind = "onnx-static"\nper_chanel = true', "unknown 'per_chanel': did you mean 'per_channel'"),
        ('[recipes.mine]\nkind = "tflite-float16"\nper_channel = true', "unknown 'per_channel'"),
        ('[recipes.mine]\nkind = "onnx-static"\nper_channel = 1', "Expected `bool`, got `int`"),
        ('[recipes.mine]\nkind = "onnx-static"\nweight_type = "int9"', "available: .*int8"),
        ('[recipes.mine]\nkind = "onnx-static"\ncalibration_samples = 0', "calibration_samples"),
        ('[recipes.mine]\nkind = "onnx-static"\npercentile = nan', "percentile"),
        ('[recipes.mine]\nkind = "onnx-static"\nsummary = 5', "is not one line of text"),
        ('[recipes."a b"]\nkind = "onnx-static"', "not a name for a recipe"),
        ('[recipes."mine.tflite"]\nkind = "onnx-static"', "not a name for a recipe"),
        ('[recipes.fp32]\nkind = "onnx-static"', "is the name of something else"),
        ('[recipes.mine]\nkind = "onnx-static"\n[recipes."mine.onnx"]\nkind = "onnx-dynamic"', "two recipes mine.onnx"),
        ("grid = 5", "grid is not a table"),
        ('[grid]\nname = "a b"\nkind = "onnx-static"', "the grid's name"),
        ('[grid]\nkind = "onnx-static"\nper_channel = []', "per_channel in the grid is empty"),
        ('[grid]\nkind = "onnx-static"\ncalibration_seed = [' + "0, " * 1001 + "]", "1001 combinations"),
    ],
)
def test_what_is_wrong_is_said(read, text, message):
    with pytest.raises(RecipeError, match=message):
        read(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.toml cannot be read"):
        read_recipes(tmp_path / "none.toml")


def test_a_grid_stands_for_all_combinations_named_by_what_varies(read):
    found = read(
        '[grid]\nname = "sweep"\nkind = "onnx-static"\nquant_format = ["qdq", "qoperator"]\n'
        'per_channel = [true, false]\ncalibrate_method = "entropy"\n'
    )
    assert [each.name for each in found.recipes] == [
        "sweep-qdq-per_channel",
        "sweep-qdq-no_per_channel",
        "sweep-qoperator-per_channel",
        "sweep-qoperator-no_per_channel",
    ]
    assert {each.recipe.calibrate_method for each in found.recipes} == {"entropy"}


def test_impossible_combinations_of_a_grid_are_told_with_the_reason(read):
    found = read(
        '[grid]\nkind = "onnx-static"\nquant_format = ["qdq", "qoperator"]\nactivation_type = ["uint8", "int16"]\n'
    )
    assert [each.name for each in found.recipes] == ["grid-qdq-uint8", "grid-qdq-int16", "grid-qoperator-uint8"]
    assert list(found.rejected) == ["grid-qoperator-int16.onnx"]
    assert "use quant_format = 'qdq'" in found.rejected["grid-qoperator-int16.onnx"]


def test_a_field_that_is_a_list_varies_as_a_list_of_lists(read):
    fixed = read('[grid]\nkind = "onnx-static"\nop_types_to_quantize = ["Conv", "Gemm"]\n').recipes
    assert [each.recipe.op_types_to_quantize for each in fixed] == [("Conv", "Gemm")]
    varied = read('[grid]\nkind = "onnx-static"\nop_types_to_quantize = [["Conv"], []]\n').recipes
    assert [(each.name, each.recipe.op_types_to_quantize) for each in varied] == [
        ("grid-Conv", ("Conv",)),
        ("grid-no_op_types_to_quantize", ()),
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ('activation_type = "int8"\nweight_type = "uint8"', "no kernels for int8 activations with uint8 weights"),
        ('quant_format = "qoperator"\nactivation_type = "uint16"', "8-bit operators only, not uint16"),
        ('quant_format = "qoperator"\nweight_type = "int4"', "8-bit operators only, not int4"),
        ('weight_type = "int4"\nreduce_range = true', "means nothing for int4"),
        ('calibrate_method = "distribution"\ncalibration_symmetric = true', "distribution takes no"),
        ('quant_format = "qoperator"\nbias_correction = true', "bias_correction needs quant_format = 'qdq'"),
        ('calibrate_method = "mse"\nactivation_type = "uint16"', "goes with no uint16 activations"),
        ('quant_format = "qoperator"\nkeep_removable_activations = true', "is for quant_format = 'qdq'"),
    ],
)
def test_impossible_onnx_recipes_are_refused(read, fields, message):
    with pytest.raises(RecipeError, match=message):
        read(f'[recipes.mine]\nkind = "onnx-static"\n{fields}\n')


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ('io_type = "int16"', "choose float32, int8, uint8"),
        ('activation_type = "int16"\nio_type = "int8"', "choose float32, int16"),
        ("per_channel = false", "set per_channel_dense = false as well"),
    ],
)
def test_impossible_tflite_recipes_are_refused(read, fields, message):
    with pytest.raises(RecipeError, match=message):
        read(f'[recipes.mine]\nkind = "tflite-static"\n{fields}\n')


def test_int16_activations_take_int16_inputs(read):
    (found,) = read('[recipes.mine]\nkind = "tflite-static"\nactivation_type = "int16"\nio_type = "int16"\n').recipes
    assert found.recipe == TfliteStatic(activation_type="int16", io_type="int16")
