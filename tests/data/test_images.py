"""Image sets are validated before training; scikit-learn's digits (`data/digits.py`) are sound."""

import numpy as np
import pytest

from data import digits
from data.errors import UserError
from data.images import Images, ImageSets, checked, hold_out


def some(count, labels=None, side=28):
    numbers = np.arange(count) % 2 if labels is None else np.array(labels)
    return Images(np.zeros((count, side, side), np.uint8), numbers.astype(np.int32))


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (some(4, [0, 1, 0]), some(2), "training set has 4 images but 3 labels"),
        (some(4), some(0), "test set is empty"),
        (some(4, side=32), some(2), "32x32 uint8"),
        (some(4), some(2, [0, 2]), "from 0 to 2; with 2 classes"),
        (some(4, [0, 0, -1, 1]), some(2), "from -1 to 1"),
        (some(4, [1, 1, 1, 1]), some(2), "all training images are of class b"),
    ],
)
def test_unsound_sets_are_refused(train, test, words):
    with pytest.raises(UserError, match=words) as caught:
        checked(ImageSets(train, test, ("a", "b")), "source")
    assert str(caught.value).startswith("source: ")


def test_sound_sets_pass_and_the_last_examples_are_held_out():
    sets = checked(ImageSets(some(5), some(2), ("a", "b")), "source")
    train, valid = hold_out(sets, 2)
    assert train.labels.tolist() == [0, 1, 0] and valid.labels.tolist() == [1, 0]
    assert len(train.images) == 3 and len(valid.images) == 2
    assert len(hold_out(sets, 0)[1].labels) == 0
    for count in (-1, 5):
        with pytest.raises(UserError, match="between 0 and 4"):
            hold_out(sets, count)


def test_digits_are_complete_centred_and_balanced():
    sets = digits.load()
    assert (len(sets.train.labels), len(sets.test.labels)) == (1437, 360)
    for images, labels in (sets.train, sets.test):
        assert np.bincount(labels).min() > 30 * len(labels) / 360
        assert images.max() == 255 and images[:, :2].max() < 40  # a margin without ink
        rows, columns = np.indices((28, 28)) - 13.5
        weights = images.mean(0) / images.mean(0).sum()
        assert abs((weights * rows).sum()) < 1 and abs((weights * columns).sum()) < 1


def test_digits_enlarge_without_overflow():
    full = digits.as_mnist(np.full((1, 8, 8), 16.0))[0]
    assert (full[8:20, 8:20] >= 240).all() and (full[0] == 0).all()
    assert (digits.as_mnist(np.zeros((1, 8, 8))) == 0).all()
