"""The plots, as files and by what they hold."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest

from crossrt.core.artifact import Epoch, Score, Training
from crossrt.reports.page.drawing import all_plots, plot_files
from crossrt.reports.page.figures import as_svg, new_figure, png_bytes, svg_text, tip
from crossrt.reports.page.plots.changes import changes
from crossrt.reports.page.plots.distributions import distributions
from crossrt.reports.page.plots.footprint import footprint
from crossrt.reports.page.plots.kernels import kernels
from crossrt.reports.page.plots.layers import layers
from crossrt.reports.page.plots.names import LEAST_GAP, LINES_END, label_rows, spread
from crossrt.reports.page.plots.scaling import scaling
from crossrt.reports.page.plots.tradeoff import tradeoff
from crossrt.reports.page.plots.training import Trained, curves, trainings
from crossrt.reports.page.report_page import report_page
from crossrt.reports.page.training import picture_files, told
from crossrt.reports.schema.records import KernelCounts, LayerErrors, TensorError
from crossrt.reports.verdicts.choice.pareto import fronts
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def report(make_result, make_report):
    """Two variants at two batch sizes."""
    kernels = KernelCounts(integer=5, float=1)
    return make_report(
        *(
            make_result(case, medians=[median * batch] * 3, batch_size=batch, kernels=kernels)
            for case, median in (("fp32@ort-cpu", 90_000), ("int8-qdq@ort-cpu", 30_000))
            for batch in (1, 8)
        )
    )


def tips(plot) -> list[str]:
    return [title.text for title in ET.fromstring(svg_text(plot.figure)).iter(f"{SVG}title")]


def words(plot) -> str:
    return " ".join(text.text or "" for text in ET.fromstring(svg_text(plot.figure)).iter(f"{SVG}text"))


def assert_inside(plot) -> None:
    """Every text begins within the picture."""
    drawn = ET.fromstring(svg_text(plot.figure))
    _, _, width, height = map(float, drawn.get("viewBox").split())
    for text in drawn.iter(f"{SVG}text"):
        moved = re.search(r"(?:translate|rotate)\((?:-?90 |-?0 )?([-\d.]+) ([-\d.]+)\)", text.get("transform"))
        x, y = moved.groups()
        assert 0 <= float(x) <= width, text.text
        assert 0 <= float(y) <= height, text.text


def test_every_case_is_a_point_with_its_numbers(report):
    plot = tradeoff(report, fronts(report)[0])
    assert [tip.partition(":")[0] for tip in tips(plot)] == ["int8-qdq@ort-cpu", "fp32@ort-cpu"]
    assert "30.0" in tips(plot)[0]
    assert "int8-qdq@ort-cpu" in words(plot)
    assert_inside(plot)


def test_every_round_is_seen(report):
    plot = distributions(report, (1, 1, "float32"))
    assert [tip.rpartition(": ")[2] for tip in tips(plot)] == ["medians of 3 rounds"] * 2
    assert "90.0 µs" in words(plot)


def test_throughput_wants_two_batch_sizes(report, make_result, make_report):
    assert set(tips(scaling(report))) == {"fp32@ort-cpu", "int8-qdq@ort-cpu"}
    assert scaling(make_report(make_result())) is None


def test_memory_is_shown_for_each_batch_size(report):
    found = tips(footprint(report))
    assert "fp32@ort-cpu, batch 1: 70.0 MB" in found
    assert "fp32@ort-cpu, batch 8: 70.0 MB" in found


def test_kinds_of_kernels_are_counted(report, make_result, make_report):
    assert tips(kernels(report))[:2] == ["fp32@ort-cpu: 5 integer", "fp32@ort-cpu: 1 float"]
    assert kernels(make_report(make_result())) is None


def test_changes_stand_with_their_intervals(make_result, make_report):
    before = make_report(make_result(medians=[30_000, 30_100, 29_900] * 3), id="before")
    after = make_report(make_result(medians=[60_000, 60_100, 59_900] * 3), id="after")
    plot = changes(compare_reports(before, after, Question()))
    assert re.match(r"fp32@ort-cpu: \+(99|100)\.\d% \[", tips(plot)[0])
    assert "slower" in words(plot)


def test_the_tradeoff_is_that_of_the_task(regression):
    plot = tradeoff(regression, fronts(regression)[0])
    assert plot.name == "mae-latency-b1-t1-float32"
    assert plot.caption.startswith("Down and to the left is better.")
    assert "MAE °C" in words(plot)
    assert any("MAE °C 0.25" in tip for tip in tips(plot))


def test_a_report_without_answers_has_no_tradeoff(make_result, make_report):
    report = make_report(make_result(evaluation=None))
    assert tradeoff(report, fronts(report)[0]) is None


@pytest.mark.parametrize("length", [30, 300])
def test_names_of_any_length_leave_room_for_the_plot(make_result, make_report, length):
    kernels = KernelCounts(integer=5)
    results = [
        make_result(f"{'v' * length}{number}@ort-cpu", medians=[30_000 + number], kernels=kernels, batch_size=batch)
        for number in range(2)
        for batch in (1, 8)
    ]
    for plot in all_plots(make_report(*results)):
        assert_inside(plot)
        if length > 40:
            assert "…" in words(plot)


def test_files_of_plots_stay_in_their_folder(report, tmp_path):
    tensor = TensorError(
        tensor="x", role="weight", dtype="int8", sqnr_db=9.0, relative_error=0.1, cosine=0.9, saturated=0.0, clipped=0.0
    )
    odd = msgspec.structs.replace(report, layers=(LayerErrors(artifact="../a/b c", samples=1, tensors=(tensor,)),))
    (plot,) = layers(odd)
    (path,) = plot_files([plot], tmp_path, "svg")
    assert path.parent == tmp_path


def test_layers_are_named_by_their_variant(report):
    tensor = TensorError(
        tensor="net/conv", role="weight", dtype="int8", sqnr_db=9.0, relative_error=0, cosine=1, saturated=0, clipped=0
    )
    file = report.artifacts[1]
    drawn = msgspec.structs.replace(report, layers=(LayerErrors(artifact=file.id, samples=1, tensors=(tensor,)),))
    (plot,) = layers(drawn)
    assert "int8-qdq, onnx" in words(plot)


def test_report_without_a_timed_case_has_no_plots(make_result, make_report):
    failed = make_result(status="failed", reason="crashed", rounds=(), evaluation=None, memory=None)
    assert list(all_plots(make_report(failed))) == []


def test_files_are_named_after_what_they_show(report, tmp_path):
    plots = list(all_plots(report))
    names = {path.name for path in plot_files(plots, tmp_path, "svg")}
    assert names == {
        *(f"top1-latency-b{batch}-t1-float32.svg" for batch in (1, 8)),
        *(f"latency-rounds-b{batch}-t1-float32.svg" for batch in (1, 8)),
        *("throughput-batch.svg", "size-memory.svg", "kernels.svg"),
    }
    (content,) = plot_files(plots[:1], tmp_path, "png").values()
    assert content.startswith(b"\x89PNG")


def test_dollar_signs_are_text():
    figure, axes = new_figure(2, 2)
    axes.set_title("cost $x_1$")
    assert "cost $x_1$" in svg_text(figure)


def test_tips_cannot_become_markup():
    figure, axes = new_figure(2, 2)
    tip(axes.scatter([1], [1]), '<script>"&')
    drawn = as_svg(figure, 'a "plot" <of> it')
    assert "<script>" not in drawn
    assert "<title>&lt;script" in drawn
    assert 'aria-label="a &#34;plot&#34; &lt;of&gt; it"' in drawn


def test_calls_that_took_no_time_are_drawn_too(make_result, make_report, make_round):
    rounds = tuple(msgspec.structs.replace(make_round(index, 0), blocks_ns=((0,),) * 70) for index in range(3))
    report = make_report(msgspec.structs.replace(make_result(), rounds=rounds))
    assert [plot.name for plot in all_plots(report)][:1] == ["top1-latency-b1-t1-float32"]
    assert all(svg_text(plot.figure) for plot in all_plots(report))


def test_signs_that_the_font_lacks_are_no_warning():
    figure, axes = new_figure(2, 2)
    axes.set_title("a\tb\U000e0001")
    assert svg_text(figure)
    assert png_bytes(figure)


def test_cases_without_size_and_memory_have_no_footprint(sample):
    results = tuple(msgspec.structs.replace(each, memory=None) for each in sample.results)
    metrics = tuple(each for each in sample.metrics if each.name != "size_bytes")
    assert footprint(msgspec.structs.replace(sample, results=results, metrics=metrics)) is None


def training(*, metric="accuracy", losses=(0.9, 0.4, 0.2, 0.3), best=2):
    def epoch(number, loss):
        score = Score(loss=loss, metric=1 - loss / 10)
        trained = score if number else None
        return Epoch(epoch=number, train=trained, validation=score, learning_rate=1e-3, metric=metric)

    return Training(
        epochs=tuple(epoch(number, loss) for number, loss in enumerate(losses)),
        best=best,
        samples=1000,
        validation_samples=200,
        batch_size=64,
        float_score=Score(loss=0.8, metric=0.95),
    )


@pytest.fixture
def trained_report(report):
    """Both of its files come from one training."""
    artifacts = tuple(msgspec.structs.replace(each, training=training()) for each in report.artifacts)
    return msgspec.structs.replace(report, artifacts=artifacts)


def test_a_training_that_gave_several_files_is_shown_once(trained_report):
    (found,) = trainings(trained_report)
    assert len(found.names) == len({(each.model, each.variant) for each in trained_report.artifacts})
    page = report_page(trained_report)
    assert page.count('<section id="training"') == 1
    assert "epoch 2: validation accuracy 98.00%" in page
    assert "epoch 3: training loss 0.3" in page
    assert "Epoch 2 was written: accuracy 98.00% on 200 validation samples; 95.00% in float, 91.00% before" in page
    names = [plot.name for plot in all_plots(trained_report)]
    assert sum(name.startswith("training-") for name in names) == 1


def test_a_report_without_a_training_has_no_curves(report):
    assert trainings(report) == []
    assert 'id="training"' not in report_page(report)


def test_curves_of_a_file_have_one_legend_and_a_scale_that_fits():
    drawn = curves(training(losses=(9.0, 0.4, 0.02)))
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["training", "validation", "float model"]
    assert [axes.get_yscale() for axes in drawn.axes] == ["log", "linear"]


def test_errors_of_a_regression_are_numbers(tmp_path):
    trained = Trained(names=("own int8-qat",), training=training(metric="mean absolute error"))
    assert "mean absolute error 0.98 on 200" in told(trained)
    files = picture_files(trained, tmp_path, ("png", "svg"))
    assert {path.name for path in files} == {"curves.png", "curves.svg"}
    assert b"epoch 1: validation mean absolute error 0.96" in files[tmp_path / "curves.svg"]


def test_a_training_that_is_not_over_is_drawn_from_its_curves_alone(tmp_path):
    trained = Trained(names=("own",), training=Training(epochs=training(losses=(0.5,)).epochs))
    assert told(trained) == "0 epochs."
    assert picture_files(trained, tmp_path, ["png"])[tmp_path / "curves.png"].startswith(b"\x89PNG")


def crossing(first, second) -> bool:
    """True where two straight lines share a point that is no end of theirs."""

    def side(a, b, c):
        return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    (a, b), (c, d) = first, second
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


@pytest.mark.parametrize("seed", range(20))
def test_lines_to_names_do_not_cross_and_names_do_not_meet(seed):
    random = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in zip(random.random(12), 0.5 + 0.01 * random.normal(size=12), strict=True)]
    rows = label_rows(points, 2.0)
    ends = [(2.0 * LINES_END, row) for row in rows]
    lines = [((2.0 * x, y), end) for (x, y), end in zip(points, ends, strict=True)]
    assert not any(crossing(a, b) for i, a in enumerate(lines) for b in lines[:i])
    assert np.diff(sorted(rows)).min() >= LEAST_GAP - 1e-9
    assert min(rows) >= 0
    assert max(rows) <= 1


def test_names_stay_beside_points_that_are_far_enough_apart():
    assert label_rows([(0.2, 0.1), (0.4, 0.9), (0.3, 0.5)], 2.0) == pytest.approx([0.1, 0.9, 0.5])
    assert spread([1.0, 1.0, 0.0]) == pytest.approx([1.0, 1.0 - LEAST_GAP, 0.0], abs=LEAST_GAP)
