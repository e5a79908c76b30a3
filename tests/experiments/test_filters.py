"""Filters learned from images: tiny runs of the three models, their scores, and wrong flags."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data import cifar10
from data.cifar10 import ColourImages, Whitening
from experiments import filters
from experiments.images import filter_scores, filters_report, maxout, patches
from experiments.images.filter_scores import orientation_counts, pursuit, reconstruction
from experiments.images.linear_codes import principal_components
from nets.gabor import Gabors

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = ("--side=6", "--functions=12", "--iterations=8", "--num_steps=4", "--eval_every=2",
         "--checkpoint_every=2", "--batch_size=6", "--steps_per_call=2")  # fmt: skip
TINY = ("--maps=2", "--units=3", "--num_steps=2", "--eval_every=2", "--checkpoint_every=2",
        "--batch_size=4", "--steps_per_call=2")  # fmt: skip


@pytest.fixture
def command(run_main, monkeypatch):
    monkeypatch.setattr(patches, "TESTED", 60)
    monkeypatch.setattr(patches, "AT_ONCE", 30)
    monkeypatch.setattr(filter_scores, "RECONSTRUCTED", 5)
    return lambda *words: run_main(words, filters.PRESETS, filters.run)


def metrics_of(folder):
    return json.loads((folder / "result.json").read_text())["metrics"]


def test_a_run_learns_functions_and_resumes_with_the_same_figures(
    tmp_path, command, monkeypatch, cut_at
):
    straight, cut = (tmp_path / name for name in ("straight", "cut"))
    status, _, error = command(*SMALL, f"--workdir={straight}")
    assert status == 0, error
    metrics = metrics_of(straight)
    assert {"test_energy", "gabor_percent", "gabor_pca_percent", "gabor_noise_percent",
            "orientation_bins_filled", "dead_functions", "coefficient_kurtosis"} <= {*metrics}
    report = (straight / "report.html").read_text()
    for title in ("Learned functions", "Orientations and frequencies", "Few coefficients"):
        assert title in report
    monkeypatch.setattr(filters_report, "write_patches", lambda *_: None)
    with cut_at(2):
        assert command(*SMALL, f"--workdir={cut}")[0] == 143
    status, out, _ = command(*SMALL, f"--workdir={cut}")
    assert status == 0 and "resuming at step 2" in out
    assert (cut / "metrics.jsonl").read_text() == (straight / "metrics.jsonl").read_text()
    assert metrics_of(cut) == metrics


def test_spike_and_slab_in_bfloat16(tmp_path, command):
    flags = ("--preset=s3c", "--dtype=bfloat16", f"--workdir={tmp_path}")
    status, _, error = command(*SMALL, *flags)
    assert status == 0, error
    assert np.isfinite(metrics_of(tmp_path)["test_nats"])


@pytest.fixture
def few_images(monkeypatch):
    """Noise instead of CIFAR-10, and no whitening, which takes seconds for images of 3,072."""
    images = np.random.default_rng(0).normal(size=(12, 32, 32, 3)).astype(np.float32)
    part = ColourImages(images, np.arange(12, dtype=np.int32) % 10)
    unit = np.eye(3072, dtype=np.float32)
    sets = maxout.Sets(part, part, Whitening(np.zeros(3072, np.float32), unit, unit))
    monkeypatch.setattr(maxout, "load", lambda config: sets)
    monkeypatch.setattr(maxout, "AT_ONCE", 12)


def test_maxout(tmp_path, command, few_images):
    status, _, error = command("--preset=maxout", *TINY, f"--workdir={tmp_path}")
    assert status == 0, error
    metrics = metrics_of(tmp_path)
    assert {"test_error_percent", "chromatic_kernels_percent", "pair_p_value"} <= {*metrics}
    assert "neighbouring pairs" in (tmp_path / "report.html").read_text()


def test_a_sparse_step_lowers_the_energy_and_keeps_the_gains(monkeypatch):
    config = filters.Config(side=4, functions=8, iterations=30, batch_size=16, num_steps=50)
    images = [np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32) * 0.3]
    tested = patches.tested_patches(config, images)
    training = patches.make_training(config, patches.make_coder(config), images, tested)
    xs = jnp.asarray(training.batches(0, 1)[0])
    state, energies = training.state, []
    step = jax.jit(training.step)
    for _ in range(50):
        state, metrics = step(state, xs)
        energies.append(float(metrics["objective"].total))
    assert energies[-1] < 0.9 * energies[0]
    norms = np.linalg.norm(state.params["bases"], axis=1)
    np.testing.assert_allclose(norms, state.variables["norm"], rtol=1e-5)
    assert (norms > 1 / 1.41).all() and (norms < 1.41).all() and int(state.step) == 50


def test_orientations_are_counted_by_hand():
    angles = np.radians([0, 14.9, 15.1, 179.9, 90, 90.5])
    fits = Gabors(np.array([0.9, 0.7, 0.8, 1.0, 0.69, 0.71]), *[np.zeros(6)] * 8)
    counts = orientation_counts(fits._replace(orientation=angles))
    assert counts.tolist() == [2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]


def test_pursuit_takes_what_explains_most():
    rows = np.array([[1, 0, 0], [0, 1, 0], [0.6, 0.8, 0]])
    x = np.array([3.0, 4.0, 1.0])
    assert pursuit(rows, x, 1) == [2]
    np.testing.assert_allclose(reconstruction(rows, x, [2]), [3, 4, 0])
    np.testing.assert_allclose(reconstruction(rows, x, [0]), [3, 0, 0])
    assert sorted(pursuit(rows, x, 9)[:2])[-1] == 2 and len(pursuit(rows, x, 9)) == 3


def test_kurtosis_of_functions_and_of_dead_ones():
    codes = np.array([[1.0, 0, 0], [-1, 0, 0], [1, 0, 0], [-1, 0, 4]])
    np.testing.assert_allclose(filter_scores.kurtoses(codes), [-2, 0, 21 / 9 - 3])
    np.testing.assert_allclose(filter_scores.median_kurtosis(codes), 21 / 9 - 3)


def test_components_are_in_the_order_of_their_variance():
    xs = np.random.default_rng(0).normal(size=(500, 3)) * [1, 3, 2]
    found = np.abs(principal_components(xs, 2).directions)
    np.testing.assert_allclose(found, [[0, 1, 0], [0, 0, 1]], atol=0.1)


def test_colours_and_pairs_by_hand():
    pattern = np.random.default_rng(0).normal(size=(2, 4, 4, 1))
    grey, red_green = pattern * [1.0, 1.0, 1.0], pattern * [1.0, -1.0, 0.0]
    kernels = np.concatenate([grey[:1], grey[:1], red_green[1:], -red_green[1:]])
    chromatic, patterns = maxout.colours(kernels)
    assert chromatic.tolist() == [False, False, True, True]
    own = np.abs([np.corrcoef(patterns[i].ravel(), pattern[i // 2].ravel())[0, 1]
                  for i in range(4)])  # fmt: skip
    np.testing.assert_allclose(own, 1, rtol=1e-6)
    pairs, by_chance = maxout.pair_correlations(kernels, np.random.default_rng(1))
    np.testing.assert_allclose(pairs, 1, rtol=1e-6)
    assert by_chance.max() <= 1 + 1e-9 and by_chance.mean() < 0.9


def test_max_norm_is_kept_after_an_update():
    rule = maxout.max_norm()
    params = {"conv1": {"weights": jnp.full((1, 1, 1, 2), 0.8), "bias": jnp.zeros(2)}}
    updates = jax.tree.map(lambda w: jnp.array([1.0, 0.05]) * jnp.ones_like(w), params)
    found, _ = rule.update(updates, rule.init(params), params)
    after = jax.tree.map(jnp.add, params, found)["conv1"]
    np.testing.assert_allclose(after["weights"].ravel(), [0.9, 0.85], rtol=1e-6)
    np.testing.assert_allclose(after["bias"], [1.0, 0.05], rtol=1e-6)


def test_a_kernel_whose_whitening_is_undone_is_whitened_back():
    side, whole = 8, cifar10.SIDE
    double = Whitening(np.zeros(3072), np.eye(3072) / 2, 2 * np.eye(3072, dtype=np.float32))
    kernels = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    np.testing.assert_allclose(maxout.unwhitened(kernels, double), 2 * kernels, rtol=1e-6)
    assert whole == 32


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--side=64", "--dataset=photographs", "--functions=70000"), "--functions=70000"),
        (("--functions=5000",), "16 for each pixel"),
        (("--dataset=nothing",), "choose one of photographs, olshausen_images"),
        (("--preset=maxout", "--maps=3,x"), "give one to three numbers"),
        (("--preset=maxout", "--dataset=photographs"), "reads cifar10_subset"),
        (("--dataset=cifar10_subset",), "choose one of photographs"),
    ],
)
def test_wrong_flags(tmp_path, command, monkeypatch, flags, message):
    monkeypatch.setattr(cifar10, "load", lambda raw_dir: pytest.fail("read before the flags"))
    status, _, error = command(*flags, f"--workdir={tmp_path}")
    assert status == 2 and message in error
