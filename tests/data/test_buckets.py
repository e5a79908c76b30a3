"""Buckets: little padding, all sequences read equally often, a pure function of (seed, step)."""

import numpy as np
import pytest

from data.buckets import Buckets, Ragged, bucket_of, bucket_shapes, covering
from data.errors import UserError


def some_lengths(count=3000, longest=110):
    """Like those of English sentences: 24 words on average, and a few very long ones."""
    random = np.random.default_rng(0)
    return np.clip(random.gamma(3.0, 8.0, count).astype(int), 1, longest)


def batches_of(buckets, steps):
    """[(bucket, rows)] of the given steps, one at a time."""
    return [(bucket, rows[0].tolist()) for bucket, rows in (buckets.rows(n, 1) for n in steps)]


def test_a_batch_costs_in_proportion_to_its_entries():
    lengths = some_lengths()
    shapes = bucket_shapes(lengths)
    buckets = Buckets(lengths, shapes, 32, seed=1)
    steps = range(round(2 * buckets.steps_in_a_pass))
    pairs = [
        (len(rows) * shapes[bucket, 0], lengths[rows].sum())
        for bucket, rows in batches_of(buckets, steps)
    ]
    padded, real = np.array(pairs).T
    assert padded.sum() <= 1.25 * real.sum()
    assert real[padded <= 1.3 * real].sum() > 0.9 * real.sum()  # the rest are the shortest
    assert len(shapes) <= 10


def test_shapes_cover_all_lengths_and_are_no_longer_than_necessary():
    lengths = some_lengths()
    shapes = bucket_shapes(lengths)
    found = bucket_of(lengths, shapes)
    for k, (shape,) in enumerate(shapes):
        assert lengths[found == k].max() == shape
    assert (np.diff(shapes[:, 0]) > 0).all()
    assert len(bucket_shapes(np.array([7] * 5))) == 1
    assert bucket_shapes(np.array([0, 0, 2000])).tolist() == [[1], [2000]]
    with pytest.raises(ValueError):
        bucket_of(np.array([8]), bucket_shapes(np.array([7])))


def test_pairs_are_padded_each_to_its_own_length():
    source = some_lengths(500)
    target = np.maximum(1, source + np.random.default_rng(1).integers(-3, 4, 500))
    pairs = np.stack([source, target], 1)
    shapes = bucket_shapes(pairs)
    found = bucket_of(pairs, shapes)
    assert (pairs <= shapes[found]).all()
    assert shapes[found].sum() <= 1.25 * pairs.sum()


def test_the_steps_do_not_depend_on_how_they_are_split_or_where_they_start():
    lengths = some_lengths(400)
    shapes = bucket_shapes(lengths)

    def read(most, first):
        buckets, now, found = Buckets(lengths, shapes, 16, seed=3), first, []
        while now < 120:
            count = buckets.steps_of_one_shape(now, min(most, 120 - now))
            bucket, rows = buckets.rows(now, count)
            assert rows.shape[0] == count <= most
            found += [(bucket, row.tolist()) for row in rows]
            now += count
        return found

    straight = read(1, 0)
    assert read(4, 0) == read(50, 0) == straight
    assert read(7, 61) == straight[61:]
    other = Buckets(lengths, shapes, 16, seed=4)
    assert batches_of(other, range(120)) != straight


def test_consecutive_steps_share_a_bucket():
    lengths = some_lengths()
    buckets = Buckets(lengths, bucket_shapes(lengths), 16, seed=0, stretch=4)
    steps, calls, now = round(buckets.steps_in_a_pass), 0, 0
    while now < steps:
        now, calls = now + buckets.steps_of_one_shape(now, 4), calls + 1
    assert calls < 0.4 * steps


def test_all_sequences_are_read_equally_often():
    lengths = some_lengths(300)
    shapes = bucket_shapes(lengths)
    buckets = Buckets(lengths, shapes, 16, seed=0)
    passes = 12
    steps = range(int(passes * buckets.steps_in_a_pass))
    counts = np.zeros(len(lengths), int)
    for _, rows in batches_of(buckets, steps):
        assert len(set(rows)) == len(rows) or len(rows) == 16  # repeated only where two passes meet
        np.add.at(counts, rows, 1)
    assert counts.min() >= passes - 2 and counts.max() <= passes + 1
    assert abs(counts.mean() - passes) < 0.5


def test_a_rare_length_makes_small_batches():
    lengths = np.array([5] * 100 + [2000])
    buckets = Buckets(lengths, bucket_shapes(lengths), 20, seed=0)
    assert buckets.steps_in_a_pass == 6
    sizes = sorted(len(rows) for _, rows in batches_of(buckets, range(6)))
    assert sizes == [1, 20, 20, 20, 20, 20]
    shared = Buckets(lengths, bucket_shapes(lengths), 20, seed=0, multiple=4)
    assert sorted(len(rows) for _, rows in batches_of(shared, range(21)))[:2] == [4, 20]


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_evaluation_reads_each_sequence_once(batch_size):
    lengths = some_lengths(200)
    shapes = bucket_shapes(np.concatenate([lengths, [300]]))
    found = []
    for bucket, rows, count in covering(lengths, shapes, batch_size):
        assert (lengths[rows] <= shapes[bucket, 0]).all() and len(rows) <= batch_size
        found += rows[:count].tolist()
    assert sorted(found) == list(range(200))


def test_padding_is_zero_and_masked():
    flat = Ragged.of([[1, 2, 3], [], [4]], np.int32)
    some = flat.select(np.array([2, 0]))
    assert [some[row].tolist() for row in (0, 1)] == [[4], [1, 2, 3]]
    entries, mask = flat.padded(np.array([[2, 0], [1, 1]]), 3)
    assert entries.tolist() == [[[4, 0, 0], [1, 2, 3]], [[0, 0, 0], [0, 0, 0]]]
    assert mask.sum(-1).tolist() == [[1, 3], [0, 0]] and entries.dtype == np.int32
    assert flat[0].tolist() == [1, 2, 3] and flat[1].tolist() == []
    vectors = Ragged.cut(np.ones((2, 5), np.float32), [2])
    assert vectors.padded(np.array([0]), 4)[0].sum((0, 2)).tolist() == [5, 5, 0, 0]
    assert Ragged.of([[]], np.int32).padded(np.array([0]), 2)[1].sum() == 0


def test_no_sequences_is_an_error():
    with pytest.raises(UserError, match="no sequence"):
        bucket_shapes(np.array([], int))
    with pytest.raises(UserError, match="batch size"):
        Buckets(np.array([3]), np.array([[3]]), 0, seed=0)
