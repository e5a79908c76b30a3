"""Sparse coding and spike-and-slab sparse coding of image patches, for the training loop."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from data.errors import UserError
from data.natural_images import patches
from experiments.runtime.mesh import evaluation_batches, mesh_for, placed
from experiments.runtime.xla import call_once
from experiments.training.batches import Batches, generated_batches
from experiments.training.loop import (
    Ratio,
    Step,
    TrainState,
    Tree,
    evaluate,
    init_state,
    make_step,
)
from experiments.training.norm import norm
from experiments.training.optimizer import common_schedule
from experiments.training.precision import in_precision
from nets import sparse_coding, spike_slab
from nets.sparse_coding import Gain

TESTED, AT_ONCE = 5000, 1000  # patches that a net is tested on
USED = 0.5  # a spike's probability, above which its function counts as active


class Coder(NamedTuple):
    """A model of patches: parameters -> functions [N, P], and (parameters, patches) -> codes."""

    init: Callable[[jax.Array], Tree]  # of a key
    bases: Callable[[Tree], jax.Array]
    codes: Callable[[Tree, jax.Array], tuple[jax.Array, jax.Array]]  # and which are active, [B, N]
    objective: Callable[[Tree, jax.Array], jax.Array]  # of each patch [B]
    name: str  # of the objective


class Training(NamedTuple):
    """What the training loop is given."""

    state: TrainState
    step: Step
    batches: Batches
    evaluated: Callable[..., dict]
    to_figures: Callable[[dict], dict]


def make_coder(config) -> Coder:
    """Sparse coding, or S3C for `--model=s3c`."""
    return (_spike_slab_coder if config.model == "s3c" else _sparse_coder)(config)


def _sparse_coder(config) -> Coder:
    pixels = config.side**2

    def codes(params, xs):
        found = sparse_coding.fista(params["bases"], xs, config.penalty, config.iterations)
        return found, found != 0

    def objective(params, xs):
        return sparse_coding.energy(params["bases"], xs, codes(params, xs)[0], config.penalty)

    return Coder(
        lambda key: {"bases": sparse_coding.init_bases(key, config.functions, pixels)},
        lambda params: params["bases"], codes, objective, "energy",
    )  # fmt: skip


def _spike_slab_coder(config) -> Coder:
    pixels = config.side**2

    def infer(params, xs):
        return spike_slab.infer(params, xs, config.iterations)

    def codes(params, xs):
        q = infer(params, xs)
        return q.used * q.mean, q.used > USED

    return Coder(
        lambda key: spike_slab.init_params(
            key, config.functions, pixels, bias=config.spike_bias, slab=config.slab_precision,
            noise=config.noise_precision,
        ),
        lambda params: spike_slab.model(params).bases, codes,
        lambda params, xs: -spike_slab.lower_bound(params, xs, infer(params, xs)),
        "nats",
    )  # fmt: skip


def make_training(
    config, coder: Coder, images: Sequence[np.ndarray], tested: np.ndarray
) -> Training:
    """The state, the step, batches of patches drawn anywhere in the images, and evaluation."""
    mesh = mesh_for(config.batch_size)
    params = call_once(coder.init, jax.random.key(config.seed))
    if config.model == "s3c":
        optimizer = optax.adam(common_schedule(config))
        state = init_state(params, optimizer)
        key = jax.random.key(config.seed)
        step = make_step(_spike_slab_loss(config), optimizer, key, dtype=config.dtype)
    else:
        gain = Gain(jnp.full(config.functions, config.variance_goal), jnp.ones(config.functions))
        state = init_state(params, optax.identity(), variables=gain._asdict())
        step = make_sparse_step(config)

    def generate(generator):
        return patches(images, generator, config.batch_size, config.side)

    return Training(
        placed(mesh, state), step, generated_batches(config, generate, mesh),
        make_evaluated(coder, mesh, tested),
        lambda means: {coder.name: means[coder.name]},
    )  # fmt: skip


def tested_patches(config, images: Sequence[np.ndarray]) -> np.ndarray:
    """Patches of the same images that no step draws but by chance: float32 [5000, P]."""
    return patches(images, np.random.default_rng([config.seed, 0, 1]), TESTED, config.side)


def make_sparse_step(config) -> Step:
    """Codes by FISTA, then the bases by the mean gradient of the energy, at their gains."""
    schedule = common_schedule(config)
    limits = (1 / config.gain_limit, config.gain_limit)

    def update(bases, gain, xs, rate):
        codes = sparse_coding.fista(bases, xs, config.penalty, config.iterations)
        moved = sparse_coding.updated_bases(bases, xs, codes, rate)
        new, gain = sparse_coding.gain_controlled(
            moved, gain, codes, goal=config.variance_goal, rate=config.variance_rate,
            power=config.gain_power, limits=limits,
        )  # fmt: skip
        return new, gain, sparse_coding.energy(bases, xs, codes, config.penalty)

    update = in_precision(config.dtype, update)

    def step(state: TrainState, batch: jax.Array) -> tuple[TrainState, dict[str, Ratio]]:
        bases, gain, energies = update(
            state.params["bases"], Gain(**state.variables), batch, schedule(state.step)
        )
        params, one = {"bases": bases}, jnp.ones(())
        metrics = {
            "energy": Ratio(energies.sum(), jnp.float32(energies.size)),
            "objective": Ratio(energies.mean(), one),
            "parameter_norm": Ratio(norm(params), one),
        }
        state = state.replace(step=state.step + 1, params=params, variables=gain._asdict())
        return state, metrics

    return step


def _spike_slab_loss(config):
    """Minus the lower bound of a patch, with the posterior held: variational EM."""

    def loss(params, variables, carry, batch, key):
        q = jax.lax.stop_gradient(spike_slab.infer(params, batch, config.iterations))
        nats = -spike_slab.lower_bound(params, batch, q)
        metrics = {"nats": Ratio(nats.sum(), jnp.float32(nats.size))}
        return nats.mean(), (variables, carry, metrics)

    return loss


def make_evaluated(coder: Coder, mesh, tested: np.ndarray):
    """A function (state, watch) -> the objective and what the codes leave unexplained."""

    @jax.jit
    def measure(params, cut):
        (xs,), mask = cut
        codes, active = coder.codes(params, xs)
        left = ((xs - codes @ coder.bases(params)) ** 2).sum(1)
        return {
            coder.name: Ratio((coder.objective(params, xs) * mask).sum(), mask.sum()),
            "unexplained": Ratio((left * mask).sum(), ((xs**2).sum(1) * mask).sum()),
            "active": Ratio((active.mean(1) * mask).sum(), mask.sum()),
        }

    cuts = evaluation_batches(mesh, (tested,), AT_ONCE)

    def evaluated(state, watch):
        means = evaluate(lambda cut: measure(state.params, cut), watch(cuts, "test")).means()
        return {"test": {
            coder.name: means[coder.name], "unexplained_percent": 100 * means["unexplained"],
            "active_percent": 100 * means["active"],
        }}  # fmt: skip

    return evaluated


def codes_of(coder: Coder, params: Any, xs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The codes of patches [N, P] and which of them are active, on the host."""
    read = jax.jit(coder.codes)
    parts = [read(params, xs[i : i + AT_ONCE]) for i in range(0, len(xs), AT_ONCE)]
    return tuple(np.concatenate(each) for each in zip(*jax.device_get(parts), strict=True))


def checked_images(config, images: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """The images, if patches can be cut out of them; raises UserError."""
    if config.functions > 16 * config.side**2:
        raise UserError(
            f"--functions={config.functions}: give at most {16 * config.side**2:,}, 16 for each "
            "pixel of a patch."
        )
    patches(images, np.random.default_rng(0), 1, config.side)
    return images
