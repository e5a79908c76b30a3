"""The initial parameters of a model, drawn as `--init` says."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from experiments.runtime.options import Shared, option
from experiments.runtime.xla import call_once


@dataclasses.dataclass(frozen=True, kw_only=True)
class InitOptions(Shared):
    """How the initial parameters are drawn."""

    heading = "Initial parameters"

    init: str = option("default", "initial weights: default (orthogonal and LeCun's), normal "
                       "(biases 0), uniform (biases too)",
                       choices=("default", "normal", "uniform"))
    init_scale: float = option(0.08, "normal: standard deviation; uniform: limit", least=0.0)


def first_parameters(config: InitOptions, model, seed: int) -> Any:
    """The initial parameters, drawn as `--init` says."""
    params = call_once(model.init, jax.random.key(seed))
    if config.init == "default":
        return params
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1), len(leaves))
    drawn = [_drawn(config, *pair) for pair in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, drawn)


def _drawn(config, key, leaf):
    bias = leaf.ndim == 1  # keeps its default: 0, or the forget bias
    if config.init == "normal":
        return leaf if bias else config.init_scale * jax.random.normal(key, leaf.shape)
    limit = config.init_scale
    noise = jax.random.uniform(key, leaf.shape, jnp.float32, -limit, limit)
    return leaf + noise if bias else noise
