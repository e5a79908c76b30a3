"""The front page's picture: what is drawn is what the net computes, and the file is small."""

import numpy as np
import pytest
from PIL import Image

from data import image_sets
from experiments import lenet5
from experiments.results import __main__ as results
from experiments.results import files, picture
from experiments.training.trained_net import saved_run
from nets.lenet import LeNet5


@pytest.fixture
def trained(own_digits, tmp_path, lenet5_command):
    """train(*flags): the folder of a short run of LeNet-5."""

    def train(*flags):
        where = (f"--dataset={own_digits}", f"--workdir={tmp_path / 'run'}")
        assert lenet5_command(*where, "--num_steps=2", *flags)[0] == 0
        return str(tmp_path / "run")

    return train


def test_the_layers_are_those_of_the_net(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "FOLDER", tmp_path)
    workdir = trained()
    assert results.main(["picture", workdir]) == 0
    with Image.open(tmp_path / "lenet5.png") as image:
        assert image.width == 1600
    saved = saved_run(workdir, ("lenet5",))
    image = image_sets.load(saved.config(lenet5.Config).dataset).test.images[0]
    layers, penalties = picture.activations(saved, image)
    shapes = {name: pictures.shape for name, pictures in layers.items()}
    assert shapes == {
        "input": (1, 28, 28), "C1": (6, 28, 28), "S2": (6, 14, 14), "C3": (16, 10, 10),
        "S4": (16, 5, 5), "C5": (1, 12, 10), "F6": (1, 12, 7),
    }  # fmt: skip
    params = lenet5.export_form(saved, None).parameters
    np.testing.assert_allclose(penalties, -LeNet5().apply(params, image[None])[0], rtol=1e-5)


def test_other_nets_are_refused(trained, capfd):
    assert results.main(["picture", trained("--softmax")]) == 2
    assert "the paper's output units" in capfd.readouterr().err


def test_the_committed_picture_is_small():
    assert (files.FOLDER / "lenet5.png").stat().st_size < 100_000
