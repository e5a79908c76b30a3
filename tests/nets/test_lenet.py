"""LeNet-5 against the paper: its counts, TABLE I, each layer by hand, the whole by loops.

bitmaps.py and perceptron.py are tested here too.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from nets import lenet
from nets.bitmaps import digit_bitmaps
from nets.convolution import from_tiles, to_tiles
from nets.perceptron import Perceptron

pytestmark = pytest.mark.usefixtures("quick_compilation")

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
LABELS = np.array([7, 0, 3])


def shapes(net: nn.Module):
    return jax.eval_shape(net.init, jax.random.key(0), IMAGES[:1])["params"]


def any_parameters(net: nn.Module):
    """Parameters as large as initial ones, drawn without compiling the initialisation."""
    random = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: random.uniform(-0.15, 0.15, leaf.shape).astype(np.float32), shapes(net)
    )


def counts(params) -> dict[str, int]:
    """Layer -> its number of parameters."""
    return {
        layer: sum(leaf.size for leaf in jax.tree.leaves(tree)) for layer, tree in params.items()
    }


@pytest.fixture(scope="module")
def params():
    return any_parameters(lenet.LeNet5())


# Sizes


def test_layers_have_the_papers_counts():
    expected = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48_120, "F6": 10_164}
    assert counts(shapes(lenet.LeNet5())) == expected
    assert sum(expected.values()) == 60_000


@pytest.mark.parametrize(
    ("net", "total"),
    [
        (lenet.LeNet5(softmax=True), 60_850),
        (lenet.LeNet1(), 2_578),
        (lenet.LeNet4(), 51_090),
        (Perceptron(), 7_850),
        (Perceptron(hidden=(300, 100)), 266_610),
    ],
)
def test_totals(net, total):
    assert sum(counts(shapes(net)).values()) == total


def test_table_i():
    assert lenet.TABLE_I == (
        *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
        *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
        *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
        (0, 1, 2, 3, 4, 5),
    )
    inputs = np.concatenate(lenet.TABLE_I)
    assert len(inputs) == 60 and np.bincount(inputs).tolist() == [10] * 6
    assert len(set(lenet.TABLE_I)) == 16  # no two maps have the same inputs: breaks the symmetry


# Connections


def test_a_map_of_c3_depends_on_the_maps_of_table_i_alone(params):
    layer = lenet.Convolution(lenet.TABLE_I)

    def sums(maps):
        tiles = to_tiles(maps[..., None], 2)
        return layer.apply({"params": params["C3"]}, tiles).sum((0, 1, 3, 4, 5))  # [16]

    maps = np.random.default_rng(1).normal(size=(6, 14, 14)).astype(np.float32)
    depends = np.abs(jax.jit(jax.jacobian(sums))(maps)).max((2, 3)) > 0  # [16, 6]
    assert [tuple(np.flatnonzero(row)) for row in depends] == list(lenet.TABLE_I)


def test_kernels_of_c3_are_in_the_order_of_table_i(params):
    kernel, bias = (np.asarray(params["C3"][name], np.float64) for name in ("kernel", "bias"))
    maps = np.random.default_rng(2).normal(size=(6, 14, 14, 1))
    layer = lenet.Convolution(lenet.TABLE_I)
    found = from_tiles(layer.apply({"params": params["C3"]}, to_tiles(maps, 2)))
    pairs = [(i, o) for o, inputs in enumerate(lenet.TABLE_I) for i in inputs]
    row, column = 3, 8
    sums = bias.copy()
    for n, (i, o) in enumerate(pairs):
        patch = maps[i, row : row + 5, column : column + 5, 0]
        sums[o] += (patch * kernel[:, :, n]).sum()
    np.testing.assert_allclose(found[:, row, column, 0], squash(sums), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("net", "loss"),
    [
        (lenet.LeNet5(), lambda scores, labels: lenet.map_loss(scores, labels, 1.0)),
        (lenet.LeNet5(softmax=True), lenet.cross_entropy),
        (lenet.LeNet1(), lenet.cross_entropy),
        (Perceptron(hidden=(30,)), lenet.cross_entropy),
    ],
    ids=["map", "softmax", "lenet1", "perceptron"],
)
def test_every_parameter_moves_in_one_step(net, loss):
    images = np.random.default_rng(3).integers(0, 256, (40, 28, 28), np.uint8)

    def total(params):
        return loss(net.apply({"params": params}, images), np.arange(40) % 10).sum()

    grads = jax.jit(jax.grad(total))(any_parameters(net))
    still = {
        jax.tree_util.keystr(path): int((leaf == 0).sum())
        for path, leaf in jax.tree.leaves_with_path(grads)
    }
    assert still == dict.fromkeys(still, 0)


# Units and layers


def squash(a):
    return 1.7159 * np.tanh(2 / 3 * np.asarray(a, np.float64))


def test_squash_maps_one_to_one_and_has_its_largest_curvature_there():
    np.testing.assert_allclose(lenet.squash(jnp.array([-1.0, 0.0, 1.0])), [-1, 0, 1], atol=2e-5)
    a = np.linspace(0, 3, 3001)
    second = np.abs(np.gradient(np.gradient(squash(a), a), a))
    assert a[second[5:-5].argmax() + 5] == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(lenet.squash(a), squash(a), rtol=2e-6, atol=1e-7)


def test_retina_centres_the_digit_and_scales_its_ink():
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, 0, 27], images[1] = 255, 51
    field = np.asarray(from_tiles(lenet.retina(images)))
    assert field.shape == (1, 32, 32, 2)
    white = np.full((32, 32), -0.1)
    white[2, 29] = 1.175
    np.testing.assert_allclose(field[0, :, :, 0], white, rtol=1e-6)
    np.testing.assert_allclose(field[0, 2:30, 2:30, 1], 0.155, rtol=1e-5)


def test_subsampling_is_the_lectures_formula():
    maps = np.random.default_rng(4).normal(size=(3, 6, 4, 2)).astype(np.float32)
    coefficient, bias = np.array([0.3, -0.7, 2.0]), np.array([0.1, 0.0, -0.4])
    params = dict(coefficient=coefficient, bias=bias)
    found = from_tiles(lenet.Subsampling().apply({"params": params}, to_tiles(maps, 2)))
    assert found.shape == (3, 3, 2, 2)
    for c, i, j, b in np.ndindex(found.shape):
        x1, x2, x3, x4 = (maps[c, 2 * i + m, 2 * j + n, b] for m in (0, 1) for n in (0, 1))
        expected = squash(bias[c] + coefficient[c] * (x1 + x2 + x3 + x4))
        assert found[c, i, j, b] == pytest.approx(expected, rel=1e-5)


def test_radial_basis_units_measure_squared_distances():
    xs = np.array([[0.5, -1.0, 1.0], [1.0, 1.0, -1.0]])
    codes = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
    np.testing.assert_allclose(lenet.squared_distances(xs, codes), [[0.25, 10.25], [8.0, 4.0]])


def test_first_weights_are_uniform_within_the_bound_of_their_fan_in():
    params = jax.jit(lenet.LeNet5().init)(jax.random.key(0), IMAGES[:1])["params"]
    maps_seen = np.array([len(inputs) for inputs in lenet.TABLE_I])
    fan_in = {
        "C1": dict(kernel=25, bias=25),
        "S2": dict(coefficient=4, bias=4),
        "C3": dict(kernel=25 * np.repeat(maps_seen, maps_seen), bias=25 * maps_seen),
        "S4": dict(coefficient=4, bias=4),
        "C5": dict(weights=400, bias=400),
        "F6": dict(weights=120, bias=120),
    }
    relative = jax.tree.map(lambda leaf, inputs: np.asarray(leaf) * inputs / 2.4, params, fan_in)
    for layer, leaves in relative.items():
        for name, leaf in leaves.items():
            assert np.abs(leaf).max() <= 1 + 1e-6, (layer, name)
            if leaf.size > 100:
                assert np.abs(leaf).max() > 0.95, (layer, name)
                assert leaf.std() == pytest.approx(1 / np.sqrt(3), rel=0.1), (layer, name)
                assert leaf.mean() == pytest.approx(0, abs=4 * 0.58 / np.sqrt(leaf.size))
    assert np.abs(relative["C3"]["kernel"]).max((0, 1)).min() > 0.7  # each kernel uses its range


def test_bitmaps_are_ten_distant_codes():
    codes = digit_bitmaps()
    assert codes.shape == (10, 7 * 12) and set(np.unique(codes)) == {-1.0, 1.0}
    differing = (codes[:, None] != codes).sum(-1)
    apart = differing[~np.eye(10, dtype=bool)]
    assert apart.min() == 25  # of 84


# Losses


def penalties_and_labels():
    penalties = np.random.default_rng(5).uniform(0, 8, (5, 10))
    return penalties, np.array([0, 9, 4, 4, 2])


def test_equation_8_is_the_penalty_of_the_right_class():
    penalties, labels = penalties_and_labels()
    found = lenet.mse_loss(-jnp.asarray(penalties), jnp.asarray(labels))
    np.testing.assert_allclose(found, [penalties[p, d] for p, d in enumerate(labels)], rtol=1e-6)


@pytest.mark.parametrize("j", [0.5, 1.0, 100.0])
def test_equation_9_by_hand(j):
    penalties, labels = penalties_and_labels()
    found = lenet.map_loss(-jnp.asarray(penalties), jnp.asarray(labels), j)
    expected = [
        y[d] + np.log(np.exp(-j) + np.exp(-y).sum())
        for y, d in zip(penalties, labels, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_equation_9_pushes_rivals_away_where_equation_8_is_blind():
    penalties = jnp.arange(10.0)[None]
    right = jnp.array([3])
    mse = jax.grad(lambda y: lenet.mse_loss(-y, right).sum())(penalties)[0]
    map_ = jax.grad(lambda y: lenet.map_loss(-y, right, 1.0).sum())(penalties)[0]
    rivals = np.arange(10) != 3
    assert (mse[rivals] == 0).all() and (map_[rivals] < 0).all()
    assert 0 < map_[3] < mse[3] == 1
    assert (np.diff(map_[rivals]) > 0).all()  # the nearest rival is pushed hardest


def test_cross_entropy_is_the_negative_log_of_the_softmax():
    scores = np.random.default_rng(6).normal(size=(4, 10))
    found = lenet.cross_entropy(jnp.asarray(scores), jnp.array([1, 2, 3, 9]))
    expected = logsumexp(scores, axis=1) - scores[range(4), [1, 2, 3, 9]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# The whole net


def convolved(maps, layer, connections):
    """Convolution and squash, one output unit at a time; maps [H, W, C] of float64."""
    kernel, bias = layer["kernel"], layer["bias"]
    height, width = maps.shape[0] - 4, maps.shape[1] - 4
    out = np.empty((height, width, len(connections)))
    first = 0
    for o, inputs in enumerate(connections):
        kernels = kernel[:, :, first : first + len(inputs)]
        first += len(inputs)
        for i, j in np.ndindex(height, width):
            patch = maps[i : i + 5, j : j + 5, list(inputs)]
            out[i, j, o] = bias[o] + (patch * kernels).sum()
    return squash(out)


def halved(maps, coefficient, bias):
    four = maps[::2, ::2] + maps[1::2, ::2] + maps[::2, 1::2] + maps[1::2, 1::2]
    return squash(bias + coefficient * four)


def scores_by_loops(params, image):
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    field = np.full((32, 32, 1), -0.1)
    field[2:30, 2:30, 0] = image / 255 * 1.275 - 0.1
    maps = halved(convolved(field, p["C1"], [[0]] * 6), **p["S2"])
    maps = halved(convolved(maps, p["C3"], lenet.TABLE_I), **p["S4"])
    c5 = squash(p["C5"]["bias"] + maps.ravel() @ p["C5"]["weights"])
    f6 = squash(p["F6"]["bias"] + c5 @ p["F6"]["weights"])
    return np.array([-((f6 - code) ** 2).sum() for code in digit_bitmaps()])


def test_the_whole_net_equals_loops_in_double_precision(params):
    found = jax.jit(lenet.LeNet5().apply)({"params": params}, IMAGES[:2])
    expected = [scores_by_loops(params, image) for image in IMAGES[:2]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def torch_scores(torch, p, images):
    """The same net in PyTorch's own layers, with its layout [B, C, H, W]."""
    f = torch.nn.functional

    def squashed(a):
        return 1.7159 * torch.tanh(2 / 3 * a)

    def convolution(maps, layer, connections):
        whole = torch.zeros(len(connections), maps.shape[1], 5, 5, dtype=maps.dtype)
        outputs = [o for o, inputs in enumerate(connections) for _ in inputs]
        inputs = [i for inputs in connections for i in inputs]
        whole = whole.index_put(
            (torch.tensor(outputs), torch.tensor(inputs)), layer["kernel"].permute(2, 0, 1)
        )
        return squashed(f.conv2d(maps, whole, layer["bias"]))

    def subsampling(maps, layer):
        four = 4 * f.avg_pool2d(maps, 2)
        return squashed(
            layer["bias"][:, None, None] + layer["coefficient"][:, None, None] * four
        )

    field = f.pad(torch.tensor(images) / 255.0 * 1.275 - 0.1, (2, 2, 2, 2), value=-0.1)
    maps = field.to(torch.float64)[:, None]
    maps = subsampling(convolution(maps, p["C1"], [[0]] * 6), p["S2"])
    maps = subsampling(convolution(maps, p["C3"], lenet.TABLE_I), p["S4"])
    flat = maps.permute(0, 2, 3, 1).flatten(1)
    c5 = squashed(f.linear(flat, p["C5"]["weights"].T, p["C5"]["bias"]))
    f6 = squashed(f.linear(c5, p["F6"]["weights"].T, p["F6"]["bias"]))
    return -torch.cdist(f6, torch.tensor(digit_bitmaps(), dtype=torch.float64)) ** 2


def test_equals_pytorch_with_the_same_weights_gradients_too(params):
    torch = pytest.importorskip("torch")
    theirs = jax.tree.map(
        lambda leaf: torch.tensor(np.asarray(leaf, np.float64), requires_grad=True), params
    )
    scores = torch_scores(torch, theirs, IMAGES)
    rivals = torch.cat([scores, torch.full((3, 1), -1.0, dtype=torch.float64)], 1)
    labels = torch.tensor(LABELS)
    loss = (torch.logsumexp(rivals, 1) - scores.gather(1, labels[:, None])[:, 0]).mean()
    loss.backward()

    def mean_loss(params):
        found = lenet.LeNet5().apply({"params": params}, IMAGES)
        return lenet.map_loss(found, LABELS, 1.0).mean(), found

    (value, found), grads = jax.jit(jax.value_and_grad(mean_loss, has_aux=True))(params)
    np.testing.assert_allclose(found, scores.detach(), rtol=1e-5)
    assert value == pytest.approx(loss.item(), rel=1e-5)
    for (path, ours), leaf in zip(
        jax.tree.leaves_with_path(grads), jax.tree.leaves(theirs), strict=True
    ):
        scale = float(leaf.grad.abs().max())
        np.testing.assert_allclose(
            ours, leaf.grad, rtol=1e-3, atol=1e-4 * scale, err_msg=jax.tree_util.keystr(path)
        )
