"""Batches are a pure function of (seed, step); evaluation counts every example exactly once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.batches import batch_indices, padded_batches
from data.errors import UserError
from data.images import Images


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**40),
    first=st.integers(0, 50),
    blocks=st.lists(st.integers(0, 9), max_size=4),
    batch_size=st.integers(1, 30),
    size=st.integers(1, 20),
)
def test_any_split_into_blocks_gives_the_same_indices(seed, first, blocks, batch_size, size):
    whole = batch_indices(seed, first, sum(blocks), batch_size, size)
    parts, step = [np.empty((0, batch_size), np.int32)], first
    for count in blocks:
        parts.append(batch_indices(seed, step, count, batch_size, size))
        step += count
    assert whole.dtype == np.int32 and whole.shape == (sum(blocks), batch_size)
    np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("batch_size", [1, 7, 10, 64])  # 7 straddles passes, 64 exceeds the set
def test_each_pass_has_its_own_permutation(batch_size):
    passes = batch_indices(3, 0, 10 * 7 * 64, batch_size, 10).reshape(-1, 10)
    np.testing.assert_array_equal(np.sort(passes), np.tile(np.arange(10), (len(passes), 1)))
    assert len({tuple(order) for order in passes.tolist()}) > len(passes) // 2


def test_batch_size_does_not_change_the_stream():
    one = batch_indices(0, 0, 60, 1, 13).reshape(-1)
    np.testing.assert_array_equal(one, batch_indices(0, 0, 5, 12, 13).reshape(-1))


def test_seeds_differ():
    assert (batch_indices(0, 0, 1, 100, 100) != batch_indices(1, 0, 1, 100, 100)).any()


def test_the_result_may_be_overwritten_by_the_caller():
    batch_indices(0, 0, 1, 10, 10)[:] = 0
    np.testing.assert_array_equal(np.sort(batch_indices(0, 0, 1, 10, 10)[0]), np.arange(10))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((0, 0, 1, 0, 5), "batch size is 0"), ((0, 0, 1, 1, 0), "empty"), ((-1, 0, 1, 1, 5), "seed")],
)
def test_values_out_of_range_are_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        batch_indices(*arguments)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10])
def test_every_example_appears_once_and_padding_is_masked(batch_size):
    arrays = Images(np.arange(1, 8).reshape(7, 1) * np.ones(2), np.arange(7))
    batches = list(padded_batches(arrays, batch_size))
    for batch, mask in batches:
        assert isinstance(batch, Images) and mask.dtype == np.float32
        assert len(mask) == len(batch.images) == len(batch.labels) == batch_size
        assert (batch.images[mask == 0] == 0).all()
    real = [batch.labels[mask == 1] for batch, mask in batches]
    np.testing.assert_array_equal(np.concatenate(real), arrays.labels)
    assert sum((batch.images.sum(-1) * mask).sum() for batch, mask in batches) == 56


def test_plain_tuples_are_batched_too():
    ((pair, mask),) = padded_batches((np.arange(2), np.ones((2, 3))), 4)
    assert type(pair) is tuple and pair[1].shape == (4, 3) and mask.tolist() == [1, 1, 0, 0]
    with pytest.raises(UserError, match="batch size is 0"):
        next(padded_batches((np.arange(2),), 0))
