"""The optimiser of a tagger: gradient clipping by copy, and an update rule."""

import functools

import jax
import optax

from experiments.training.norm import clipped
from experiments.training.optimizer import common_schedule


def make_optimizer(config) -> optax.GradientTransformation:
    """Clips each copy's gradient to the norm `clip_norm` (0: no clipping), applies the update rule
    `config.optimizer`, and scales the updates of the output layer by `output_rate`.

    The trees have one entry per net, with arrays stacked over its copies.
    """
    schedule = common_schedule(config)
    rules = {
        "sgd": lambda: optax.sgd(schedule, momentum=config.momentum),
        "adam": lambda: optax.adam(schedule),
    }
    clip = jax.vmap(functools.partial(clipped, limit=config.clip_norm))
    parts = [optax.stateless(lambda grads, _: {name: clip(net) for name, net in grads.items()})]
    parts.append(rules[config.optimizer]())
    if config.output_rate != 1.0:
        parts.append(optax.stateless(lambda updates, _: slower_output(updates, config.output_rate)))
    return optax.chain(*(parts if config.clip_norm else parts[1:]))


def slower_output(updates, rate: float):
    """The updates with those of `output` scaled, as in Irsoy and Cardie's code."""
    return {
        name: tree | {"output": jax.tree.map(lambda u: rate * u, tree["output"])}
        for name, tree in updates.items()
    }
