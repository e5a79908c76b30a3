"""Learning rates by step that every experiment offers."""

import optax


def common_schedule(config) -> optax.Schedule:
    """`config.schedule` constant, or cosine: falling to 0 at the last step."""
    if config.schedule == "constant":
        return optax.constant_schedule(config.learning_rate)
    return optax.cosine_decay_schedule(config.learning_rate, config.num_steps)
