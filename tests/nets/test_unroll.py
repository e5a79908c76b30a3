"""Laws of the recurrence: one table of cells, each of which obeys every law.

The laws hold bptt.py, passes.py and masks.py too.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import integers
from jax.ad_checkpoint import checkpoint_name

from nets.cells import GRU, LSTM, RNN, fold, identity_rnn
from nets.passes import passes_of
from nets.unroll import (
    both_directions,
    checkpointed,
    dropout,
    first_carry,
    unroll,
    unroll_checkpointed,
    unroll_layers,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")
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
    "lstm": LSTM(H),
    "peephole lstm": LSTM(H, peepholes=True),
    "gru, reset before": GRU(H),
    "gru, reset after": GRU(H, reset_after=True),
    "user's own": Leaky(H),
}
NOT_BY_HAND = {"user's own": CELLS["user's own"], "sin": RNN(H, jnp.sin)}
BY_HAND = {name: CELLS[name] for name in CELLS if name not in NOT_BY_HAND}
BY_HAND |= {"sigmoid": RNN(H, jax.nn.sigmoid), "identity": identity_rnn(H)}
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
both_ways = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@functools.cache
def arguments(cell):
    """Parameters without zeros, so that no bias or peephole hides; inputs; a first carry."""
    draw = np.random.default_rng(0)

    def random(like):
        return (0.5 * draw.normal(size=like.shape)).astype(np.float32)

    params = jax.eval_shape(lambda key: cell.init(key, D), jax.random.key(0))
    carry = jax.eval_shape(lambda: cell.carry(B))
    return jax.tree.map(random, params), normal(1, T, B, D), jax.tree.map(random, carry)


def cotangents(carry, steps=T):
    """Weights of the outputs (carry, ys) in the sum whose gradients are taken."""
    return jax.tree.map(lambda c: normal(5, *c.shape), carry), normal(6, steps, B, H)


def with_gradients(run):
    """run(params, xs, carry, mask) -> its result and the gradients of its weighted sum."""

    def both(params, xs, carry, mask, weights):
        result, pull = jax.vjp(lambda *args: run(*args, mask), params, xs, carry)
        return result, pull(weights)

    return jax.jit(both)


@functools.cache
def compiled(cell, reverse=False, by_hand=True):
    def run(params, xs, carry, mask):
        return unroll(cell, params, xs, carry, mask=mask, reverse=reverse, by_hand=by_hand)

    return with_gradients(run)


@functools.cache
def one_step(cell):
    return jax.jit(lambda params, carry, x: cell.step(params, carry, cell.project(params, x)))


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
    weights = cotangents(carry)
    result, gradients = compiled(cell)(params, xs, carry, None, weights)
    loop, (copies, *others) = with_gradients(unfolded)([params] * T, xs, carry, None, weights)
    shared = jax.tree.map(lambda *gradients: sum(gradients), *copies)
    assert_close((result, gradients), (loop, (shared, *others)))


@pytest.mark.parametrize("cell", BY_HAND.values(), ids=BY_HAND)
def test_the_hand_written_backward_pass_is_automatic_differentiation(cell):
    assert passes_of(cell) is not None
    args, weights = arguments(cell), cotangents(arguments(cell)[2])
    automatic = compiled(cell, reverse=True, by_hand=False)(*args, MASK, weights)
    assert_close(compiled(cell, reverse=True)(*args, MASK, weights), automatic, 2e-6)


def test_cells_without_a_hand_written_pass_are_differentiated_by_jax():
    """Forward mode exists for them alone, and for all others with by_hand=False."""
    assert all(passes_of(cell) is None for cell in NOT_BY_HAND.values())
    for cell, by_hand in ((RNN(H, jnp.sin), True), (RNN(H), False)):
        params, xs, carry = arguments(cell)
        run = functools.partial(unroll, cell, params, by_hand=by_hand)
        jax.jvp(run, (xs, carry), (xs, carry))


@every_cell
@both_ways
def test_a_ragged_batch_is_its_rows_alone(cell, reverse):
    params, xs, carry = arguments(cell)
    weights = cotangents(carry)
    (last, ys), (_, dxs, dcarry) = compiled(cell, reverse)(params, xs, carry, MASK, weights)
    step = one_step(cell)
    for row, length in enumerate(LENGTHS):
        alone = jax.tree.map(lambda c, row=row: c[row : row + 1], carry)
        for t in reversed(range(length)) if reverse else range(length):
            alone, y = step(params, alone, xs[t, row : row + 1])
            assert_close(ys[t, row : row + 1], y)
        assert_close(jax.tree.map(lambda c, row=row: c[row : row + 1], last), alone)
        assert not np.any(ys[length:, row]) and not np.any(dxs[length:, row])
    empty = [jax.tree.map(lambda c: c[1], tree) for tree in (dcarry, weights[0])]
    assert_close(*empty, 0)


@every_cell
@both_ways
@settings(max_examples=10, deadline=None, derandomize=True)
@given(mask=arrays(bool, (T, B)))
def test_whatever_the_mask_each_row_is_its_real_steps(cell, reverse, mask):
    params, xs, carry = arguments(cell)
    (last, ys), _ = compiled(cell, reverse)(params, xs, carry, mask, cotangents(carry))
    step, expected = one_step(cell), np.zeros((T, B, H), np.float32)
    for t in reversed(range(T)) if reverse else range(T):
        new, y = step(params, carry, xs[t])
        carry = jax.tree.map(lambda n, o, t=t: np.where(mask[t][:, None], n, o), new, carry)
        expected[t] = np.where(mask[t][:, None], y, 0)
    assert_close((last, ys), (carry, expected))


@every_cell
@both_ways
@settings(max_examples=10, deadline=None, derandomize=True)
@given(cut=integers(1, T - 1), mask=arrays(bool, (T, B)))
def test_wherever_it_is_cut_two_chunks_are_one_sequence(cell, reverse, cut, mask):
    """Steps beyond the cut are masked instead of cut off: one program serves every cut."""
    params, xs, carry = arguments(cell)
    run, weights = compiled(cell, reverse), cotangents(carry)
    early = np.arange(T)[:, None] < cut
    first, second = (mask & ~early, mask & early) if reverse else (mask & early, mask & ~early)
    (middle, ys), _ = run(params, xs, carry, first, weights)
    (last, zs), _ = run(params, xs, middle, second, weights)
    assert_close((last, ys + zs), run(params, xs, carry, mask, weights)[0])


@every_cell
@both_ways
@pytest.mark.parametrize("padding", [7.0, np.nan, np.inf])
def test_padding_changes_no_output_no_gradient_no_carry(cell, reverse, padding):
    params, xs, carry = arguments(cell)
    zeros, other = (np.where(MASK[..., None], xs, x).astype(np.float32) for x in (0, padding))
    run, weights = compiled(cell, reverse), cotangents(carry)
    expected = run(params, zeros, carry, MASK, weights)
    assert_close(run(params, other, carry, MASK, weights), expected, 0)
    # Nor does the gradient that arrives at a padded output.
    weights = weights[0], np.where(MASK[..., None], weights[1], padding).astype(np.float32)
    assert_close(run(params, zeros, carry, MASK, weights), expected, 0)


@every_cell
def test_a_mask_without_padding_changes_nothing(cell):
    args, weights = arguments(cell), cotangents(arguments(cell)[2])
    masked = compiled(cell)(*args, np.ones((T, B), bool), weights)
    assert_close(masked, compiled(cell)(*args, None, weights))


@every_cell
def test_a_mask_with_holes_skips_them(cell):
    """Steps 1, 3 and 4 masked for all rows: the same as the three others in a row."""
    params, xs, carry = arguments(cell)
    weights, real = cotangents(carry), np.array([0, 2, 5])
    mask = np.zeros((T, B), bool)
    mask[real] = True
    (last, ys), (dparams, dxs, dcarry) = compiled(cell)(params, xs, carry, mask, weights)
    expected = compiled(cell)(params, xs[real], carry, None, (weights[0], weights[1][real]))
    assert_close(((last, ys[real]), (dparams, dxs[real], dcarry)), expected)


@every_cell
def test_two_chunks_are_one_sequence(cell):
    """The carry goes from the first to the second, its gradient from the second to the first."""
    params, xs, carry = arguments(cell)
    run, (last, weights) = compiled(cell), cotangents(carry)
    middle, _ = run(params, xs[:3], carry, None, (last, weights[:3]))[0]
    (end, zs), (dparams, dzs, dmiddle) = run(params, xs[3:], middle, None, (last, weights[3:]))
    (_, ys), (more, dys, dcarry) = run(params, xs[:3], carry, None, (dmiddle, weights[:3]))
    gradients = jax.tree.map(np.add, dparams, more), np.concatenate([dys, dzs]), dcarry
    whole = run(params, xs, carry, None, (last, weights))
    assert_close(((end, np.concatenate([ys, zs])), gradients), whole)


@every_cell
@both_ways
def test_causality_by_gradient(cell, reverse):
    """y_3 depends on x_0 .. x_3 and on no later input; in reverse on x_3 .. x_5."""
    params, xs, carry = arguments(cell)
    only = jax.tree.map(np.zeros_like, carry), np.zeros((T, B, H), np.float32)
    only[1][3] = 1
    full = np.ones((T, B), bool)
    _, (_, dxs, _) = compiled(cell, reverse)(params, xs, carry, full, only)
    past = np.arange(T) >= 3 if reverse else np.arange(T) <= 3
    np.testing.assert_array_equal(np.abs(dxs).sum((1, 2)) > 0, past)


CHUNKS = [(name, True, 4) for name in CELLS] + [("lstm", False, None)]


@pytest.mark.parametrize("name, reverse, chunk", CHUNKS)
def test_checkpointed_is_plain(name, reverse, chunk):
    cell = CELLS[name]
    args, weights = arguments(cell), cotangents(arguments(cell)[2])
    run = with_gradients(
        lambda params, xs, carry, mask: unroll_checkpointed(
            cell, params, xs, carry, mask=mask, reverse=reverse, chunk=chunk
        )
    )
    assert_close(run(*args, MASK, weights), compiled(cell, reverse)(*args, MASK, weights))


@every_cell
def test_gradients_are_finite_differences(cell):
    """Along a random direction of parameters, inputs and carry at once, in float64."""
    with jax.enable_x64(True):
        args = jax.tree.map(np.float64, arguments(cell))
        weights = jax.tree.map(np.float64, cotangents(args[2]))
        along = jax.tree.map(lambda a: np.float64(normal(7, *a.shape)), args)

        def moved(by):
            args_ = jax.tree.map(lambda a, d: a + by * d, args, along)
            result, gradients = compiled(cell)(*args_, MASK, weights)
            return inner(result, weights), inner(gradients, along)

        slope = (moved(1e-5)[0] - moved(-1e-5)[0]) / 2e-5
        np.testing.assert_allclose(moved(0.0)[1], slope, rtol=1e-7)


def inner(a, b):
    return sum(jax.tree.leaves(jax.tree.map(lambda x, y: np.sum(np.multiply(x, y)), a, b)))


@every_cell
def test_bfloat16_stays_within_its_rounding(cell):
    """The same numbers in float32 and in bfloat16, whose spacing is 2^-7 of the number."""
    args, weights = arguments(cell), cotangents(arguments(cell)[2])
    half = jax.tree.map(lambda a: jnp.asarray(a, jnp.bfloat16), (*args, weights))
    single = jax.tree.map(lambda a: np.asarray(a, np.float32), half)
    rough, fine = (compiled(cell)(*tree[:3], MASK, tree[3]) for tree in (half, single))
    for a, b in zip(jax.tree.leaves(rough), jax.tree.leaves(fine), strict=True):
        assert a.dtype == jnp.bfloat16
        size = max(1.0, float(np.abs(b).max()))
        np.testing.assert_allclose(a.astype(np.float32), b, rtol=0, atol=T * 2**-7 * size)


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
    cell = RNN(H)
    params, xs, carry = arguments(cell)

    def last_window(xs, cut):
        middle, _ = unroll(cell, params, xs[:3], carry)
        middle = jax.lax.stop_gradient(middle) if cut else middle
        return unroll(cell, params, xs[3:], middle)[1].sum()

    gradient = jax.jit(jax.value_and_grad(last_window), static_argnums=1)
    (value, cut), (same, full) = gradient(xs, True), gradient(xs, False)
    assert value == same and not np.any(cut[:3]) and np.all(np.abs(full).sum((1, 2)) > 0)
    np.testing.assert_allclose(cut[3:], full[3:], rtol=1e-6)


def test_both_directions_are_two_unrolls_side_by_side():
    cells = RNN(H), LSTM(2)
    (forward, xs, _), (backward, *_) = arguments(cells[0]), arguments(cells[1])
    carry, ys = both_directions(cells, (forward, backward), xs, mask=MASK)
    ahead = unroll(cells[0], forward, xs, mask=MASK)
    behind = unroll(cells[1], backward, xs, mask=MASK, reverse=True)
    assert_close((carry, ys[..., :H], ys[..., H:]), ((ahead[0], behind[0]), ahead[1], behind[1]))


@functools.cache
def two_layers():
    """Cells of two sizes with their parameters, inputs and first carries."""
    lower, upper = RNN(4), LSTM(H)
    xs, carry = arguments(lower)[1:]
    params = lower.init(jax.random.key(0), D), upper.init(jax.random.key(1), 4)
    return (lower, upper), params, xs, (carry, arguments(upper)[2])


@pytest.mark.parametrize("layer", [unroll, unroll_checkpointed])
def test_each_layer_reads_the_outputs_of_the_one_below(layer):
    cells, params, xs, carry = two_layers()
    below, middle = unroll(cells[0], params[0], xs, carry[0], mask=MASK)
    above, top = unroll(cells[1], params[1], middle, carry[1], mask=MASK)
    found = unroll_layers(cells, params, xs, carry, mask=MASK, layer=layer)
    assert_close(found, ((below, above), top))


def test_layers_go_both_ways():
    xs = arguments(RNN(H))[1]
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
def test_dropout_is_between_layers_and_keeps_the_mean(same_each_step):
    ones = jnp.ones((40, 50, 20))
    drop = dropout(jax.random.key(0), 0.25, same_each_step=same_each_step)
    dropped = drop(0, ones)
    assert set(np.unique(dropped)) == {0, np.float32(1 / 0.75)}
    assert abs(float(dropped.mean()) - 1) < 0.05
    assert bool((dropped == dropped[:1]).all()) == same_each_step
    assert not bool((drop(1, ones) == dropped).all())

    places = []
    cells, params, xs, _ = two_layers()
    unroll_layers(cells, params, xs, between=lambda n, ys: places.append(n) or ys)
    assert places == [0]


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


@pytest.mark.parametrize("keep, times", [((), 2), (("cosines",), 1)])
def test_checkpointed_computes_what_it_keeps_once(keep, times):
    def body(total, xs):
        return total + (checkpoint_name(jnp.cos(xs), "cosines") ** 2).sum(), None

    def loss(xs):
        return checkpointed(body, 0.0, xs, chunk=4, keep=keep)[0]

    xs = normal(1, 8, B, D)
    gradient = jax.grad(loss)
    assert str(jax.make_jaxpr(gradient)(xs)).count("= cos ") == times
    np.testing.assert_allclose(gradient(xs), -jnp.sin(2 * xs), rtol=1e-5, atol=1e-6)


def test_the_first_carry_takes_the_precision_of_the_parameters():
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), LSTM(H).init(jax.random.key(0), D))
    assert {c.dtype for c in first_carry(LSTM(H), params, B)} == {jnp.dtype(jnp.bfloat16)}
