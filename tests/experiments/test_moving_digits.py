"""The moving digits' command: a tiny run with its films, and mistakes."""

import json

import numpy as np
import pytest

from experiments import moving_digits
from experiments.images import moving_digits_report
from nets.cells import LSTM
from nets.video import FUTURE, PAST, Composite

SMALL = ("--hidden=4", "--frames=3", "--num_steps=4", "--eval_every=4", "--checkpoint_every=4",
         "--batch_size=4", "--steps_per_call=2", "--test_films=6", "--field=10")  # fmt: skip
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def command(run_main):
    return lambda *words: run_main(words, moving_digits.PRESETS, moving_digits.run)


def test_a_run_ends_with_films_that_move(tmp_path, command):
    status, _, error = command(*SMALL, f"--workdir={tmp_path}")
    assert status == 0, error
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert {"test_future_nats_per_frame", "test_reconstruction_nats_per_frame"} <= {*metrics}
    assert metrics["test_future_nats_per_frame_at_best"] < metrics["test_future_nats_per_frame"]
    page = (tmp_path / "report.html").read_text()
    assert "data:image/gif;base64" in page and "Film 6" in page


@pytest.mark.thorough
def test_cut_and_resumed_it_ends_with_the_same_figures(tmp_path, command, monkeypatch, cut_at):
    monkeypatch.setattr(moving_digits_report, "write", lambda *_: None)
    straight, cut = (tmp_path / name for name in ("straight", "cut"))
    assert command(*SMALL, f"--workdir={straight}")[0] == 0
    with cut_at(2):
        assert command(*SMALL, f"--workdir={cut}")[0] == 143
    status, out, _ = command(*SMALL, f"--workdir={cut}")
    assert status == 0 and "resuming at step 2" in out
    # to the last digit, the norms of gradients and parameters among them
    assert (cut / "metrics.jsonl").read_text() == (straight / "metrics.jsonl").read_text()
    results = [json.loads((d / "result.json").read_text()) for d in (straight, cut)]
    assert results[0]["metrics"] == results[1]["metrics"]


def test_floors():
    """A grey film cannot be predicted at all; a black and white one can, exactly."""
    grey = np.full((2, 4, 3, 3), 0.5, np.float32)
    floors = moving_digits.floors(grey, 2)
    assert all(value == pytest.approx(9 * np.log(2)) for value in floors.values())
    black = np.zeros((2, 4, 3, 3), np.float32)
    black[0, 2:] = 1
    floors = list(moving_digits.floors(black, 2).values())
    assert floors[0] == pytest.approx(9 * np.log(2)) and floors[1] == pytest.approx(0, abs=1e-5)


def test_the_past_is_decoded_from_its_end():
    films = np.random.default_rng(0).random((8, 2, 6))
    np.testing.assert_array_equal(moving_digits.target_frames(films, PAST), films[:4][::-1])
    np.testing.assert_array_equal(moving_digits.target_frames(films, FUTURE), films[4:])


def test_the_paper_s_net():
    cell = LSTM(2048, peepholes=True, forget_bias=0.0)
    found = moving_digits.make_model(moving_digits.PRESETS["paper"])
    assert found == Composite(cell, 64 * 64, conditional=(PAST, FUTURE))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--tells=past", "--conditional=future"], "has no such decoder"),
     (["--field=4"], "give 8 or more"), (["--dataset=cats"], "choose one of")],
)  # fmt: skip
def test_wrong_flags(words, sentence, tmp_path, command):
    status, _, error = command(*SMALL, f"--workdir={tmp_path}", *words)
    assert status == 2 and sentence in error and error.count("\n") == 1


def test_figures_are_published_for_the_paper_s_net_only():
    paper = moving_digits.PRESETS["paper"]
    assert "test_future_nats_per_frame" in moving_digits.published(paper)
    assert not moving_digits.published(moving_digits.Config())
