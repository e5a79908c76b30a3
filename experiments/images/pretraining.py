"""The layers of an autoencoder pre-trained one on top of the other, each as a run of its own.

A layer learns from what the layers below make of the training images. It is a restricted Boltzmann
machine (Hinton and Salakhutdinov 2006), or an autoencoder with a single hidden layer and corrupted
input (Vincent et al. 2010). A run lies in the folder `pretraining/1` and so on of the whole run's,
and resumes by itself.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from data.errors import UserError
from data.images import ImageSets
from experiments.images.reconstruction import CORRUPTIONS, EVALUATION_BATCH, pixels
from experiments.runtime.mesh import evaluation_batches, mesh_for, placed
from experiments.runtime.workdir import Workdir
from experiments.runtime.xla import call_once
from experiments.training.batches import drawn_batches
from experiments.training.loop import Loss, Ratio, evaluate, init_state, make_step
from experiments.training.run import train
from nets.autoencoder import Autoencoder, cross_entropy, squared_error
from nets.rbm import RBM, unrolled

MOMENTUM, LATE_MOMENTUM, EARLY_PASSES = 0.5, 0.9, 5
WEIGHT_COST = 2e-4
EVALUATIONS = 10  # of each layer


class Inputs(NamedTuple):
    """What a layer learns from."""

    xs: np.ndarray  # float32 [N, D]


class Layer(NamedTuple):
    """How one layer is trained."""

    init: Callable[[jax.Array], Any]
    loss: Loss
    optimizer: optax.GradientTransformation
    error: Callable[[Any, jax.Array], jax.Array]  # squared, of inputs [B, D] given back: [B]
    upwards: Callable[[Any, jax.Array], jax.Array]  # inputs [B, D] to the next layer's [B, H]


def pretrained(config, workdir: Workdir, model: Autoencoder, sets: ImageSets, key: jax.Array):
    """The parameters of `model`, all of its layers pre-trained.

    Raises:
      UserError: the hidden units are not logistic, so that no layer could learn from the one below.
    """
    if config.unit != "logistic":
        raise UserError(f"--unit={config.unit}: layers are pre-trained with --unit=logistic.")
    train_inputs, test_inputs = (pixels(part.images) for part in (sets.train, sets.test))
    pairs, found = list(zip(model.sizes, model.sizes[1:], strict=False)), []
    for n, (inputs, outputs) in enumerate(pairs, 1):
        unit = model.code if n == len(pairs) else model.unit
        steps_in_a_pass = -(-len(train_inputs) // config.batch_size)
        layer = LAYERS[config.pretraining](config, inputs, outputs, unit, steps_in_a_pass)
        folder = Workdir(f"{workdir.path}/pretraining/{n}")
        params = trained_layer(
            config, folder, layer, steps_in_a_pass, train_inputs, test_inputs,
            f"layer {n} of {len(pairs)}", jax.random.fold_in(key, n),
        )  # fmt: skip
        found.append(params)
        if n < len(pairs):
            train_inputs, test_inputs = (
                upwards(layer, params, xs) for xs in (train_inputs, test_inputs)
            )
    return UNROLLED[config.pretraining](found)


def trained_layer(config, workdir, layer: Layer, steps_in_a_pass: int, train_inputs, test_inputs,
                  name: str, key: jax.Array):  # fmt: skip
    """The parameters of a layer after `--pretraining_passes`."""
    steps = config.pretraining_passes * steps_in_a_pass
    every = max(1, steps // EVALUATIONS)
    config = dataclasses.replace(config, num_steps=steps, eval_every=every, checkpoint_every=every,
                                 keep="last", patience=0)  # fmt: skip
    key_params, key_steps = jax.random.split(key)
    mesh = mesh_for(config.batch_size)
    state = init_state(call_once(layer.init, key_params), layer.optimizer)
    cuts = evaluation_batches(mesh, Inputs(test_inputs), EVALUATION_BATCH)

    @jax.jit
    def measured(params, batch, mask):
        return {"error": Ratio((layer.error(params, batch.xs) * mask).sum(), mask.sum())}

    def evaluated(state, watch):
        means = evaluate(lambda cut: measured(state.params, *cut), watch(cuts, "test")).means()
        return {"test": {"squared_error": means["error"]}}

    trained = train(
        config, workdir, placed(mesh, state),
        make_step(layer.loss, layer.optimizer, key_steps, dtype=config.dtype),
        drawn_batches(config, Inputs(train_inputs), mesh), evaluated,
        lambda means: {"squared_error": means["error"]},
        data=f"{name}, {train_inputs.shape[1]} inputs", unit="examples",
    )  # fmt: skip
    return trained.net.params


def upwards(layer: Layer, params, xs: np.ndarray) -> np.ndarray:
    """What the next layer learns from, for inputs [N, D]: float32 [N, H]."""
    up = jax.jit(layer.upwards)
    parts = [up(params, xs[first : first + 5000]) for first in range(0, len(xs), 5000)]
    return np.concatenate([np.asarray(part) for part in parts])


def rbm_layer(config, inputs: int, outputs: int, unit: str, steps_in_a_pass: int) -> Layer:
    """A restricted Boltzmann machine, trained by CD-1."""
    machine = RBM(inputs, outputs, gaussian=unit == "linear")

    def loss(params, variables, carry, batch, key):
        contrast, errors = machine.contrast(params, batch.xs, key)
        cost = WEIGHT_COST / 2 * jnp.square(params["weights"]).sum()
        metrics = {"error": Ratio(errors.sum(), jnp.float32(errors.size))}
        return contrast.mean() + cost, (variables, carry, metrics)

    def error(params, xs):
        again = machine.visible_mean(params, machine.hidden_mean(params, xs))
        return jnp.square(again - xs).sum(-1)

    rate = config.code_rate if machine.gaussian else config.rbm_rate
    return Layer(machine.init, loss, momentum_rule(rate, steps_in_a_pass), error,
                 machine.hidden_mean)  # fmt: skip


def momentum_rule(rate: float, steps_in_a_pass: int) -> optax.GradientTransformation:
    """Gradient descent whose momentum rises after the first passes."""

    def momentum(step):
        return jnp.where(step < EARLY_PASSES * steps_in_a_pass, MOMENTUM, LATE_MOMENTUM)

    return optax.inject_hyperparams(optax.sgd)(learning_rate=rate, momentum=momentum)


def denoising_layer(config, inputs: int, outputs: int, unit: str, steps_in_a_pass: int) -> Layer:
    """An autoencoder with one hidden layer, whose input is corrupted."""
    net = Autoencoder((inputs, outputs), config.unit, unit)
    corrupt = CORRUPTIONS[config.corruption]

    def loss(params, variables, carry, batch, key):
        logits = net.logits(params, corrupt(key, batch.xs, config.corrupted))
        errors = squared_error(logits, batch.xs)
        metrics = {"error": Ratio(errors.sum(), jnp.float32(errors.size))}
        return cross_entropy(logits, batch.xs).mean(), (variables, carry, metrics)

    def error(params, xs):
        return squared_error(net.logits(params, xs), xs)

    return Layer(net.init, loss, optax.adam(config.learning_rate), error, net.encode)


def stacked(nets):
    """The parameters of a deep autoencoder from those of autoencoders with one hidden layer."""
    encoder = tuple(params["encoder"][0] for params in nets)
    return {"encoder": encoder, "decoder": tuple(params["decoder"][0] for params in nets[::-1])}


LAYERS = {"rbm": rbm_layer, "denoising": denoising_layer}
UNROLLED = {"rbm": unrolled, "denoising": stacked}
