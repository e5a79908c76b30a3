"""The memory tasks' command: tiny runs of each, their floors, and mistakes."""

import json
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data import memory_tasks
from data.memory_tasks import Sequences
from experiments import memory

pytestmark = pytest.mark.usefixtures("quick_compilation")
SMALL = ("--hidden=4", "--num_steps=2", "--eval_every=2", "--checkpoint_every=2",
         "--batch_size=4", "--steps_per_call=2")  # fmt: skip


@pytest.fixture
def command(run_main):
    return lambda *words: run_main(words, memory.PRESETS, memory.run)


@pytest.mark.parametrize(
    "task",
    ["adding", *(pytest.param(task, marks=pytest.mark.thorough) for task in ("order", "copy"))],
)
def test_a_run_ends_with_the_floor_and_a_report(task, tmp_path, command, monkeypatch):
    monkeypatch.setattr(memory, "TEST_SIZE", 8)
    status, out, error = command(*SMALL, f"--task={task}", "--length=12", f"--workdir={tmp_path}")
    assert status == 0, error
    result = json.loads((tmp_path / "result.json").read_text())
    assert {"test_wrong_percent", memory.floor(memory.Config(task=task))[0]} <= {
        *result["metrics"]
    }
    page = (tmp_path / "report.html").read_text()
    assert "Without memory" in page and " LSTM units with " in page
    assert not re.search(r"\de-\d", page.partition("<svg")[0])  # numbers, not 4.597e-05


def test_rows_of_digits():
    images = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 256
    rows = memory.rows_of(images.astype(np.uint8), np.array([3, 4]))
    assert rows.inputs.shape == (2, 28, 28) and rows.lengths.tolist() == [28, 28]
    assert rows.inputs[1, 5, 7] == pytest.approx(images[1, 5, 7] / 255)


measured = jax.jit(memory.measured, static_argnums=(0, 1))


def zeros(model):
    return jax.tree.map(jnp.zeros_like, jax.eval_shape(model.init, jax.random.key(0)))


def test_a_net_with_constant_outputs_reaches_the_floors():
    """Zero weights, the best bias: the losses are the floors that the run prints."""
    for task, bias in (("adding", [0.5]), ("order", [0.0] * 4)):
        config = memory.Config(task=task, hidden=3)
        model = memory.make_model(config)
        params = zeros(model)
        params["output"]["bias"] = jnp.array(bias)
        batch = memory.TASKS[task](np.random.default_rng(0), 2_000, 100)
        losses, _ = measured(config, model, params, batch)
        assert float(losses.mean()) == pytest.approx(memory.floor(config)[1], rel=0.1)
    config = memory.Config(task="copy", length=12)
    assert memory.floor(config)[1] == pytest.approx(10 * math.log(8) / 32)


def test_padding_changes_nothing(drawn):
    config = memory.Config(task="adding", hidden=3)
    model = memory.make_model(config)
    params = drawn(model.init)
    batch = memory_tasks.adding(np.random.default_rng(0), 5, 20)
    longer = Sequences(np.pad(batch.inputs, ((0, 0), (0, 9), (0, 0)), constant_values=7.0),
                       *batch[1:])  # fmt: skip
    for one, other in zip(*(measured(config, model, params, b)[0] for b in (batch, longer)),
                          strict=True):  # fmt: skip
        assert float(one) == pytest.approx(float(other), abs=1e-6)


def test_an_error_of_004_is_wrong():
    config = memory.Config(task="adding", hidden=3)
    model = memory.make_model(config)
    params = zeros(model)
    batch = Sequences(np.zeros((3, 4, 2), np.float32), np.full(3, 4), np.array([0.03, -0.05, 0.1]))
    _, metrics = measured(config, model, params, batch)
    assert float(metrics["wrong"].total) == 2
    _, metrics = measured(config, model, params, batch, np.array([1.0, 0.0, 1.0]))
    assert (float(metrics["wrong"].total), float(metrics["wrong"].count)) == (1, 2)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [("--task=sing", "choose one of"), ("--length=3", "give 10 or more"),
     ("--cell=tree", "choose one of"), ("--dataset=mnist", "give --task=rows")],
)  # fmt: skip
def test_wrong_flags(word, sentence, tmp_path, command):
    status, _, error = command(*SMALL, word, f"--workdir={tmp_path}")
    assert status == 2 and sentence in error
