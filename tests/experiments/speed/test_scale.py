"""What `speed scale` counts, and the steps that it and `speed devices` time."""

import dataclasses
import io
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.char_rnn import PRESETS
from experiments.speed import devices, scale

TINY = scale.Scaled(dataclasses.replace(PRESETS["ptb-char"], hidden=4, batch_size=4), (9,), (5,))


@pytest.fixture
def tiny(monkeypatch):
    """The name of a small language model, added to the workloads of both."""
    monkeypatch.setitem(scale.WORKLOADS, "char_rnn tiny", TINY)
    return "char_rnn tiny"


def test_products_and_steps_are_counted_inside_loops():
    def net(w, xs):
        def step(h, x):
            return jnp.tanh(x @ w + h), None

        return jax.lax.scan(step, jnp.zeros(5), xs)[0]

    program = jax.make_jaxpr(net)(np.zeros((3, 5)), np.zeros((7, 3)))
    assert scale.counted(program.jaxpr) == (7 * 2 * 3 * 5, 7)


@pytest.mark.parametrize("batch, shared", [(20, (5, 4)), (64, (8, 8)), (7, (7, 1)), (11, (1, 11))])
def test_a_batch_is_shared_by_the_most_devices_that_divide_it(batch, shared):
    assert scale.share(batch) == shared


@pytest.mark.thorough
def test_a_row_holds_what_the_step_needs(tiny, monkeypatch):
    monkeypatch.setattr(scale, "us_per_token", lambda *arguments: 12.34)
    row = scale.row(tiny, rounds=1)
    recurrent, output = 4 * (9 * 4 + 4 * 4 + 4), 4 * 9 + 9
    assert row["parameters"] == recurrent + output
    assert (row["devices"], row["rows"], row["recurrent_steps"]) == (4, 1, 10)
    assert row["us_per_token"] == 12.3 and row["temporary_mb"] >= 0


@pytest.mark.thorough
def test_the_timed_step_is_the_loops_own_on_the_whole_batch(tiny, monkeypatch, capsys):
    assert scale.whole_step(tiny)[2][0].shape == (4, 5 + 1)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    monkeypatch.setitem(devices.WORKLOADS, tiny, lambda: (*scale.whole_step(tiny), 2))
    devices.worker(tiny, 1)
    compiling, microseconds = map(float, capsys.readouterr().out.split())
    assert compiling > 0 and microseconds > 0
