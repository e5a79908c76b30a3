"""Cells against their papers' parameter counts and against PyTorch's and Flax's own layers."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.cells import GRU, LSTM, RNN, Memory, hidden_state, identity_rnn, with_hidden_state
from nets.unroll import unroll

pytestmark = pytest.mark.usefixtures("quick_compilation")
T, B, D, H = 7, 3, 4, 5
LENGTHS = np.array([7, 1, 4])
MASK = np.arange(T)[:, None] < LENGTHS


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def shapes(cell, inputs):
    return jax.eval_shape(lambda key: cell.init(key, inputs), jax.random.key(0))


def count(cell, inputs):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes(cell, inputs)))


@pytest.mark.parametrize(
    "cell, inputs, parameters",
    [  # Chung et al. 2014, Table 1: 20.1k, 20.2k, 19.8k for music and 168.4k, 168.9k, 169.1k
        (RNN(100), 100, 20_100),
        (GRU(46), 100, 20_286),
        (LSTM(36, peepholes=True), 100, 19_836),
        (RNN(400), 20, 168_400),
        (GRU(227), 20, 168_888),
        (LSTM(195, peepholes=True), 20, 169_065),
    ],
)
def test_parameters_of_chung_table_1(cell, inputs, parameters):
    assert count(cell, inputs) == parameters


@pytest.mark.parametrize(
    "cell, layers, directions, parameters",
    [  # Graves, Mohamed, Hinton 2013, Table 1: 3.7M, 0.8M, 3.8M, 2.3M, 3.8M, 3.8M, 6.8M
        (RNN(500), 3, 2, 3_688_062),
        (LSTM(250, peepholes=True), 1, 2, 780_562),
        (LSTM(622, peepholes=True), 1, 2, 3_793_018),
        (LSTM(250, peepholes=True), 2, 2, 2_284_062),
        (LSTM(421, peepholes=True), 3, 1, 3_786_957),
        (LSTM(250, peepholes=True), 3, 2, 3_787_562),
        (LSTM(250, peepholes=True), 5, 2, 6_794_562),
    ],
)
def test_parameters_of_graves_table_1(cell, layers, directions, parameters):
    """123 inputs and a softmax over 61 phonemes and the blank."""
    width = directions * cell.hidden
    recurrent = directions * (count(cell, 123) + (layers - 1) * count(cell, width))
    assert recurrent + (width + 1) * 62 == parameters


def test_first_parameters():
    params = LSTM(H, peepholes=True, forget_bias=2.0).init(jax.random.key(0), D)
    assert {gate: sorted(weights) for gate, weights in params.items()} == {
        **dict.fromkeys(("input", "forget", "output"), ["b", "c", "h", "x"]),
        "cell": ["b", "h", "x"],
    }
    np.testing.assert_array_equal(params["forget"]["b"], np.full(H, 2.0))
    for gate in ("input", "output", "cell"):
        np.testing.assert_array_equal(params[gate]["b"], np.zeros(H))
    assert len({float(weights["h"][0, 0]) for weights in params.values()}) == 4
    assert "d" in GRU(H, reset_after=True).init(jax.random.key(0), D)["candidate"]
    irnn = identity_rnn(H).init(jax.random.key(0), D)["hidden"]
    np.testing.assert_array_equal(irnn["h"], np.eye(H))
    assert identity_rnn(H).activation is jax.nn.relu and np.abs(irnn["x"]).max() < 0.01


@pytest.mark.parametrize("cell", [RNN(H), GRU(H), LSTM(H)])
def test_the_hidden_state_of_a_carry(cell):
    h = jnp.asarray(normal(0, B, H))
    carry = with_hidden_state(cell.carry(B), h)
    assert jax.tree.structure(carry) == jax.tree.structure(cell.carry(B))
    np.testing.assert_array_equal(hidden_state(carry), h)
    assert not isinstance(carry, Memory) or not carry.c.any()


def test_one_step_of_the_lstm_by_its_equations():
    """All in NumPy; the output gate sees the new cell, the two others the old one."""
    cell = LSTM(1, peepholes=True)
    p = cell.init(jax.random.key(0), 1)
    p = jax.tree.map(lambda leaf: float(np.ravel(leaf + normal(1, *leaf.shape))[0]), p)
    sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    x, h, c = 0.3, -0.2, 0.7
    sums = {gate: w["x"] * x + w["h"] * h + w["b"] for gate, w in p.items()}
    new = sigmoid(sums["forget"] + p["forget"]["c"] * c) * c
    new += sigmoid(sums["input"] + p["input"]["c"] * c) * np.tanh(sums["cell"])
    out = sigmoid(sums["output"] + p["output"]["c"] * new) * np.tanh(new)

    def number(value, *shape):
        return np.full(shape, value, np.float32)

    p = {
        gate: {name: number(v, *(1, 1) if name in "xh" else (1,)) for name, v in w.items()}
        for gate, w in p.items()
    }
    first = Memory(number(h, 1, 1), number(c, 1, 1))
    last, y = cell.step(p, first, cell.project(p, number(x, 1, 1)))
    np.testing.assert_allclose([last.h[0, 0], last.c[0, 0], y[0, 0]], [out, new, out], rtol=1e-5)


def test_z_keeps_the_old_state(drawn):
    cell = GRU(H)
    params = drawn(cell.init, D)
    params["update"]["b"] = params["update"]["b"] + 100.0
    first = normal(0, B, H)
    last, _ = jax.jit(lambda xs: unroll(cell, params, xs, first))(normal(1, T, B, D))
    np.testing.assert_allclose(last, first, rtol=1e-6)


# Gates in PyTorch's order, for each layer that PyTorch has.
PAIRS = {
    "rnn tanh": (RNN(H), ("hidden",), "RNN", {}),
    "rnn relu": (RNN(H, jax.nn.relu), ("hidden",), "RNN", {"nonlinearity": "relu"}),
    "lstm": (LSTM(H), ("input", "forget", "cell", "output"), "LSTM", {}),
    "gru": (GRU(H, reset_after=True), ("reset", "update", "candidate"), "GRU", {}),
}
FLAX = {
    "rnn tanh": nn.SimpleCell(H),
    "rnn relu": nn.SimpleCell(H, activation_fn=jax.nn.relu),
    "lstm": nn.OptimizedLSTMCell(H),
    "gru": nn.GRUCell(H),
}
# The letters of Flax's gates; those of the inputs' and of the carry's weights begin with i and h.
LETTERS = {
    "lstm": {"input": "i", "forget": "f", "cell": "g", "output": "o"},
    "gru": {"reset": "r", "update": "z", "candidate": "n"},
}


def ours(cell, params, xs, first, weights, mask=None):
    """Outputs, and the gradients of their weighted sum by parameters and inputs."""

    def value(params, xs):
        carry, ys = unroll(cell, params, xs, first, mask=mask)
        hidden = carry if isinstance(carry, jax.Array) else carry.h
        return (ys * weights).sum() + (hidden**2).sum(), ys

    return jax.jit(jax.grad(value, argnums=(0, 1), has_aux=True))(params, xs)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_equal_to_pytorch(name, drawn):
    torch = pytest.importorskip("torch")
    cell, gates, layer, options = PAIRS[name]
    params, xs, weights = drawn(cell.init, D), normal(2, T, B, D), normal(3, T, B, H)
    first = jax.tree.map(lambda c: normal(c.size, *c.shape), cell.carry(B))
    (gradients, dxs), ys = ours(cell, params, xs, first, weights)

    net = getattr(torch.nn, layer)(D, H, **options)

    def stacked(tree, name):
        rows = [tree[gate].get(name, np.zeros(H)) for gate in gates]
        return np.concatenate([np.asarray(row).T for row in rows]).astype(np.float32)

    theirs = {"weight_ih_l0": "x", "weight_hh_l0": "h", "bias_ih_l0": "b", "bias_hh_l0": "d"}
    with torch.no_grad():
        for target, source in theirs.items():
            getattr(net, target).copy_(torch.tensor(stacked(params, source)))
    inputs = torch.tensor(xs, requires_grad=True)
    start = jax.tree.map(lambda c: torch.tensor(c)[None], first)
    out, last = net(inputs, start if layer != "LSTM" else tuple(start))
    last = last[0] if layer == "LSTM" else last
    ((out * torch.tensor(weights)).sum() + (last**2).sum()).backward()

    close(ys, out.detach())
    close(dxs, inputs.grad)
    for target, source in theirs.items():
        if source == "d" and layer != "GRU":
            source = "b"  # PyTorch's second bias, which has the same gradient as the first
        rows = slice(-H, None) if source == "d" else slice(None)  # the candidate's alone is ours
        close(getattr(net, target).grad[rows], stacked(gradients, source)[rows])


def from_flax(name, theirs):
    """Flax's parameters, or their gradients, under our names."""

    def gate(of_x, of_h, biased):
        x, h, b = theirs[of_x]["kernel"], theirs[of_h]["kernel"], theirs[biased]["bias"]
        return {"x": x, "h": h, "b": b}

    if name.startswith("rnn"):
        return {"hidden": gate("i", "h", "i")}
    bias = "i" if name == "gru" else "h"
    params = {ours: gate("i" + g, "h" + g, bias + g) for ours, g in LETTERS[name].items()}
    if name == "gru":
        params["candidate"]["d"] = theirs["hn"]["bias"]
    return params


@pytest.mark.parametrize("name", PAIRS)
def test_equal_to_flax(name, drawn):
    """Ragged rows too; Flax leaves its padded outputs as they come, so they are weighted with 0."""
    cell, *_ = PAIRS[name]
    xs, weights = normal(2, T, B, D), np.where(MASK[..., None], normal(3, T, B, H), 0)
    layer = nn.RNN(FLAX[name], time_major=True, return_carry=True)
    variables = drawn(layer.init, xs)["params"]

    def value(params, xs):
        carry, ys = layer.apply({"params": params}, xs, seq_lengths=LENGTHS)
        hidden = carry[1] if name == "lstm" else carry
        return (ys * weights).sum() + (hidden**2).sum(), ys

    (theirs, dxs), ys = jax.jit(jax.grad(value, argnums=(0, 1), has_aux=True))(variables, xs)
    params = from_flax(name, variables["cell"])
    (gradients, ours_dxs), ours_ys = ours(cell, params, xs, cell.carry(B), weights, MASK)
    close(ours_ys, jnp.where(MASK[..., None], ys, 0))
    close(ours_dxs, dxs)
    jax.tree.map(close, gradients, from_flax(name, theirs["cell"]))
