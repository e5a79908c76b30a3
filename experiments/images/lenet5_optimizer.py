"""LeNet-5's optimiser and learning rate schedule: the paper's, or common ones."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from data.errors import UserError
from data.images import Images
from experiments.images.classification import example_loss
from experiments.images.sdlm import gauss_newton_diagonal, stochastic_diagonal_levenberg_marquardt
from experiments.training.optimizer import common_schedule
from nets import lenet
from nets.differentiation import CURVATURE


def make_schedule(config, steps_per_pass: int) -> optax.Schedule:
    """The learning rate as a function of the step."""
    if config.schedule != "paper":
        return common_schedule(config)
    # 0.0005 for two passes, 0.0002 for three, 0.0001 for three, 0.00005 for four, then 0.00001.
    factors = {2: 0.4, 5: 0.5, 8: 0.5, 12: 0.2}
    return optax.piecewise_constant_schedule(
        config.learning_rate, {n * steps_per_pass: factor for n, factor in factors.items()}
    )


def make_optimizer(config, net: nn.Module, train_set: Images):
    """The paper's optimiser, or a common one."""
    steps_per_pass = -(-len(train_set.labels) // config.batch_size)
    schedule = make_schedule(config, steps_per_pass)
    if config.optimizer == "adam":
        return optax.adam(schedule)
    if config.optimizer == "sgd":
        return optax.sgd(schedule)
    if not isinstance(net, lenet.LeNet5):
        raise UserError("--optimizer=sdlm needs --net=lenet5, the one with second derivatives.")
    estimate = make_curvature_estimate(config, net, train_set)
    return stochastic_diagonal_levenberg_marquardt(schedule, estimate, steps_per_pass, config.mu)


def make_curvature_estimate(config, net: lenet.LeNet5, train_set: Images):
    """A function (params, n) -> the n-th estimate of h, each from its own random examples."""
    images, labels = jnp.asarray(train_set.images), jnp.asarray(train_set.labels)
    curvature_net = net.clone(rule=CURVATURE)

    def loss(state, label):
        return example_loss(config, net.apply({}, state[None], method="scores"), label[None])[0]

    def estimate(params, number):
        key = jax.random.fold_in(jax.random.key(config.seed + 1), number)
        drawn = jax.random.randint(key, (config.curvature_examples,), 0, len(labels))

        def outputs(params):
            return curvature_net.apply({"params": params}, images[drawn], method="state")

        return gauss_newton_diagonal(outputs, loss, params, labels[drawn])

    return estimate
