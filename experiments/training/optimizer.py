"""How a sequence model is trained: clipping, an update rule, and a learning rate schedule."""

import dataclasses

import jax.numpy as jnp
import optax

from experiments.runtime.options import Shared, option
from experiments.training.norm import clip_by_norm
from experiments.training.validated_rate import scale_by_validation


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleOptions(Shared):
    """Options of an experiment with a learning rate schedule."""

    heading = "Training rule"

    schedule: str = option("cosine", "of the learning rate: constant or cosine",
                           choices=("constant", "cosine"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleOptions(ScheduleOptions):
    """Options of an experiment trained by a classic update rule on clipped gradients."""

    optimizer: str = option("adam", "update rule", choices=("sgd", "adagrad", "rmsprop", "adam"))
    clip_value: float = option(0.0, "limit of each entry of the gradient; 0: none", least=0.0)
    clip_norm: float = option(1.0, "limit of the gradient's norm; 0: none", least=0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecayOptions(RuleOptions):
    """The same, with a learning rate that may fall from pass to pass."""

    schedule: str = option("cosine", "of the learning rate: constant, cosine, decay (by pass)",
                           choices=("constant", "cosine", "decay"))
    decay: float = option(0.95, "factor by which the learning rate falls", least=0.0)
    decay_after: int = option(10, "decay: passes before the first decay", least=0)


def make_optimizer(config: RuleOptions, steps_per_pass: int) -> optax.GradientTransformation:
    """Clipping by value, then by norm (0: no clipping), the update rule `config.optimizer`, and
    for `--schedule=validation` its scale."""
    schedule = make_schedule(config, steps_per_pass)
    rules = {
        "sgd": lambda: optax.sgd(schedule),
        # p -= eta g / sqrt(sum of g^2 + 1e-8), Duchi et al. 2011 as min-char-rnn writes it
        "adagrad": lambda: optax.adagrad(schedule, initial_accumulator_value=0.0, eps=1e-8),
        # p -= eta g / (sqrt(mean of g^2) + 1e-8), Tieleman and Hinton 2012 as Torch writes it
        "rmsprop": lambda: optax.rmsprop(schedule, decay=0.95, eps=1e-8, eps_in_sqrt=False),
        "adam": lambda: optax.adam(schedule),
    }
    clips = []
    if config.clip_value:
        clips.append(optax.clip(config.clip_value))
    if config.clip_norm:
        clips.append(clip_by_norm(config.clip_norm))
    scales = [scale_by_validation()] if config.schedule == "validation" else []
    return optax.chain(*clips, rules[config.optimizer](), *scales)


def make_schedule(config: RuleOptions, steps_per_pass: int) -> optax.Schedule:
    """The learning rate by step; `validation` scales it separately."""
    if config.schedule == "validation":
        return optax.constant_schedule(config.learning_rate)
    if not isinstance(config, DecayOptions) or config.schedule != "decay":
        return common_schedule(config)

    def by_pass(step):  # unchanged in the first `decay_after` passes, then smaller in each
        late = jnp.maximum(0, step // steps_per_pass - config.decay_after + 1)
        return config.learning_rate * config.decay**late

    return by_pass


def common_schedule(config: ScheduleOptions) -> optax.Schedule:
    """The schedule `constant`, or `cosine`, which falls to 0 at the last step."""
    if config.schedule == "constant":
        return optax.constant_schedule(config.learning_rate)
    return optax.cosine_decay_schedule(config.learning_rate, config.num_steps)
