"""Autoencoders of images for the training loop: the net, the loss and the evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from data.errors import UserError
from data.images import SIDE, Images
from experiments.runtime.mesh import evaluation_batches
from experiments.runtime.options import whole_numbers
from experiments.training.loop import Ratio, evaluate, unwatched
from experiments.training.optimizer import common_schedule
from nets.autoencoder import Autoencoder, cross_entropy, mask, salt_and_pepper, squared_error

EVALUATION_BATCH = 500
LOSSES = {
    "squared": lambda logits, xs: squared_error(logits, xs) / 2,
    "cross_entropy": cross_entropy,
}
CORRUPTIONS = {
    "none": lambda key, xs, share: xs, "masking": mask, "salt_and_pepper": salt_and_pepper,
}  # fmt: skip


def make_model(config) -> Autoencoder:
    """The net of `--hidden`; raises UserError."""
    advice = ("give whole numbers with commas, from the first hidden layer to the code, such as "
              "1000,500,250,30")  # fmt: skip
    units = whole_numbers("hidden", config.hidden, advice)
    if not units:
        raise UserError(f"--hidden={config.hidden}: {advice}.")
    inputs = config.inputs if config.dataset == "identity" else SIDE * SIDE
    return Autoencoder((inputs, *units), config.unit, config.code)


def make_optimizer(config) -> optax.GradientTransformation:
    """Gradient descent with `--momentum`, or Adam."""
    schedule = common_schedule(config)
    if config.optimizer == "adam":
        return optax.adam(schedule)
    return optax.sgd(schedule, config.momentum or None)


def pixels(images):
    """Images uint8 [N, 28, 28] as vectors float32 [N, 784] from 0 to 1."""
    numbers = jnp if isinstance(images, jax.Array) else np
    return images.reshape(-1, SIDE * SIDE).astype(numbers.float32) / numbers.float32(255)


def make_loss(config, model: Autoencoder):
    """The loss of a batch of Images, in the form that `experiments.training.loop` expects.

    The input alone is corrupted: what it is compared with is the image itself.
    """
    corrupt = CORRUPTIONS[config.corruption]

    def loss(params, variables, carry, batch, key):
        xs = pixels(batch.images)
        logits = model.logits(params, corrupt(key, xs, config.corrupted))
        value = LOSSES[config.loss](logits, xs).mean()
        return value, (variables, carry, measure(logits, xs, jnp.ones(len(xs))))

    return loss


def measure(logits: jax.Array, xs: jax.Array, mask: jax.Array) -> dict[str, Ratio]:
    """Sums and counts of the figures over the images where `mask` [B] is 1."""
    figures = {"squared_error": squared_error, "cross_entropy": cross_entropy}
    return {name: Ratio((figure(logits, xs) * mask).sum(), mask.sum())
            for name, figure in figures.items()}  # fmt: skip


def make_evaluate(model: Autoencoder, splits: dict[str, Images], mesh):
    """A function (state, watch) -> its figures by split; see `experiments.training.loop`."""
    batches = {name: evaluation_batches(mesh, part, EVALUATION_BATCH)
               for name, part in splits.items()}  # fmt: skip

    @jax.jit
    def measured(params, batch, mask):
        xs = pixels(batch.images)
        return measure(model.logits(params, xs), xs, mask)

    def evaluated(state, watch=unwatched):
        return {
            name: to_figures(evaluate(lambda cut: measured(state.params, *cut),
                                      watch(cuts, name)).means())
            for name, cuts in batches.items()
        }  # fmt: skip

    return evaluated


def to_figures(means: dict[str, float]) -> dict[str, float]:
    """The means that are reported: squared error and cross-entropy (nats) of an image."""
    return {name: means[name] for name in ("squared_error", "cross_entropy")}
