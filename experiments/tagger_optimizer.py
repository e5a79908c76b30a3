"""How the tagger is trained: clipping for each copy of a net, and a rule."""

import jax
import jax.numpy as jnp
import optax

from experiments.schedules import common_schedule


def make_optimizer(config) -> optax.GradientTransformation:
    """The norm of each copy's gradient cut to `clip_norm` (0: not), `config.optimizer`'s rule,
    and the output layer's updates scaled by `output_rate`."""
    schedule = common_schedule(config)
    rules = {
        "sgd": lambda: optax.sgd(schedule, momentum=config.momentum),
        "adam": lambda: optax.adam(schedule),
    }
    parts = [optax.stateless(lambda grads, _: clipped(grads, config.clip_norm))]
    parts.append(rules[config.optimizer]())
    if config.output_rate != 1.0:
        parts.append(optax.stateless(lambda updates, _: slower_output(updates, config.output_rate)))
    return optax.chain(*(parts if config.clip_norm else parts[1:]))


def clipped(grads, limit: float):
    """Gradients by net, stacked over copies, each copy's norm at most `limit`."""

    def one(grads):
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(grads)))
        return jax.tree.map(lambda g: g * jnp.minimum(1.0, limit / (norm + 1e-12)), grads)

    return {name: jax.vmap(one)(stacked) for name, stacked in grads.items()}


def slower_output(updates, rate: float):
    """Updates by net with those of `output` scaled, as Irsoy and Cardie's code does."""
    return {
        name: tree | {"output": jax.tree.map(lambda u: rate * u, tree["output"])}
        for name, tree in updates.items()
    }
