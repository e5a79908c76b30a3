"""Laws of the recurrence: one table of cells, each of which meets every law."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from nets.cells import GRU, LSTM, RNN, Stack, fold, identity_rnn
from nets.unroll import (
    Recurrent,
    both_directions,
    checkpointed,
    dropout,
    first_carry,
    unroll,
    unroll_checkpointed,
    unroll_layers,
)

T, B, D, H = 6, 4, 3, 5
LENGTHS = np.array([6, 0, 1, 4])  # one row full, one empty, one of a single step
MASK = np.arange(T)[:, None] < LENGTHS  # [T, B]


@dataclasses.dataclass(frozen=True)
class Leaky:
    """What a user writes: four methods, nothing else. h_t = h_{t-1} / 2 + tanh(W x_t + v h)."""

    hidden: int

    def init(self, key, inputs):
        keys = jax.random.split(key)
        w = jax.random.normal(keys[0], (inputs, self.hidden))
        return {"w": w, "v": jax.random.normal(keys[1], (self.hidden,))}

    def project(self, params, xs):
        return xs @ params["w"]

    def step(self, params, carry, drive):
        h = carry / 2 + jnp.tanh(drive + params["v"] * carry)
        return h, h

    def carry(self, batch):
        return jnp.zeros((batch, self.hidden))


CELLS = {
    "tanh": RNN(H),
    "sigmoid": RNN(H, jax.nn.sigmoid),
    "relu": RNN(H, jax.nn.relu),
    "other activation": RNN(H, jnp.sin),
    "identity": identity_rnn(H),
    "lstm": LSTM(H),
    "peephole lstm": LSTM(H, peepholes=True),
    "gru, reset before": GRU(H),
    "gru, reset after": GRU(H, reset_after=True),
    "stack": Stack((LSTM(2), GRU(H))),
    "user's own": Leaky(H),
}
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def arguments(cell, seed=0):
    """Parameters without zeros, so that no bias or peephole hides; inputs; a first carry."""
    params = cell.init(jax.random.key(seed), D)
    params = jax.tree.map(lambda p: p + 0.3 * normal(p.size, *p.shape), params)
    carry = jax.tree.map(lambda c: 0.5 * normal(c.size, *c.shape), cell.carry(B))
    return params, normal(1, T, B, D), carry


def weighted(carry, ys):
    """A number that depends on every output and on the last carry, each with its own weight."""
    leaves = [ys, *jax.tree.leaves(carry)]
    return sum((y * normal(10 + n, *y.shape)).sum() for n, y in enumerate(leaves))


def with_gradients(run):
    """run(params, xs, carry, mask) -> (its result, the gradients of `weighted` of it)."""

    def value(params, xs, carry, mask):
        result = run(params, xs, carry, mask)
        return weighted(*result), result

    def both(*args):
        gradients, result = jax.grad(value, argnums=(0, 1, 2), has_aux=True)(*args)
        return result, gradients

    return jax.jit(both)


@functools.cache
def compiled(cell, reverse=False):
    return with_gradients(
        lambda params, xs, carry, mask: unroll(cell, params, xs, carry, mask=mask, reverse=reverse)
    )


def assert_close(ours, theirs, tolerance=1e-5):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@every_cell
def test_the_scan_is_the_net_unfolded_in_time(cell):
    """A Python loop over copies of the net; copy t has parameters of its own, gradients add up."""

    def unfolded(copies, xs, carry, mask):
        ys = []
        for params, x in zip(copies, xs, strict=True):
            carry, y = cell.step(params, carry, cell.project(params, x))
            ys.append(y)
        return carry, jnp.stack(ys)

    params, xs, carry = arguments(cell)
    result, gradients = compiled(cell)(params, xs, carry, None)
    by_hand, (copies, *others) = with_gradients(unfolded)([params] * T, xs, carry, None)
    shared = jax.tree.map(lambda *gradients: sum(gradients), *copies)
    assert_close((result, gradients), (by_hand, (shared, *others)))


@every_cell
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_a_ragged_batch_is_its_rows_alone(cell, reverse):
    params, xs, carry = arguments(cell)
    run = compiled(cell, reverse)
    (last, ys), (_, dxs, dcarry) = run(params, xs, carry, MASK)
    for row, length in enumerate(LENGTHS):
        cut = jax.tree.map(lambda c, row=row: c[row : row + 1], (carry, last, dcarry))
        assert not np.any(ys[length:, row]) and not np.any(dxs[length:, row])
        if length == 0:
            assert_close(cut[1], cut[0], 0)
        else:
            alone = unroll(cell, params, xs[:length, row : row + 1], cut[0], reverse=reverse)
            assert_close((cut[1], ys[:length, row : row + 1]), alone)


@every_cell
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("padding", [7.0, np.nan, np.inf])
def test_padding_changes_no_output_no_gradient_no_carry(cell, reverse, padding):
    params, xs, carry = arguments(cell)
    run = compiled(cell, reverse)
    expected = run(params, np.where(MASK[..., None], xs, 0), carry, MASK)
    assert_close(run(params, np.where(MASK[..., None], xs, padding), carry, MASK), expected, 0)


@every_cell
def test_a_mask_without_padding_changes_nothing(cell):
    args = arguments(cell)
    assert_close(compiled(cell)(*args, np.ones((T, B), bool)), compiled(cell)(*args, None))


@every_cell
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_two_chunks_are_one_sequence(cell, reverse):
    params, xs, carry = arguments(cell)

    def halves(params, xs, carry, mask):
        order = [slice(3, None), slice(0, 3)] if reverse else [slice(0, 3), slice(3, None)]
        carry, ys = unroll(cell, params, xs[order[0]], carry, mask=mask[order[0]], reverse=reverse)
        carry, zs = unroll(cell, params, xs[order[1]], carry, mask=mask[order[1]], reverse=reverse)
        return carry, jnp.concatenate([zs, ys] if reverse else [ys, zs])

    whole = compiled(cell, reverse)(params, xs, carry, MASK)
    assert_close(with_gradients(halves)(params, xs, carry, MASK), whole)


@every_cell
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_causality_by_gradient(cell, reverse):
    """y_3 depends on x_0 .. x_3 and no later input; from the other side in reverse."""
    params, xs, carry = arguments(cell)

    @jax.jit
    def influence(xs):
        y = lambda xs: unroll(cell, params, xs, carry, reverse=reverse)[1][3].sum()  # noqa: E731
        return jnp.abs(jax.grad(y)(xs)).sum((1, 2))  # [T]

    past = np.arange(T) >= 3 if reverse else np.arange(T) <= 3
    np.testing.assert_array_equal(influence(xs) > 0, past)


@every_cell
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("chunk", [None, 4])
def test_checkpointed_is_plain(cell, reverse, chunk):
    params, xs, carry = arguments(cell)
    run = with_gradients(
        lambda params, xs, carry, mask: unroll_checkpointed(
            cell, params, xs, carry, mask=mask, reverse=reverse, chunk=chunk
        )
    )
    expected = compiled(cell, reverse)(params, xs, carry, MASK)
    assert_close(run(params, xs, carry, MASK), expected)


@every_cell
def test_gradients_are_finite_differences(cell):
    with jax.enable_x64(True):
        args = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), arguments(cell))
        run = jax.jit(lambda *args: weighted(*unroll(cell, *args, mask=MASK)))
        check_grads(run, args, order=1, modes=["rev"], eps=1e-6, atol=1e-7, rtol=1e-7)


@every_cell
def test_bfloat16_stays_within_its_rounding(cell):
    """The same numbers in float32 and bfloat16 (8 bits, relative spacing 2^-7), forward."""
    args = jax.tree.map(lambda a: jnp.asarray(a, jnp.bfloat16), arguments(cell))
    run = jax.jit(lambda args: unroll(cell, *args, mask=MASK))
    half, single = run(args), run(jax.tree.map(lambda a: a.astype(jnp.float32), args))
    assert all(a.dtype == jnp.bfloat16 for a in jax.tree.leaves(half))
    scale = max(1.0, *(float(jnp.abs(a).max()) for a in jax.tree.leaves(single)))
    for a, b in zip(jax.tree.leaves(half), jax.tree.leaves(single), strict=True):
        np.testing.assert_allclose(a.astype(np.float32), b, rtol=0, atol=T * 2**-7 * scale)


@pytest.mark.parametrize("cell", [RNN(H), LSTM(H), GRU(H)], ids=["rnn", "lstm", "gru"])
def test_integers_are_one_hot_vectors_and_fold_embeds_them(cell):
    params, _, carry = arguments(cell)
    tokens = np.random.default_rng(2).integers(0, D, (T, B))
    integers = jax.jit(lambda xs, mask: unroll(cell, params, xs, carry, mask=mask))
    assert_close(integers(tokens, MASK), integers(np.eye(D, dtype=np.float32)[tokens], MASK))
    embedding = normal(3, 9, D)
    tokens = np.random.default_rng(2).integers(0, 9, (T, B))
    folded = jax.jit(lambda e: unroll(cell, fold(params, e), tokens, carry))(embedding)
    assert_close(folded, unroll(cell, params, embedding[tokens], carry))


def test_truncated_backpropagation_stops_between_windows():
    cell = LSTM(H)
    params, xs, carry = arguments(cell)

    def last_window(params, xs, cut):
        carry_, _ = unroll(cell, params, xs[:3], carry)
        carry_ = jax.lax.stop_gradient(carry_) if cut else carry_
        return weighted(*unroll(cell, params, xs[3:], carry_))

    (value, cut), (same, full) = (
        jax.value_and_grad(last_window, argnums=1)(params, xs, cut) for cut in (True, False)
    )
    assert value == same and not np.any(cut[:3]) and np.all(np.abs(full).sum((1, 2)) > 0)
    np.testing.assert_allclose(cut[3:], full[3:], rtol=1e-6)


def test_both_directions_are_two_unrolls_side_by_side():
    cells = RNN(H), LSTM(2)
    (forward, xs, _), (backward, *_) = arguments(cells[0]), arguments(cells[1])
    carry, ys = both_directions(cells, (forward, backward), xs, mask=MASK)
    ahead = unroll(cells[0], forward, xs, mask=MASK)
    behind = unroll(cells[1], backward, xs, mask=MASK, reverse=True)
    assert_close((carry, ys[..., :H], ys[..., H:]), ((ahead[0], behind[0]), ahead[1], behind[1]))


def test_layers_are_the_stack_and_go_both_ways():
    stack = CELLS["stack"]
    params, xs, carry = arguments(stack)
    layers = unroll_layers(stack.cells, params, xs, carry, mask=MASK)
    assert_close(layers, unroll(stack, params, xs, carry, mask=MASK))

    pair = RNN(H), RNN(H)
    params = [
        tuple(cell.init(jax.random.key(n), width) for n, cell in enumerate(pair))
        for width in (D, 2 * H)
    ]
    last, ys = unroll_layers([pair] * 2, params, xs, mask=MASK, layer=both_directions)
    below, middle = both_directions(pair, params[0], xs, mask=MASK)
    above, top = both_directions(pair, params[1], middle, mask=MASK)
    assert_close((last, ys), ((below, above), top))


@pytest.mark.parametrize("same_each_step", [False, True])
def test_dropout_between_layers_spares_the_top_and_keeps_the_mean(same_each_step):
    ones = jnp.ones((40, 50, 20))
    drop = dropout(jax.random.key(0), 0.25, same_each_step=same_each_step)
    dropped = drop(0, ones)
    assert set(np.unique(dropped)) == {0, np.float32(1 / 0.75)}
    assert abs(float(dropped.mean()) - 1) < 0.05
    assert bool((dropped == dropped[:1]).all()) == same_each_step
    assert not bool((drop(1, ones) == dropped).all())

    seen = []
    stack = CELLS["stack"]
    params, xs, _ = arguments(stack)
    unroll_layers(stack.cells, params, xs, between=lambda n, ys: seen.append(n) or ys)
    assert seen == [0]


def test_checkpointed_takes_the_loss_inside():
    """A running loss in the carry: nothing of length T is stored but the inputs."""
    cell = GRU(H)
    params, xs, carry = arguments(cell)

    def body(carry, xs):
        carry, total = carry
        carry, ys = unroll(cell, params, xs, carry)
        return (carry, total + (ys**2).sum()), None

    (_, total), nothing = checkpointed(body, (carry, 0.0), xs, chunk=4)
    assert nothing is None
    np.testing.assert_allclose(total, (unroll(cell, params, xs, carry)[1] ** 2).sum(), rtol=1e-6)


def test_recurrent_module_owns_the_parameters():
    module = Recurrent(LSTM(H), reverse=True)
    xs = normal(1, T, B, D)
    variables = module.init(jax.random.key(0), xs)
    result = module.apply(variables, xs, mask=MASK)
    assert_close(result, unroll(LSTM(H), variables["params"]["cell"], xs, mask=MASK, reverse=True))
    tokens = np.zeros((T, B), int)
    variables = Recurrent(RNN(H), vocabulary=9).init(jax.random.key(0), tokens)
    assert variables["params"]["cell"]["hidden"]["x"].shape == (9, H)


def test_the_first_carry_takes_the_precision_of_the_parameters():
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), LSTM(H).init(jax.random.key(0), D))
    assert {c.dtype for c in first_carry(LSTM(H), params, B)} == {jnp.dtype(jnp.bfloat16)}
