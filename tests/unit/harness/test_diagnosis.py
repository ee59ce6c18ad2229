"""What is read from a diagnosis, and which changes of a recipe follow from it."""

from __future__ import annotations

import msgspec
import pytest

from crossrt.analysis.diagnosis.record import BINS, MARGIN_BINS, DiagnosedTensor, Diagnosis
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxFloat16, OnnxStatic, OnnxWeightOnly, TfliteStatic
from crossrt.harness.analyze.diagnosis.run import is_hidden, saturates, worst_activation
from crossrt.harness.analyze.diagnosis.tables import diagnosis_notes, histograms, tensor_sheet
from crossrt.harness.analyze.diagnosis.trials import changes


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


def diagnosis(*tensors) -> Diagnosis:
    return Diagnosis(tensors=tensors, samples=100)


def test_the_worst_layer_is_where_the_ratio_falls_most():
    found = diagnosis(tensor("a", 45.0), tensor("b", 44.0), tensor("c", 20.0), tensor("d", 19.0))
    assert worst_activation(found).name == "c"


@pytest.mark.parametrize("tensors", [(), (tensor("a", None),), (tensor("w", 30.0, role="weight"),)])
def test_there_may_be_no_worst_layer(tensors):
    assert worst_activation(diagnosis(*tensors)) is None


@pytest.mark.parametrize(("precise", "wanted"), [(38.0, True), (21.0, False), (None, False)])
def test_kernels_that_lose_much_against_precise_ones_saturate(precise, wanted):
    assert saturates(diagnosis(tensor("a", 20.0, precise_sqnr_db=precise))) is wanted


def test_logits_of_the_plain_file_count_too():
    hidden = Diagnosis(tensors=(tensor("logits", 37.0),), samples=9, shipped_logits_db=6.0, precise_logits_db=37.0)
    assert (saturates(hidden), is_hidden(hidden)) == (True, True)
    healthy = Diagnosis(tensors=(tensor("logits", 37.0),), samples=9, shipped_logits_db=36.5, precise_logits_db=37.0)
    assert (saturates(healthy), is_hidden(healthy)) == (False, False)


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


def test_only_what_was_measured_of_the_logits_is_told():
    weights = Diagnosis(tensors=(tensor("w", 20.0, role="weight"),), samples=9, shipped_logits_db=31.25)
    notes = diagnosis_notes(weights, None)
    assert notes[0] == "logits of the file as it is, over these digits: 31.2 dB"
    precise = msgspec.structs.replace(weights, precise_logits_db=32.0)
    assert diagnosis_notes(precise, None)[0].endswith("31.2 dB; precise: 32.0 dB")
