"""How a sequence model is trained: clipping, a classic rule, and the learning rate by pass."""

import jax.numpy as jnp
import optax

from experiments.training.norm import clip_by_norm
from experiments.training.validated_rate import scale_by_validation


def make_optimizer(config, steps_per_pass: int) -> optax.GradientTransformation:
    """Clipping by value, then by norm (0: neither), the rule that `config.optimizer` names, and
    what the validation makes of its rate."""
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


def make_schedule(config, steps_per_pass: int) -> optax.Schedule:
    """The learning rate by step; by `validation` it is scaled apart from that."""
    if config.schedule == "validation":
        return optax.constant_schedule(config.learning_rate)
    if config.schedule != "decay":
        return common_schedule(config)

    def by_pass(step):  # unchanged in the first `decay_after` passes, then smaller in each
        late = jnp.maximum(0, step // steps_per_pass - config.decay_after + 1)
        return config.learning_rate * config.decay**late

    return by_pass


def common_schedule(config) -> optax.Schedule:
    """`config.schedule` constant, or cosine: falling to 0 at the last step."""
    if config.schedule == "constant":
        return optax.constant_schedule(config.learning_rate)
    return optax.cosine_decay_schedule(config.learning_rate, config.num_steps)
