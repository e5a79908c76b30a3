"""CIFAR-10's subset: its files, and contrast normalisation and whitening by hand."""

import numpy as np
import pytest

from data import cifar10
from data.errors import UserError


def test_the_subset(raw_dir):
    parts = cifar10.load(raw_dir)
    for split, size in (("train", 8000), ("test", 1000)):
        images, labels = parts[split]
        assert images.shape == (size, 32, 32, 3) and images.dtype == np.uint8
        assert {*labels.tolist()} == {*range(10)}
    assert np.bincount(parts["test"].labels)[0] == 103  # airplanes


def test_without_a_raw_folder_one_sentence_says_what_to_put_there(monkeypatch):
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)
    with pytest.raises(UserError, match="cifar10_subset is not downloaded: pass --raw_dir="):
        cifar10.load()


def test_contrast_normalisation_by_hand():
    images = np.array([[1, 3, 5], [7, 7, 7]], np.uint8)
    found = cifar10.contrast_normalised(images, bias=5.0)
    np.testing.assert_allclose(found, [[-2 / 3, 0, 2 / 3], [0, 0, 0]], rtol=1e-6)


def test_whitened_examples_have_the_covariance_of_whitening_and_come_back():
    generator = np.random.default_rng(0)
    xs = (generator.normal(size=(5000, 6)) @ generator.normal(size=(6, 6)) + 3).astype(np.float32)
    mean, matrix, inverse = cifar10.zca(xs, bias=1e-6)
    white = (xs - mean) @ matrix
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(6), atol=0.01)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-4)  # zero-phase
    np.testing.assert_allclose(white @ inverse + mean, xs, atol=0.01)
    damped = (xs - mean) @ cifar10.zca(xs, bias=1.0).matrix
    values = np.linalg.eigvalsh(np.cov(xs, rowvar=False))
    found = np.linalg.eigvalsh(np.cov(damped, rowvar=False))
    np.testing.assert_allclose(found, values / (values + 1), atol=0.01)
