import dataclasses

import jax
import jax.numpy as jnp
import optax
import pytest

from experiments import word_lm
from experiments.training.loop import init_state
from experiments.training.validated_rate import make_rescale, rescale, scale_by_validation


@pytest.mark.parametrize(
    ("surprisals", "rates"),
    [
        ([6.0, 5.0, 4.5], [1, 1, 1]),
        ([5.0, 4.99, 4.5, 4.0], [1, 0.5, 0.25, 0.125]),  # 0.2 % is too little, and it keeps falling
        ([5.0, 4.98], [1, 1]),  # 0.4 % is enough
        ([5.0, 5.1, 4.0], [1, 0.5, 0.25]),
    ],
)
def test_the_rate_falls_from_the_first_small_improvement_on(surprisals, rates):
    optimizer = optax.chain(optax.sgd(1.0), scale_by_validation())
    state, found = init_state({"w": jnp.zeros(2)}, optimizer), []
    update = jax.jit(optimizer.update)
    for surprisal in surprisals:
        state = rescale(state, surprisal, 0.5)
        found.append(-float(update({"w": jnp.ones(2)}, state.opt_state)[0]["w"][0]))
    assert found == rates
    assert update._cache_size() == 1  # the types and places stay as they were


def test_other_schedules_ignore_validation():
    state = object()
    assert make_rescale(word_lm.Config())(state, {}) is state
    with pytest.raises(KeyError):
        make_rescale(dataclasses.replace(word_lm.Config(), schedule="validation"))(state, {})
