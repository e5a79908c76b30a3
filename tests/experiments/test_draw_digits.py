"""Digits drawn row by row: a tiny run, and wrong flags."""

import json

import numpy as np
import pytest

from experiments import draw_digits

pytestmark = pytest.mark.usefixtures("quick_compilation")


SMALL = ("--hidden=4", "--num_steps=4", "--eval_every=4", "--checkpoint_every=2",
         "--batch_size=4", "--steps_per_call=2")  # fmt: skip


@pytest.fixture
def command(run_main):
    return lambda *words: run_main(words, draw_digits.PRESETS, draw_digits.run)


def test_a_run_draws_digits_and_resumes_with_the_same_figures(
    tmp_path, command, monkeypatch, cut_at
):
    straight, cut = (tmp_path / name for name in ("straight", "cut"))
    status, _, error = command(*SMALL, f"--workdir={straight}")
    assert status == 0, error
    metrics = json.loads((straight / "result.json").read_text())["metrics"]
    assert 0 < metrics["test_nats_per_picture_of_independent_pixels"] < 64 * np.log(2)
    assert {"test_nats_per_picture", "test_wrong_percent"} <= {*metrics}
    assert "Drawn by the net" in (straight / "report.html").read_text()
    monkeypatch.setattr(draw_digits, "write_report", lambda *_: None)
    with cut_at(2):
        assert command(*SMALL, f"--workdir={cut}")[0] == 143
    status, out, _ = command(*SMALL, f"--workdir={cut}")
    assert status == 0 and "resuming at step 2" in out
    # to the last digit, the norms of gradients and parameters among them
    assert (cut / "metrics.jsonl").read_text() == (straight / "metrics.jsonl").read_text()
    assert json.loads((cut / "result.json").read_text())["metrics"] == metrics
