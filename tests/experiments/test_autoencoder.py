"""Autoencoders: tiny runs of each kind, codes of one's own pictures, and wrong flags."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments import autoencoder
from experiments.images import encode, linear_codes, pretraining
from experiments.images.identity import Behaviour
from nets.autoencoder import Autoencoder

pytestmark = pytest.mark.usefixtures("quick_compilation")

SHORT = ("--num_steps=4", "--eval_every=2", "--checkpoint_every=2", "--steps_per_call=2")
IMAGES = ("--preset=digits", *SHORT, "--batch_size=4", "--hidden=6,2")


@pytest.fixture
def command(run_main, monkeypatch):
    monkeypatch.setattr(linear_codes, "STEPS", 2)
    monkeypatch.setattr(linear_codes, "SWEEPS", 1)
    experiment = (autoencoder.PRESETS, autoencoder.run,
                  {"encode": (encode.DEFAULT, encode.encode)})  # fmt: skip
    return lambda *words: run_main(words, *experiment)


def metrics_of(folder):
    return json.loads((folder / "result.json").read_text())["metrics"]


def test_the_identity_resumes_with_the_same_figures_and_trace(tmp_path, command, cut_at):
    straight, cut = (tmp_path / name for name in ("straight", "cut"))
    words = (*SHORT, "--copies=3")
    status, _, error = command(*words, f"--workdir={straight}")
    assert status == 0, error
    metrics = metrics_of(straight)
    assert 1 <= metrics["train_distinct_codes"] <= 8 and metrics["train_right_percent"] == 0
    assert json.loads((straight / "result.json").read_text())["parameters"] == 59
    page = (straight / "report.html").read_text()
    assert "The hidden values for input 01000000." in page and "8-3-8" in page
    with cut_at(2):
        assert command(*words, f"--workdir={cut}")[0] == 143
    status, out, _ = command(*words, f"--workdir={cut}")
    assert status == 0 and "resuming at step 2" in out
    for name in ("metrics.jsonl", "trace.jsonl"):
        assert (cut / name).read_text() == (straight / name).read_text()
    assert metrics_of(cut) == metrics


@pytest.mark.thorough
def test_mitchell_s_net_learns_the_identity_in_every_copy(tmp_path, command):
    assert command(f"--workdir={tmp_path}", "--eval_every=8000")[0] == 0
    metrics = metrics_of(tmp_path)
    assert metrics["train_right_percent"] == 100
    assert metrics["train_distinct_percent"] > 50 and metrics["train_squared_error"] < 0.12


def test_right_and_distinct_by_hand():
    hidden = jnp.float32([[[0.9, 0.1], [0.6, 0.4], [0.1, 0.9]],
                          [[0.1, 0.1], [0.1, 0.9], [0.9, 0.2]]])  # fmt: skip
    outputs = jnp.stack([jnp.eye(3).at[0, 1].set(0.6), 0.8 * jnp.eye(3) + 0.1])
    found = Behaviour(hidden, outputs)
    assert found.distinct().tolist() == [2, 3]  # 10, 10, 01 and 00, 01, 10
    assert found.right().tolist() == [False, True]
    np.testing.assert_allclose(found.errors(), [[0, 0.36, 0], [0.03, 0.03, 0.03]], atol=1e-6)


def test_layers_are_pre_trained_and_resumed_and_own_pictures_encoded(
    tmp_path, command, cut_at, own_digits
):
    words = (*IMAGES, f"--dataset={own_digits}", "--pretraining=rbm", "--pretraining_passes=1",
             "--batch_size=6", f"--workdir={tmp_path / 'run'}")  # fmt: skip
    with cut_at(2):  # while the first layer is trained
        assert command(*words)[0] == 143
    status, out, error = command(*words)
    assert status == 0, error
    assert "layer 1 of 2" in out and "resuming at step 2 of 4" in out
    assert (tmp_path / "run" / "pretraining" / "2" / "metrics.jsonl").exists()
    metrics = metrics_of(tmp_path / "run")
    assert {"test_squared_error", "test_squared_error_of_pca"} <= {*metrics}
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Map of codes" in page and "logistic PCA, best codes" in page
    (tmp_path / "mine").mkdir()
    for n in range(3):
        Image.fromarray(np.diag(np.full(9, 80 * n + 90)).astype(np.uint8)).save(
            tmp_path / "mine" / f"{n}.png")  # fmt: skip
    for name in ("codes.csv", "codes.npy"):
        status, out, error = command("encode", f"--workdir={tmp_path / 'run'}",
                                     f"--pictures={tmp_path / 'mine'}",
                                     f"--out={tmp_path / name}")  # fmt: skip
        assert status == 0 and "3 codes of 2 numbers" in out, error
    codes = np.load(tmp_path / "codes.npy", allow_pickle=False)
    first, *lines = (tmp_path / "codes.csv").read_text().splitlines()
    assert first == "picture,1,2" and [line.partition(",")[0] for line in lines] == [
        "0.png", "1.png", "2.png"]  # fmt: skip
    written = [[float(x) for x in line.split(",")[1:]] for line in lines]
    np.testing.assert_allclose(written, codes, rtol=1e-6)
    assert codes.shape == (3, 2) and np.ptp(codes, 0).all()


def test_pre_training_makes_the_first_parameters(tmp_path, command, monkeypatch, own_digits):
    """Denoising layers, and filters of nets with other shares beside."""
    given = []
    made = pretraining.UNROLLED["denoising"]
    monkeypatch.setitem(pretraining.UNROLLED, "denoising",
                        lambda nets: given.append(nets) or made(nets))  # fmt: skip
    status, _, error = command(
        *IMAGES, f"--dataset={own_digits}", "--pretraining=denoising", "--pretraining_passes=1",
        "--batch_size=6", "--corruption=salt_and_pepper", "--beside=0", f"--workdir={tmp_path}",
    )  # fmt: skip
    assert status == 0, error
    assert len(given) == 2  # the net's layers, and those of the net beside
    assert "A plain net." in (tmp_path / "report.html").read_text()
    like = jax.eval_shape(Autoencoder((784, 6, 2)).init, jax.random.key(0))
    assert jax.tree.map(np.shape, made(given[0])) == jax.tree.map(lambda leaf: leaf.shape, like)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hidden=3,x"], "--hidden=3,x: give whole numbers"),
        (["--pretraining=rbm"], "--pretraining is for images"),
        (["--hidden=0"], "--hidden=0: give whole numbers"),
        (["--dataset=digit"], "choose identity, digits, mnist, or a folder's path"),
        ([*IMAGES, "--unit=relu", "--pretraining=rbm"], "pre-trained with --unit=logistic"),
        ([*IMAGES, "--beside=0,2", "--corruption=masking"], "--beside=0,2: give shares from 0"),
        ([*IMAGES, "--beside=0"], "give --corruption, too"),
        (["encode"], "--pictures must name a picture file"),
        (["encode", "--pictures=nowhere"], "--pictures=nowhere: there is no picture"),
        (["encode", "--pictures=nowhere", "--out=x.txt"], "--out=x.txt: name a file that ends in"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, command, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    status, _, error = command(*words)
    assert status == 2 and message in error and error.count("\n") == 1
    assert not list(tmp_path.rglob("checkpoints"))  # told before any training


def test_a_run_without_pictures_encodes_none(tmp_path, command):
    Image.fromarray(np.eye(9, dtype=np.uint8) * 255).save(tmp_path / "a.png")
    assert command(*SHORT, "--copies=1", f"--workdir={tmp_path / 'run'}")[0] == 0
    status, _, error = command("encode", f"--workdir={tmp_path / 'run'}",
                               f"--pictures={tmp_path / 'a.png'}")  # fmt: skip
    assert status == 2 and "is a run on the identity" in error
