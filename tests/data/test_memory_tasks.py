"""The sequences of the memory tasks follow their definitions."""

import numpy as np
import pytest

from data import memory_tasks


def sequences_of(task, length=100, count=300):
    return getattr(memory_tasks, task)(np.random.default_rng(0), count, length)


@pytest.mark.parametrize("task", ["adding", "order"])
def test_lengths_and_padding(task):
    inputs, lengths, _ = sequences_of(task)
    assert lengths.min() >= 100 and lengths.max() <= 110 == inputs.shape[1]
    padding = np.arange(110) >= lengths[:, None]
    assert (inputs[padding] == 0).all()


def test_adding():
    inputs, lengths, targets = sequences_of("adding")
    for row, length, target in zip(inputs, lengths, targets, strict=True):
        places = np.flatnonzero(row[:, 1] == 1)
        assert len(places) == 2 and places[0] < 10 and places[1] < 49
        assert target == pytest.approx(0.5 + row[places, 0].sum() / 4, abs=1e-6)
        assert row[length - 1, 1] == -1 and (row[0, 1] == -1 or 0 in places)
        assert abs(row[:, 0]).max() <= 1
    numbers = inputs[:, 1:, 0][np.arange(1, 110) < lengths[:, None]]
    assert numbers.mean() == pytest.approx(0, abs=0.02)
    # the variance of the sum of two numbers from U[0, 1] is 1/6
    assert np.var(2 * sequences_of("adding", count=20_000).targets) == pytest.approx(1 / 6, rel=0.1)


def test_order():
    inputs, lengths, targets = sequences_of("order")
    for row, length, target in zip(inputs, lengths, targets, strict=True):
        places = np.flatnonzero((row == 4) | (row == 5))
        assert len(places) == 2 and 10 <= places[0] <= 20 and 50 <= places[1] <= 60
        assert target == 2 * (row[places[0]] == 5) + (row[places[1]] == 5)
        assert row[0] == 6 and row[length - 1] == 7
    assert set(targets) == {0, 1, 2, 3}


def test_copy():
    inputs, lengths, targets = sequences_of("copy", length=12)
    assert inputs.shape == targets.shape == (300, 32) and (lengths == 32).all()
    assert (inputs[:, :10] == targets[:, -10:]).all() and inputs[:, :10].min() == 1
    assert (inputs[:, 21] == 9).all() and (targets[:, :-10] == 0).all()
    assert (np.delete(inputs[:, 10:], 11, axis=1) == 0).all()


@pytest.mark.parametrize("task", ["adding", "order", "copy"])
def test_the_same_seed_gives_the_same_sequences(task):
    for one, other in zip(sequences_of(task), sequences_of(task), strict=True):
        assert (one == other).all()
