"""Digits drawn row by row: probabilities that are some, and a tiny run."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import draw_digits
from nets.cells import GRU, LSTM
from nets.row_writer import RowWriter

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize("cell", [GRU(4), LSTM(4)])
def test_all_pictures_of_a_class_have_probability_1_together(cell):
    model = RowWriter(cell, classes=3, width=2)
    params = jax.jit(model.init)(jax.random.key(0))
    pictures = np.array(list(itertools.product([0.0, 1.0], repeat=6)), np.float32)
    rows = pictures.reshape(-1, 3, 2).swapaxes(0, 1)  # [T, B, W]
    log_p = jax.jit(model.log_p)
    each = [log_p(params, jnp.full(len(pictures), c), rows) for c in range(3)]
    for one in each:
        assert float(jnp.exp(one).sum()) == pytest.approx(1, rel=1e-5)
    assert abs(each[0] - each[1]).max() > 1e-3


def test_what_is_drawn_has_the_model_s_frequencies():
    model = RowWriter(GRU(4), classes=2, width=1)
    params = jax.jit(model.init)(jax.random.key(0))
    count = 4000
    drawn = jax.jit(model.sample, static_argnums=3)(
        params, jnp.ones(count, int), jax.random.key(1), 2
    )[..., 0]  # [T, B]
    for picture in itertools.product([0.0, 1.0], repeat=2):
        p = jnp.exp(model.log_p(params, jnp.ones(1, int), np.reshape(picture, (2, 1, 1))))[0]
        found = (np.asarray(drawn).T == picture).all(1).mean()
        assert found == pytest.approx(float(p), abs=0.03)


SMALL = ("--hidden=4", "--num_steps=4", "--eval_every=4", "--checkpoint_every=2",
         "--batch_size=4", "--steps_per_call=2")  # fmt: skip


@pytest.fixture
def command(run_main):
    return lambda *words: run_main(words, draw_digits.PRESETS, draw_digits.run)


def test_a_run_ends_with_drawn_digits_and_cut_with_the_same(
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
