"""From the options of the character RNN to its net and its first parameters."""

import jax
import jax.numpy as jnp

from experiments.cell_options import make_cell
from nets.language_model import LanguageModel


def make_model(config, symbols: int) -> LanguageModel:
    """The net: `layers` cells of `hidden` units over an alphabet of so many symbols."""
    cells = (make_cell(config),) * config.layers
    return LanguageModel(cells, symbols, config.embedding, config.dropout)


def first_parameters(config, model: LanguageModel, seed: int):
    """The parameters as `--init` wants them drawn."""
    params = jax.jit(model.init)(jax.random.key(seed))
    if config.init == "default":
        return params
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1), len(leaves))
    drawn = [_drawn(config, *pair) for pair in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, drawn)


def _drawn(config, key, leaf):
    bias = leaf.ndim == 1  # keeps what it begins with: 0, or the forget bias
    if config.init == "normal":
        return leaf if bias else config.init_scale * jax.random.normal(key, leaf.shape)
    limit = config.init_scale
    noise = jax.random.uniform(key, leaf.shape, jnp.float32, -limit, limit)
    return leaf + noise if bias else noise
