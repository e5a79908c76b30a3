import jax
import jax.numpy as jnp
import optax
import pytest

from experiments.validated_rate import judged, scale_by_validation


def rates(surprises, optimizer=None):
    """How far one step goes after each of these evaluations."""
    optimizer = optimizer or optax.chain(optax.sgd(1.0), scale_by_validation())
    state, found = optimizer.init({"w": jnp.zeros(2)}), []
    for surprise in surprises:
        state = judged(state, surprise, 0.5)
        updates, state = jax.jit(optimizer.update)({"w": -jnp.ones(2)}, state)
        found.append(float(updates["w"][0]))
    return found


@pytest.mark.parametrize(
    ("surprises", "wanted"),
    [
        ([6.0, 5.0, 4.5], [1, 1, 1]),
        ([5.0, 4.99, 4.5, 4.0], [1, 0.5, 0.25, 0.125]),  # 0.2 % is little, and it falls on
        ([5.0, 4.98], [1, 1]),  # 0.4 % is enough
        ([5.0, 5.1, 4.0], [1, 0.5, 0.25]),
    ],
)
def test_the_rate_is_halved_from_the_first_small_improvement_on(surprises, wanted):
    assert rates(surprises) == wanted


def test_an_optimizer_without_the_rule_stays_as_it_is():
    assert rates([5.0, 5.0, 5.0], optax.chain(optax.sgd(1.0))) == [1, 1, 1]
