"""A convolutional maxout net on colour images, for the training loop, and its first layer."""

from typing import NamedTuple

import jax
import numpy as np
import optax

from data import cifar10
from data.cifar10 import ColourImages, Whitening
from data.errors import UserError
from experiments.images.filter_scores import Dictionary, gabor_figures
from experiments.images.patches import Training
from experiments.runtime.mesh import evaluation_batches, mesh_for, placed
from experiments.runtime.options import whole_numbers
from experiments.runtime.xla import call_once
from experiments.training.batches import drawn_batches
from experiments.training.export_form import FLOATS, KEY, Form, Size
from experiments.training.loop import Ratio, evaluate, init_state, make_step
from experiments.training.optimizer import common_schedule
from experiments.training.trained_net import SavedRun
from nets.gabor import fit_gabors
from nets.maxout import Convolution, Maxout, within_norm

# Kernel, padding, pool and stride of the paper's three layers, and the limits of their norms.
LAYERS = ((8, 4, 4, 2), (8, 3, 4, 2), (5, 3, 2, 2))
NORMS = {"conv1": 0.9, "conv2": 1.9365, "conv3": 1.9365, "dense": 1.9, "output": 1.9365}
CONVOLUTION_RATE = 0.05  # of the learning rate, with the paper's rule
LAST_RATE = 0.01  # of the learning rate, with the paper's rule
MOMENTUM = 0.5  # which rises to 0.6 in the paper
AT_ONCE = 100
PERMUTATIONS = 10_000


class Sets(NamedTuple):
    """Whitened images [N, 32, 32, 3] with their labels."""

    train: ColourImages
    test: ColourImages
    whitening: Whitening


class KernelScores(NamedTuple):
    """What is known of the first layer's kernels, in pixels: the whitening is undone."""

    figures: dict[str, float]
    kernels: np.ndarray  # [2 * maps, side, side, 3]
    grey: Dictionary  # along each kernel's main colour
    chromatic: np.ndarray  # bool [2 * maps]
    correlations: np.ndarray  # |r| of the two kernels of each map
    by_chance: np.ndarray  # means of |r| over random pairs


def load(config) -> Sets:
    """The images, contrast-normalised and whitened by the training images' covariance."""
    if config.dataset != "cifar10_subset":
        raise UserError(f"--dataset={config.dataset}: --model=maxout reads cifar10_subset.")
    parts = cifar10.load(config.raw_dir or None)
    flat = {split: cifar10.contrast_normalised(part.images) for split, part in parts.items()}
    whitening = cifar10.zca(flat["train"])

    def whitened(split):
        xs = (flat[split] - whitening.mean) @ whitening.matrix
        return ColourImages(xs.reshape(parts[split].images.shape), parts[split].labels)

    return Sets(whitened("train"), whitened("test"), whitening)


def make_net(config) -> Maxout:
    """The architecture; raises UserError if `--maps` does not name one to three layers."""
    advice = "give one to three numbers, such as 32,32"
    maps = whole_numbers("maps", config.maps, advice)
    if not 1 <= len(maps) <= len(LAYERS):
        raise UserError(f"--maps={config.maps}: {advice}.")
    layers = tuple(Convolution(m, *sizes) for m, sizes in zip(maps, LAYERS, strict=False))
    return Maxout(layers, config.units, len(cifar10.CLASSES), scale=config.first_weights)


def first_parameters(net: Maxout, key: jax.Array):
    """The net's first parameters for CIFAR-10's images."""
    return net.init(key, cifar10.SIDE, 3)


def make_optimizer(config) -> optax.GradientTransformation:
    """Adam, or the paper's rule; then the limits of the norms."""
    if config.optimizer == "adam":
        return optax.chain(optax.adam(common_schedule(config)), max_norm())
    schedule = optax.linear_schedule(
        config.learning_rate, LAST_RATE * config.learning_rate, round(config.num_steps * 500 / 785)
    )
    return optax.chain(slower_convolutions(), optax.sgd(schedule, MOMENTUM), max_norm())


def slower_convolutions() -> optax.GradientTransformation:
    """Gradients of the convolutional layers times CONVOLUTION_RATE."""

    return optax.masked(
        optax.scale(CONVOLUTION_RATE), lambda layers: {name: "conv" in name for name in layers}
    )


def max_norm() -> optax.GradientTransformation:
    """Updates after which no unit's weights exceed the norms of the paper."""

    def limited(updates, params):
        return {
            name: layer | {"weights": within_norm(
                params[name]["weights"] + layer["weights"], NORMS[name]
            ) - params[name]["weights"]}
            for name, layer in updates.items()
        }  # fmt: skip

    return optax.stateless(limited)


def make_training(config, net: Maxout, sets: Sets) -> Training:
    """The state, the step, batches and evaluation."""
    mesh, optimizer = mesh_for(config.batch_size), make_optimizer(config)
    key_params, key_steps = jax.random.split(jax.random.key(config.seed))
    params = call_once(lambda key: first_parameters(net, key), key_params)

    def loss(params, variables, carry, batch, key):
        losses, metrics = measured(net.logits(params, batch.images, key), batch.labels)
        return losses.mean(), (variables, carry, metrics)

    @jax.jit
    def measure(params, cut):
        (images, labels), mask = cut
        return measured(net.logits(params, images), labels, mask)[1]

    cuts = evaluation_batches(mesh, sets.test, AT_ONCE)

    def evaluated(state, watch):
        totals = evaluate(lambda cut: measure(state.params, cut), watch(cuts, "test"))
        return {"test": to_figures(totals.means())}

    return Training(
        placed(mesh, init_state(params, optimizer)),
        make_step(loss, optimizer, key_steps, dtype=config.dtype),
        drawn_batches(config, sets.train, mesh), evaluated, to_figures,
    )  # fmt: skip


def measured(logits: jax.Array, labels: jax.Array, mask=1.0):
    """The cross-entropy of each image [B], and sums where the mask is 1."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    wrong, count = (logits.argmax(-1) != labels) * mask, (mask + 0 * losses).sum()
    return losses, {"loss": Ratio((losses * mask).sum(), count), "wrong": Ratio(wrong.sum(), count)}


def to_figures(means) -> dict[str, float]:
    """Loss and error rate."""
    return {"loss": means["loss"], "error_percent": 100 * means["wrong"]}


def kernel_scores(config, params, whitening: Whitening) -> KernelScores:
    """The first layer's kernels as pixels, their colours and shapes, and how alike pairs are."""
    kernels = unwhitened(np.moveaxis(np.asarray(params["conv1"]["weights"]), -1, 0), whitening)
    chromatic, patterns = colours(kernels)
    grey = Dictionary("kernels", patterns, fit_gabors(patterns))
    own, by_chance = pair_correlations(kernels, np.random.default_rng([config.seed, 0, 2]))
    figures = gabor_figures(grey.fits) | {
        "chromatic_kernels_percent": 100 * float(chromatic.mean()),
        "pair_correlation": float(own.mean()),
        "random_pair_correlation": float(by_chance.mean()),
        "pair_p_value": float((1 + (by_chance >= own.mean()).sum()) / (1 + len(by_chance))),
        "dead_kernels": float((np.abs(kernels).max((1, 2, 3)) < 1e-6).sum()),
    }
    return KernelScores(figures, kernels, grey, chromatic, own, by_chance)


def unwhitened(kernels: np.ndarray, whitening: Whitening) -> np.ndarray:
    """Kernels [N, side, side, 3] that see whitened images, as the pixels they stand for.

    Each is put into the middle of an image, whose whitening is undone, and cut out again.
    """
    side = kernels.shape[1]
    cut = slice((cifar10.SIDE - side) // 2, (cifar10.SIDE + side) // 2)
    images = np.zeros((len(kernels), cifar10.SIDE, cifar10.SIDE, 3), np.float32)
    images[:, cut, cut] = kernels
    pixels = images.reshape(len(kernels), -1) @ whitening.inverse
    return pixels.reshape(images.shape)[:, cut, cut]


def colours(kernels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which kernels are chromatic, and the pattern of each along its main colour.

    A kernel is chromatic if less than half of its squared weights lie along grey; its main colour
    is the first principal axis of its pixels in the space of red, green and blue.
    """
    pixels = kernels.reshape(len(kernels), -1, 3)
    along_grey = (pixels.sum(2) ** 2).sum(1) / 3
    _, _, axes = np.linalg.svd(pixels, full_matrices=False)
    patterns = np.einsum("npc,nc->np", pixels, axes[:, 0]).reshape(kernels.shape[:3])
    return along_grey < (pixels**2).sum((1, 2)) / 2, patterns


def pair_correlations(
    kernels: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """|r| of kernels 2i and 2i + 1, and its mean for random pairings of all kernels."""
    table = np.abs(np.nan_to_num(np.corrcoef(kernels.reshape(len(kernels), -1))))
    order = np.arange(len(kernels))
    shuffled = generator.permuted(np.tile(order, (PERMUTATIONS, 1)), axis=1)
    return table[order[::2], order[1::2]], table[shuffled[:, ::2], shuffled[:, 1::2]].mean(1)


def export_form(saved: SavedRun, config) -> Form:
    """The exported form: from whitened images to logits."""
    net = make_net(config)
    return Form(
        lambda params, inputs: {"logits": net.logits(params, inputs["images"])},
        saved.parameters(jax.eval_shape(lambda key: first_parameters(net, key), KEY)),
        {"images": Size(FLOATS, f"batch, {cifar10.SIDE}, {cifar10.SIDE}, 3")},
        {"classes": list(cifar10.CLASSES), "note": "images after contrast normalisation and "
         "whitening (data/cifar10.py)"},
    )  # fmt: skip
