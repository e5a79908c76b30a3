"""Image classification for the training loop: the loss, the batches and the evaluation."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from data.distortions import distort
from data.images import Images
from experiments.runtime.mesh import evaluation_batches
from experiments.training.batches import drawn_batches
from experiments.training.loop import Ratio, evaluate, unwatched
from nets import lenet
from nets.convnet import ConvNet

EVALUATION_BATCH = 500


def example_loss(config, scores: jax.Array, labels: jax.Array) -> jax.Array:
    """The training loss of each example, [B]."""
    losses = {
        "map": functools.partial(lenet.map_loss, rubbish=config.rubbish),
        "mse": lenet.mse_loss,
        "cross_entropy": lenet.cross_entropy,
    }
    return config.loss_scale * losses[config.loss](scores, labels)


def make_loss(config, net: nn.Module):
    """The loss of a batch of Images, in the form that `experiments.training.loop` expects."""

    def loss(params, variables, carry, batch, key):
        if isinstance(net, ConvNet):
            scores, variables = net.apply(
                {"params": params, **variables}, batch.images, train=True,
                rngs={"dropout": key}, mutable=list(variables),
            )  # fmt: skip
        else:
            scores = net.apply({"params": params}, batch.images)
        each = example_loss(config, scores, batch.labels)
        return each.mean(), (variables, carry, measure(each, scores, batch.labels))

    return loss


def measure(losses: jax.Array, scores: jax.Array, labels: jax.Array, mask=1.0):
    """Sums and counts of loss and errors over the examples where `mask` is 1."""
    wrong = (scores.argmax(-1) != labels) * mask
    count = jnp.broadcast_to(mask, wrong.shape).sum()
    return {
        "loss": Ratio((losses * mask).sum(), count),
        "error": Ratio(wrong.sum(dtype=jnp.float32), count),
    }


def make_batches(config, train_set: Images, mesh):
    """Blocks of Images [steps, B, ...], distorted if `--distortions`."""

    def distorted(images: Images, positions: np.ndarray) -> Images:
        return images._replace(images=distort(images.images, config.seed, positions))

    return drawn_batches(config, train_set, mesh, *([distorted] if config.distortions else []))


def make_predict(net: nn.Module):
    """A compiled function (params, variables, images [B, 28, 28]) -> scores [B, C]."""
    return jax.jit(lambda params, variables, xs: net.apply({"params": params, **variables}, xs))


def make_evaluate(config, predict, splits: dict[str, Images], mesh):
    """A function (state, watch) -> its figures by split; see `experiments.training.loop`."""
    batches = {
        name: evaluation_batches(mesh, images, EVALUATION_BATCH)
        for name, images in splits.items()
    }

    @jax.jit
    def measure_batch(params, variables, batch):
        (images, labels), mask = batch
        scores = predict(params, variables, images)
        return measure(example_loss(config, scores, labels), scores, labels, mask)

    def evaluate_splits(state, watch=unwatched):
        one = functools.partial(measure_batch, state.params, state.variables)
        return {
            name: to_figures(evaluate(one, watch(split, name, len(split))).means())
            for name, split in batches.items()
        }

    return evaluate_splits


def to_figures(means: dict[str, float]) -> dict[str, float]:
    """The means as they are reported: the error in percent."""
    means = dict(means)
    means["error_percent"] = 100 * means.pop("error")
    means.pop("objective", None)
    return means
