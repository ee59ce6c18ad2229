"""What a user sees of a training, on a terminal and in a log."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from crossrt.reports.text.progress import Silent, Terminal
from crossrt.reports.text.training import TrainingView, clock

PROGRESS = {
    "event": "progress",
    "epoch": 2,
    "step": 412,
    "steps": 844,
    "loss": 0.0712,
    "metric": 0.9791,
    "learning_rate": 8.1e-5,
    "samples_per_s": 3120.4,
    "left_s": 151.2,
}
EPOCH = {
    "event": "epoch",
    "epoch": 1,
    "loss": 0.1312,
    "metric": 0.9621,
    "validation_loss": 0.0921,
    "validation_metric": 0.973,
    "learning_rate": 9.76e-5,
    "samples_per_s": 3201.0,
    "left_s": 168.0,
    "is_best": True,
}


def watch(*events, width=None, metric="accuracy"):
    """What appears on a terminal so wide, or in a log."""
    file = io.StringIO()
    console = Console(
        file=file, width=width or 80, force_terminal=width is not None, no_color=True, legacy_windows=False
    )
    with Terminal(console) as display:
        view = TrainingView(display, metric, 10)
        view.start()
        assert all(view.follow(each) for each in events)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", file.getvalue())


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_a_row_an_epoch_and_where_the_next_one_is(width):
    shown = watch(EPOCH, PROGRESS, width=width)
    row = re.search(r"1/10 .*", shown)[0]
    assert row.split()[:7] == ["1/10", "0.1312", "96.21%", "0.0921", "97.30%", "9.76e-05", "3,201"]
    assert row.endswith("best")
    assert all(text in shown for text in ("epoch 2 of 10", "step 412 of 844", "2:31 left", "97.91%", "3,120 samples/s"))
    assert ("2:48" in row) == (width == 120)


def test_a_narrow_terminal_keeps_what_matters_most():
    row = re.search(r"1/10 .*", watch(EPOCH, width=60))[0]
    assert row.split() == ["1/10", "0.1312", "96.21%", "0.0921", "97.30%", "best"]


def test_a_log_gets_a_line_an_epoch_and_nothing_else():
    shown = watch(PROGRESS, EPOCH, PROGRESS, {**EPOCH, "epoch": 10, "is_best": False})
    assert shown.splitlines() == [
        "training (10 steps)",
        "  epoch 1/10: loss 0.1312, accuracy 96.21%, validation loss 0.0921, validation accuracy 97.30% (best),"
        " learning rate 9.76e-05, 3,201 samples/s, 2:48 left",
        "  epoch 10/10: loss 0.1312, accuracy 96.21%, validation loss 0.0921, validation accuracy 97.30%, learning rate"
        " 9.76e-05, 3,201 samples/s",
    ]


def test_errors_of_a_regression_are_no_percentages():
    shown = watch({**EPOCH, "validation_loss": None, "validation_metric": None}, metric="mean absolute error")
    assert "mean absolute error 0.9621, learning rate" in shown


def test_other_events_are_left_to_the_caller():
    view = TrainingView(Silent(), "accuracy", 10)
    assert view.follow({"event": "validating", "epoch": 1})
    assert not view.follow({"event": "built", "item": "x"})


def test_durations_are_written_as_clocks_do():
    assert [clock(each) for each in (0, 59.6, 61, 3725)] == ["0:00", "1:00", "1:01", "1:02:05"]
