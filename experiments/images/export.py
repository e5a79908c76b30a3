"""The exported form of an image classifier."""

import sys

import flax.linen as nn
import jax
import numpy as np

from data import image_folder, mnist
from data.errors import UserError
from experiments.training.export_form import KEY, Form, Size
from experiments.training.trained_net import SavedRun


def image_form(saved: SavedRun, net: nn.Module, classes: list[str]) -> Form:
    """Images uint8 [B, 28, 28] to scores [B, C]."""
    shapes = jax.eval_shape(net.init, KEY, jax.ShapeDtypeStruct((1, 28, 28), np.uint8))
    prefixes = {name: f".variables['{name}']" for name in shapes} | {"params": ".params"}
    return Form(
        lambda variables, inputs: {"scores": net.apply(variables, inputs["images"])},
        {name: saved.checkpoint.tree(tree, prefixes[name]) for name, tree in shapes.items()},
        {"images": Size("uint8", "batch, 28, 28")},
        {"classes": classes, "note": "images: 0 is background, 255 is full ink; the class with "
         "the highest score is the prediction"},
    )  # fmt: skip


def class_names(saved: SavedRun, config) -> list[str]:
    """The names of the classes, or their numbers if the user's own folder of images is gone."""
    if config.dataset in ("digits", "mnist"):
        return list(mnist.CLASSES)
    try:
        return list(image_folder.load(config.dataset).classes)
    except UserError as error:
        biases = [a for name, a in saved.checkpoint.arrays.items()
                  if name.startswith(".params") and name.endswith("['bias']")]  # fmt: skip
        print(f"The classes are numbered instead of named: {error}", file=sys.stderr)
        softmax = config.net != "lenet5" or config.softmax
        return [str(n) for n in range(len(biases[-1]) if softmax else 10)]
