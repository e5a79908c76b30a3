"""Products in bfloat16: all of them, forwards and backwards, and nothing else."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.language import running_text
from experiments.runtime.options import Shared, identity
from experiments.training.loop import init_state, make_step
from experiments.training.precision import in_bfloat16, in_precision
from nets import lenet
from nets.cells import GRU, LSTM, RNN
from nets.convnet import ConvNet
from nets.convolution import convolve_reference
from nets.language_model import LanguageModel
from nets.seq2seq import BidirectionalEncoder, GlobalDecoder, SearchDecoder, Seq2Seq
from nets.unroll import unroll, unroll_checkpointed

pytestmark = pytest.mark.usefixtures("quick_compilation")
CELLS = {"rnn": RNN(4), "lstm": LSTM(4, peepholes=True), "gru": GRU(4), "after": GRU(4, True)}


def as_bfloat16(x):
    return np.asarray(x.astype(jnp.bfloat16), np.float64)


def normal(*shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


def products(function, *arguments):
    """How many products the program of a function has, and how many with bfloat16 operands."""
    text = str(jax.make_jaxpr(function)(*arguments))
    rounded = len(re.findall(r":bf16\[[\d,]*\] = convert_element_type", text))
    assert ":bf16[" not in re.sub(r":bf16\[[\d,]*\] = convert_element_type", "", text)
    return len(re.findall(r" = (?:dot_general|conv_general_dilated)\[", text)), rounded / 2


def test_a_product_has_rounded_operands_and_a_float32_sum():
    x, w = normal(3, 50), normal(50, 2, seed=1)
    y = jax.jit(in_bfloat16(jnp.matmul))(x, w)
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, as_bfloat16(x) @ as_bfloat16(w), rtol=1e-5, atol=1e-5)
    assert abs(y - np.float64(x) @ np.float64(w)).max() > 1e-3


def test_a_product_with_a_precision_of_its_own_keeps_it():
    x = normal(50)
    exact = jax.jit(in_bfloat16(lambda x: jnp.vdot(x, x, precision="float32")))
    assert exact(x) == pytest.approx(float(np.square(np.float64(x)).sum()), rel=1e-6)


def test_only_float32_products_are_rounded():
    def function(xs):
        ints = jnp.arange(4) @ jnp.arange(4)
        return jax.nn.logsumexp(jax.nn.relu(xs)) + ints, {"flags": xs > 0}

    xs = normal(5)
    for ours, theirs in zip(*(jax.tree.leaves(f(xs)) for f in (in_bfloat16(function), function)),
                            strict=True):  # fmt: skip
        np.testing.assert_array_equal(ours, theirs)


def test_products_inside_loops_and_conditions_are_rounded():
    w = normal(3, 3)

    def function(x):
        x = jax.lax.fori_loop(0, 2, lambda i, x: x @ w, x)
        x = jax.lax.cond(x[0] > 0, lambda x: x @ w, lambda x: -x @ w, x)
        return jax.lax.map(lambda row: row @ w, x[None])[0]

    for seed in (0, 1):
        x = expected = normal(3, seed=seed)
        for n in range(4):
            sign = -1 if n == 2 and expected[0] <= 0 else 1
            expected = jnp.float32(as_bfloat16(sign * expected) @ as_bfloat16(w))
        np.testing.assert_allclose(in_bfloat16(function)(x), expected, rtol=1e-2)
    assert products(in_bfloat16(function), x) == (4, 4)


def gradient_of_cell(drawn, cell, unroll):
    params = drawn(cell.init, 3)
    xs, mask = normal(6, 2, 3, seed=1), jnp.arange(6)[:, None] < jnp.array([6, 3])

    def loss(params):
        return jnp.square(unroll(cell, params, xs, mask=mask)[1]).sum()

    return jax.value_and_grad(loss), params


def gradient_of_images(drawn, net):
    images = jnp.full((4, 28, 28), 100, jnp.uint8)
    variables = drawn(net.init, images)

    def loss(params):
        return jnp.square(net.apply(variables | {"params": params}, images)).sum()

    return jax.value_and_grad(loss), variables["params"]


def gradient_of_translation(drawn, decoder):
    model = Seq2Seq(BidirectionalEncoder((GRU(4),)), decoder, 7, 7, 3)
    words, mask = jnp.ones((5, 2), int), jnp.ones((5, 2), bool)

    def loss(params):
        memory, carry = model.begin(params, model.encode(params, words, mask))
        return jax.nn.logsumexp(model.decode(params, memory, carry, words)[1])

    return jax.value_and_grad(loss), drawn(model.init)


@pytest.mark.parametrize(
    "case",
    [
        *((gradient_of_cell, cell, unroll) for cell in CELLS.values()),
        (gradient_of_cell, RNN(4, jnp.sin), unroll),  # differentiated by JAX
        (gradient_of_cell, CELLS["lstm"], unroll_checkpointed),
        (gradient_of_images, lenet.LeNet5()),
        (gradient_of_images, ConvNet()),
        (gradient_of_translation, GlobalDecoder((GRU(4),))),
        (gradient_of_translation, SearchDecoder(GRU(4), 3)),
    ],
    ids=lambda case: f"{case[0].__name__}-{type(case[1]).__name__}",
)
def test_every_product_of_a_net_is_rounded_forwards_and_backwards(case, drawn):
    make, *arguments = case
    gradient, params = make(drawn, *arguments)
    rounded = in_bfloat16(gradient)
    before, (total, rounded_ones) = products(gradient, params), products(rounded, params)
    assert before == (total, 0) and rounded_ones == total > 2


@pytest.mark.thorough
@pytest.mark.parametrize("cell", [*CELLS.values(), RNN(4, jnp.sin)], ids=[*CELLS, "sin"])
def test_gradients_differ_by_rounding_and_are_float32(cell, drawn):
    gradient, params = gradient_of_cell(drawn, cell, unroll)
    rounded = in_bfloat16(gradient)
    (value, grads), (exact, exact_grads) = jax.jit(rounded)(params), jax.jit(gradient)(params)
    assert {leaf.dtype for leaf in jax.tree.leaves((value, grads))} == {jnp.dtype("float32")}
    assert value == pytest.approx(float(exact), rel=0.05)
    difference = optax.tree.norm(optax.tree.sub(grads, exact_grads)) / optax.tree.norm(exact_grads)
    assert 0 < difference < 0.05


def test_xla_s_convolution_is_rounded():
    kernel, xs = normal(2, 2, 1, 3), normal(1, 5, 5, 1, seed=1)
    rounded = in_bfloat16(convolve_reference)(kernel, xs)
    exact = convolve_reference(kernel, xs)
    assert 1e-4 < abs(rounded - exact).max() < 0.1 and rounded.dtype == jnp.float32


def first_windows():
    codes = np.arange(4 * 21).reshape(4, 21) % 5
    return running_text.Window(codes, np.zeros(4, bool))


@pytest.fixture(scope="module")
def trained(drawn):
    """By dtype: the state after 30 steps on one text, and the loss of each."""
    model = LanguageModel((LSTM(8),), symbols=5)
    params, windows = drawn(model.init), first_windows()
    found = {}
    for dtype in ("float32", "bfloat16"):
        optimizer, key = optax.adam(0.02), jax.random.key(0)
        loss = running_text.make_loss(model)
        step = jax.jit(make_step(loss, optimizer, key, dtype=dtype))
        state, losses = init_state(params, optimizer, carry=model.carry(4)), []
        for _ in range(30):
            state, metrics = step(state, windows)
            losses.append(metrics["objective"].total)
        found[dtype] = state, losses
    return found


def test_state_and_loss_stay_float32(trained):
    state, losses = trained["bfloat16"]
    floats = [x.dtype for x in jax.tree.leaves((state, losses)) if x.dtype != jnp.int32]
    assert len(floats) > 60 and set(floats) == {jnp.dtype("float32")}
    assert any((x != x.astype(jnp.bfloat16)).any() for x in jax.tree.leaves(state.params))
    assert any((x != x.astype(jnp.bfloat16)).any() for x in jax.tree.leaves(state.carry))


def test_a_net_learns_as_well_as_in_float32(trained):
    exact, rounded = (np.array(trained[dtype][1]) for dtype in ("float32", "bfloat16"))
    assert exact[-1] < 0.7 * exact[0] and not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, rtol=0.02)


def test_float32_changes_nothing_and_dtype_identifies_a_run():
    def function(x):
        return x

    assert in_precision("float32", function) is function
    assert identity(Shared()) != identity(Shared(dtype="bfloat16"))
