"""How the tagger is trained: clipping for each copy of a net, and a rule."""

import functools

import jax
import optax

from experiments.training.norm import clipped
from experiments.training.optimizer import common_schedule


def make_optimizer(config) -> optax.GradientTransformation:
    """The norm of each copy's gradient cut to `clip_norm` (0: not), `config.optimizer`'s rule,
    and the output layer's updates scaled by `output_rate`.

    Trees hold one entry for each net, whose arrays are stacked over its copies.
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
    """Updates by net with those of `output` scaled, as Irsoy and Cardie's code does."""
    return {
        name: tree | {"output": jax.tree.map(lambda u: rate * u, tree["output"])}
        for name, tree in updates.items()
    }
