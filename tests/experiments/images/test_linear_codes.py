"""PCA and logistic PCA: by hand, and PCA's published figure on MNIST itself."""

import numpy as np
import pytest

from data import idx
from experiments.images import linear_codes
from experiments.images.linear_codes import principal_components, squared_error
from experiments.images.reconstruction import pixels


def test_principal_components_by_hand():
    xs = np.float32([[0, 0, 1], [2, 2, 1], [4, 4, 1], [1, 3, 1], [3, 1, 1]])
    found = principal_components(xs, 1)
    np.testing.assert_allclose(found.mean, [2, 2, 1])
    np.testing.assert_allclose(np.abs(found.directions), [[np.sqrt(0.5), np.sqrt(0.5), 0]],
                               atol=1e-7)  # fmt: skip
    # the last two lie off the diagonal, each by the root of 2
    assert squared_error(found.reconstructed(xs), xs) == pytest.approx(4 / 5)
    assert squared_error(principal_components(xs, 3).reconstructed(xs), xs) < 1e-12


def test_mnist_s_error_with_30_components_is_the_published_one(raw_dir):
    files = {part: raw_dir / "mnist" / f"{part}-images-idx3-ubyte.gz" for part in ("train", "t10k")}
    if not files["train"].exists():
        pytest.skip(f"needs MNIST's files in {raw_dir / 'mnist'}")
    train, test = (pixels(idx.read_images(path)) for path in files.values())
    error = squared_error(principal_components(train, 30).reconstructed(test), test)
    assert error == pytest.approx(13.866, abs=0.005)  # 13.87 in the paper


def test_logistic_codes_do_better_than_pca_s_on_what_they_are_made_for(monkeypatch):
    for name, value in (("STEPS", 2000), ("RATE", 0.02), ("SWEEPS", 10)):
        monkeypatch.setattr(linear_codes, name, value)
    random = np.random.default_rng(0)
    scores = random.normal(size=(400, 2)) @ random.normal(size=(2, 12)) * 3
    xs = (1 / (1 + np.exp(-scores))).astype(np.float32)
    found = linear_codes.linear_codes(xs[:300], xs[300:], 2, seed=0)
    errors = {name: squared_error(values, xs[300:]) for name, values in found.items()}
    assert errors["logistic_pca_best_codes"] < 0.1 * errors["pca"]
    assert errors["logistic_pca_best_codes"] < errors["logistic_pca"] < 0.1 * xs.var(0).sum()
    monkeypatch.setattr(linear_codes, "LONGEST", 1)
    assert set(linear_codes.linear_codes(xs[:300], xs[300:], 2, 0)) == {"pca"}
