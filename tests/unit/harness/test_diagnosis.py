"""What is read from a diagnosis, and which changes of a recipe follow from it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crossrt.analysis.diagnosis.record import BINS, MARGIN_BINS, DiagnosedOutput, DiagnosedTensor, Diagnosis
from crossrt.core.artifact import ModelArtifact
from crossrt.core.evaluation import Evaluation, OutputError
from crossrt.core.metric import MetricDefinition
from crossrt.core.tensor import Batching
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxFloat16, OnnxStatic, OnnxWeightOnly, TfliteStatic
from crossrt.harness.analyze.diagnosis.run import is_hidden, saturates, worst_activation
from crossrt.harness.analyze.diagnosis.suggestions import suggestions
from crossrt.harness.analyze.diagnosis.tables import diagnosis_notes, histograms, tensor_sheet, trial_sheet
from crossrt.harness.analyze.diagnosis.trials import Trial, Trials, changes, in_words
from crossrt.harness.build.subject import Found


def tensor(name, sqnr_db, **fields) -> DiagnosedTensor:
    counts = [0] * (BINS + 2 * MARGIN_BINS)
    counts[20] = 100
    defaults = {
        "role": "activation",
        "dtype": "uint8",
        "place": 0,
        "node": f"node-{name}",
        "relative_error": 0.01,
        "cosine": 1.0,
        "saturated": 0.0,
        "clipped": 0.0,
        "range_used": 1.0,
        "histogram": tuple(counts),
        "kernels": "shipped",
    }
    return DiagnosedTensor(name=name, sqnr_db=sqnr_db, **{**defaults, **fields})


def diagnosis(*tensors, **fields) -> Diagnosis:
    return Diagnosis(tensors=tensors, samples=100, **fields)


ARTIFACT = ModelArtifact(
    model="net",
    variant="int8",
    format="onnx",
    path=Path("net.int8.onnx"),
    sha256="0" * 64,
    size_bytes=1,
    inputs=(),
    outputs=(),
    batching=Batching(axes={"x": 0}, dimension="N"),
    role="quantized",
    quantization=None,
    producer={},
    source_sha256="0" * 64,
)
FOUND = Found(artifact=ARTIFACT, original=None, recipe=msgspec.to_builtins(OnnxStatic()))


def test_the_worst_layer_is_where_the_ratio_falls_most():
    found = diagnosis(tensor("a", 45.0), tensor("b", 44.0), tensor("c", 20.0), tensor("d", 19.0))
    assert worst_activation(found).name == "c"


@pytest.mark.parametrize("tensors", [(), (tensor("a", None),), (tensor("w", 30.0, role="weight"),)])
def test_there_may_be_no_worst_layer(tensors):
    assert worst_activation(diagnosis(*tensors)) is None


@pytest.mark.parametrize(("precise", "expected"), [(38.0, True), (21.0, False), (None, False)])
def test_kernels_that_lose_much_against_precise_ones_saturate(precise, expected):
    assert saturates(diagnosis(tensor("a", 20.0, precise_sqnr_db=precise))) is expected


def output(sqnr_db, precise_sqnr_db=None, name="scores"):
    return DiagnosedOutput(name=name, sqnr_db=sqnr_db, precise_sqnr_db=precise_sqnr_db)


def test_outputs_of_the_plain_file_count_too():
    hidden = diagnosis(tensor("scores", 37.0), outputs=(output(6.0, 37.0),))
    assert (saturates(hidden), is_hidden(hidden)) == (True, True)
    healthy = diagnosis(tensor("scores", 37.0), outputs=(output(36.5, 37.0),))
    assert (saturates(healthy), is_hidden(healthy)) == (False, False)


@pytest.mark.parametrize(
    ("quant_format", "causes", "is_tried"),
    [("qoperator", ("lost",), True), ("qoperator", (), False), ("qdq", ("lost",), False)],
)
def test_a_lost_activation_is_cured_by_qdq(quant_format, causes, is_tried):
    found = diagnosis(tensor("a", 40.0), causes=causes)
    assert ({"quant_format": "qdq"} in list(changes(OnnxStatic(quant_format=quant_format), found))) == is_tried


def test_cures_for_saturation_are_tried_where_it_happens():
    healthy = list(changes(OnnxStatic(), diagnosis(tensor("a", 40.0, precise_sqnr_db=40.0))))
    saturated = list(changes(OnnxStatic(), diagnosis(tensor("a", 20.0, precise_sqnr_db=40.0))))
    assert {"reduce_range": True} in saturated
    assert {"reduce_range": True} not in healthy


def test_the_worst_layer_is_tried_in_float():
    found = diagnosis(tensor("a", 45.0), tensor("b", 20.0))
    recipe = OnnxStatic(nodes_to_exclude=("other",))
    assert {"nodes_to_exclude": ("other", "node-b")} in list(changes(recipe, found))


@pytest.mark.parametrize(
    "recipe", [OnnxStatic(), OnnxDynamic(), OnnxWeightOnly(), TfliteStatic()], ids=lambda each: type(each).__name__
)
def test_changes_are_fields_of_the_recipe(recipe):
    for fields in changes(recipe, diagnosis(tensor("a", 45.0), tensor("b", 20.0, precise_sqnr_db=40.0))):
        other = msgspec.structs.replace(recipe, **fields)
        assert msgspec.convert(msgspec.to_builtins(other), type(recipe)) == other


def test_nothing_is_tried_for_recipes_without_settings():
    assert list(changes(OnnxFloat16(), diagnosis())) == []


def test_the_worst_are_drawn_with_the_ends_of_their_range():
    found = histograms(diagnosis(tensor("net_1/a:0", 45.0), tensor("b", 20.0)), "net")
    assert [line.split()[-1] for line in found] == ["b", "a"]
    assert found[0][MARGIN_BINS] == found[0][MARGIN_BINS + BINS + 1] == "|"
    assert "█" in found[0]


def test_activations_come_in_order_and_weights_worst_first():
    tensors = (tensor("b", 30.0), tensor("a", 40.0), tensor("v", 50.0, role="weight"), tensor("w", 20.0, role="weight"))
    sheet = tensor_sheet(diagnosis(*tensors), "net")
    assert [row[0].text for row in sheet.rows] == ["b", "a", "w (weight)", "v (weight)"]
    assert "precise dB" not in sheet.columns
    assert "SQNR dB" in sheet.columns


def test_the_activation_that_loses_most_is_marked_without_colour():
    sheet = tensor_sheet(diagnosis(tensor("a", 40.0), tensor("b", 30.0), tensor("c", 29.0)), "net")
    assert [row[1].text for row in sheet.rows] == ["40.0", "30.0*", "29.0"]
    assert any("*: where the ratio falls most" in note for note in diagnosis_notes(diagnosis(tensor("a", 40.0)), FOUND))


def test_every_output_is_told_with_what_was_measured_of_it():
    found = diagnosis(tensor("w", 20.0, role="weight"), outputs=(output(31.25), output(40.0, 40.5, "boxes")))
    notes = diagnosis_notes(found, FOUND)
    assert notes[:2] == [
        "output scores of the file as it is: 31.2 dB",
        "output boxes of the file as it is: 40.0 dB; precise: 40.5 dB",
    ]


def test_causes_and_tensors_without_a_counterpart_are_told():
    notes = diagnosis_notes(diagnosis(tensor("a", 20.0), causes=("Relu is lost",), missing=("x", "y")), FOUND)
    assert "CAUTION: Relu is lost" in notes
    assert "cannot be matched with a tensor of the float model: x, y" in notes


SHARE = MetricDefinition(name="top1", label="top-1", unit="share", direction="bigger_is_better", format="percent")
ERROR = MetricDefinition(name="mae", label="MAE", unit="error", direction="smaller_is_better")


def evaluation(sqnr_db, **values):
    errors = (OutputError(output="scores", max_abs=0.1, mean_abs=0.1, sqnr_db=sqnr_db),)
    return Evaluation(task="mine", samples=50, values=values, outputs=errors)


@pytest.mark.parametrize(
    ("metric", "values", "gain"), [(SHARE, (0.90, 0.95), "+5.00"), (ERROR, (0.5, 0.25), "-0.25"), (None, (0, 0), "-")]
)
def test_changes_are_compared_with_the_recipe_as_it_is(metric, values, gain):
    name = "none" if metric is None else metric.name
    tried = [
        Trial(change=change, evaluation=evaluation(db, **{name: value}), size_bytes=2000)
        for change, db, value in zip(("as it is", "per_channel = true"), (30.0, 36.5), values, strict=True)
    ]
    rows = trial_sheet(
        Trials(tried=[*tried, Trial(change="bits = 3", evaluation=None)], metric=metric, samples=50)
    ).rows
    assert [cell.text for cell in rows[1]] == ["per_channel = true", "36.5", "+6.5", gain, "2.0"]
    assert rows[2][1].text == "cannot be built"


def weight(sqnr_db, **fields):
    return tensor("w", sqnr_db, role="weight", node=None, kernels="stored", **fields)


POINTING = {
    "weights' channels far apart, a scale each": (
        (tensor("a", 40.0), weight(45.0, channel_spread=9.0)),
        {"per_channel": True},
    ),
    "weights' channels far apart, equalized": (
        (tensor("a", 40.0), weight(45.0, channel_spread=9.0)),
        {"equalize": True},
    ),
    "output's own rounding": ((tensor("scores", 40.0, rounding=0.5),), {"quantize_outputs": False}),
    "means of channels shifted": ((tensor("a", 40.0, shift=0.3),), {"bias_correction": True}),
    "noisy weights": ((tensor("a", 40.0), weight(38.0)), {"weight_rounding": "gpfq"}),
    "one layer far worse": (
        (tensor("a", 45.0, place=0), tensor("b", 30.0, place=1)),
        {"nodes_to_16_bit": ("node-b",)},
    ),
}
QUIET = (
    tensor("x", 140.0, shift=0.9, rounding=0.9, place=-1),
    tensor("a", 41.0, shift=0.1, place=0),
    tensor("scores", 40.0, rounding=0.1, shift=0.1, place=1),
)


@pytest.mark.parametrize("name", POINTING)
def test_a_measurement_points_to_the_option_that_cures_it(name):
    tensors, fields = POINTING[name]
    found = diagnosis(*tensors, outputs=(output(40.0),))
    (suggested,) = [each for each in suggestions(found, OnnxStatic()) if each.fields == fields]
    assert fields in list(changes(OnnxStatic(), found))
    assert f"suggested: {in_words(fields)}: {suggested.tensor} {suggested.reason}" in diagnosis_notes(found, FOUND)


@pytest.mark.parametrize("name", POINTING)
def test_an_option_that_the_recipe_has_already_is_not_suggested(name):
    tensors, fields = POINTING[name]
    recipe = msgspec.structs.replace(OnnxStatic(), **fields)
    found = suggestions(diagnosis(*tensors, outputs=(output(40.0),)), recipe)
    assert not any(each.fields == fields for each in found)


def test_nothing_is_suggested_where_nothing_points_to_it():
    found = diagnosis(*QUIET, weight(60.0, channel_spread=1.5), outputs=(output(40.0),))
    assert suggestions(found, OnnxStatic()) == []
    assert suggestions(diagnosis(*POINTING["noisy weights"][0], outputs=(output(40.0),)), OnnxWeightOnly()) == []


@pytest.mark.parametrize(("sqnr_db", "is_named"), [(12.0, True), (30.0, False)])
def test_outputs_that_are_far_off_point_to_a_search(sqnr_db, is_named):
    notes = diagnosis_notes(diagnosis(*QUIET, outputs=(output(sqnr_db),)), FOUND)
    assert any("crossrt search" in note for note in notes) is is_named


def test_what_costs_no_speed_is_tried_together():
    found = diagnosis(tensor("scores", 40.0, rounding=0.5, shift=0.3), outputs=(output(40.0),))
    assert {"quantize_outputs": False, "bias_correction": True} in list(changes(OnnxStatic(), found))
