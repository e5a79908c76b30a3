"""The loop: one call or many, one device or several, the same bits; sums and counts."""

import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from data.buckets import Buckets, bucket_shapes
from data.images import Images
from experiments.images import classification
from experiments.lenet5 import Config
from experiments.runtime.failures import Diverged
from experiments.runtime.mesh import block_of_batches, mesh_for, placed
from experiments.training.loop import (
    Ratio,
    Totals,
    evaluate,
    fit,
    gradient_of,
    init_state,
    make_step,
    stop_if_diverged,
)
from nets.perceptron import Perceptron

ROOT = pathlib.Path(__file__).resolve().parents[3]
STEPS, BATCH = 11, 4


def noisy_loss(params, variables, carry, batch, key):
    """Least squares with half of the inputs left out at random; both extras count the steps."""
    xs, ys = batch
    noise = jax.random.bernoulli(key, 0.5, xs.shape[1:])
    losses = jnp.square(jnp.tanh((xs * noise) @ params["w"]) - ys)
    metrics = {"loss": Ratio(losses.sum(), jnp.float32(len(xs))), "noise": Ratio(noise @ CODE, 1.0)}
    return losses.mean(), ({"seen": variables["seen"] + 1}, {"steps": carry["steps"] + 1}, metrics)


CODE = jnp.float32(2.0) ** jnp.arange(8)


def examples(step):
    """The batch of a step, from its number alone."""
    random = np.random.default_rng([5, step])
    return random.normal(size=(BATCH, 8)), random.normal(size=BATCH)


def first_state(optimizer):
    params = {"w": jnp.linspace(-0.5, 0.5, 8)}
    return init_state(params, optimizer, carry={"steps": 0}, variables={"seen": 0.0})


def trained(steps_per_call, *, start=None, num_steps=STEPS, every=4, stop_at=None):
    """The last state, the pauses with the totals of each, and the noise of each step."""
    mesh, optimizer = mesh_for(BATCH), optax.adam(0.1)
    state = placed(mesh, first_state(optimizer) if start is None else start)
    totals, pauses = Totals(), []

    def batches(first, count):
        block = [examples(step) for step in range(first, first + count)]
        columns = tuple(np.float32(column) for column in zip(*block, strict=True))
        return block_of_batches(mesh, columns, steps_per_call)

    def on_pause(state, now):
        pauses.append((now, dict(totals), jax.device_get(state)))
        totals.clear()
        return state

    state = fit(
        state, make_step(noisy_loss, optimizer, jax.random.key(3)), batches,
        num_steps=num_steps, steps_per_call=steps_per_call,
        next_pause=lambda now: (now // every + 1) * every, totals=totals, limit=1e3,
        on_call=lambda now: stop_at is not None and now >= stop_at, on_pause=on_pause,
    )  # fmt: skip
    return jax.device_get(state), pauses


@pytest.fixture(scope="module")
def straight():
    return trained(1)


def assert_same_bits(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for (path, a), b in zip(
        jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs), strict=True
    ):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), jax.tree_util.keystr(path)


@pytest.mark.parametrize("steps_per_call", [3, 7, 100])
def test_steps_in_one_call_change_no_bit(straight, steps_per_call):
    state, pauses = trained(steps_per_call)
    assert_same_bits(state, straight[0])
    assert [now for now, _, _ in pauses] == [4, 8, 11]
    for (_, ours, _), (_, theirs, _) in zip(pauses, straight[1], strict=True):
        assert ours == theirs  # the sums of the figures too


def test_a_run_resumed_at_a_pause_goes_on_with_the_same_bits(straight):
    _, pauses = straight
    resumed, _ = trained(3, start=pauses[0][2])
    assert_same_bits(resumed, straight[0])


def test_a_step_agrees_with_its_parts_by_hand():
    optimizer = optax.sgd(0.1)
    state = first_state(optimizer)
    batch = jax.tree.map(jnp.float32, examples(0))
    new, metrics = jax.jit(make_step(noisy_loss, optimizer, jax.random.key(3)))(state, batch)
    by_hand = jax.jit(jax.value_and_grad(noisy_loss, has_aux=True))
    (value, _), grads = by_hand(
        state.params, state.variables, state.carry, batch, jax.random.fold_in(jax.random.key(3), 0)
    )
    np.testing.assert_allclose(new.params["w"], state.params["w"] - 0.1 * grads["w"], rtol=1e-6)
    assert (int(new.step), int(new.carry["steps"]), float(new.variables["seen"])) == (1, 1, 1.0)
    assert metrics["objective"].total == pytest.approx(float(value))
    assert metrics["gradient_norm"].total == pytest.approx(np.linalg.norm(grads["w"]))
    assert metrics["parameter_norm"].total == pytest.approx(np.linalg.norm(new.params["w"]))


def test_noise_depends_on_the_step_and_not_on_the_split(straight):
    """A sum of CODE identifies the inputs that were kept; pausing at every step shows each one."""
    every_step = [totals["noise"] for _, totals, _ in trained(1, every=1)[1]]
    assert len(set(map(tuple, every_step))) > STEPS // 2
    in_blocks = [totals["noise"] for _, totals, _ in straight[1]]
    assert in_blocks[0] == [sum(total for total, _ in every_step[:4]), 4.0]


def test_a_requested_pause_has_read_all_figures():
    _, pauses = trained(2, stop_at=6)
    assert [(now, totals["loss"][1]) for now, totals, _ in pauses] == [
        (4, 4 * BATCH), (6, 2 * BATCH), (8, 2 * BATCH), (10, 2 * BATCH), (11, BATCH)
    ]  # fmt: skip


# Shapes


def bucketed(steps_per_call, start=None):
    """States by step, and how many programs were compiled, of batches in two shapes."""
    kept = {}
    lengths = np.repeat([2, 8], 20)
    shapes = bucket_shapes(lengths)
    buckets = Buckets(lengths, shapes, BATCH, seed=2, stretch=2)
    mesh, optimizer, compiled = mesh_for(BATCH), optax.sgd(0.1), []

    def loss(params, variables, carry, batch, key):
        xs = batch @ params["w"][: batch.shape[1]]
        return jnp.square(xs - 1).mean(), (variables, carry, {})

    def batches(first, count):
        bucket, rows = buckets.rows(first, count)
        numbers = np.float32(rows[..., None] % 7 * np.arange(shapes[bucket, 0]))
        return block_of_batches(mesh, numbers / 40, steps_per_call)

    def keep(state, now):
        kept[now] = jax.device_get(state)
        return state

    def listen(event, seconds, **details):
        if event.endswith("backend_compile_duration") and "run" in details.get("fun_name", ""):
            compiled.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    fit(
        placed(mesh, start or init_state({"w": jnp.zeros(8)}, optimizer)),
        make_step(loss, optimizer, jax.random.key(0)), batches, num_steps=40,
        steps_per_call=steps_per_call, next_pause=lambda now: (now // 15 + 1) * 15,
        totals=Totals(), limit=1e3, on_call=lambda now: False,
        same_shape=buckets.steps_of_one_shape,
        on_pause=keep,
    )  # fmt: skip
    jax.monitoring.unregister_event_duration_listener(listen)
    return kept, len(compiled)


def test_each_shape_is_compiled_once_and_calls_change_no_bit():
    straight, compiled = bucketed(1)
    assert compiled == 2
    together, compiled = bucketed(5)
    assert compiled == 2
    assert_same_bits(together, straight)
    assert_same_bits(bucketed(5, start=straight[15])[0][40], straight[40])


# Chunks


@pytest.mark.parametrize("chunk_size", [None, 1, 2, 3, 4, 8])
def test_chunks_of_a_batch_give_its_gradient(chunk_size):
    def loss(params, variables, carry, batch, key):
        xs, ys = batch
        losses = jnp.square(xs @ params["w"] - ys)
        return losses.mean(), (variables, carry, {"loss": Ratio(losses.sum(), float(len(xs)))})

    xs, ys = (np.float32(part) for part in examples(0))
    arguments = {"w": jnp.arange(8.0)}, {}, {}, (xs, ys), jax.random.key(0)
    (value, (_, _, metrics)), grads = jax.jit(gradient_of(loss, chunk_size))(*arguments)
    residuals = xs @ np.arange(8) - ys
    np.testing.assert_allclose(value, (residuals**2).mean(), rtol=1e-5)
    np.testing.assert_allclose(grads["w"], 2 * residuals @ xs / BATCH, rtol=1e-4, atol=1e-5)
    assert metrics["loss"].total / metrics["loss"].count == pytest.approx(float(value), rel=1e-5)


# Sums and counts


def test_totals_add_up_only_the_steps_that_were_made():
    totals = Totals()
    totals.add({"loss": Ratio(np.array([1.0, 2.0, 99.0]), np.array([2.0, 2.0, 99.0]))}, count=2)
    totals.add({"loss": Ratio(np.float32(6.0), np.float32(1.0)), "none": Ratio(0.0, 0.0)})
    assert totals.means() == {"loss": 9.0 / 5.0}
    assert evaluate(lambda x: {"x": Ratio(x, 1.0)}, [1.0, 2.0, 6.0]).means() == {"x": 3.0}


@pytest.mark.parametrize("batch_size", [1, 3, 7, 500])
def test_the_last_evaluation_batch_counts_its_examples_and_no_padding(batch_size, monkeypatch):
    monkeypatch.setattr(classification, "EVALUATION_BATCH", batch_size)
    random = np.random.default_rng(0)
    test = Images(random.integers(0, 256, (7, 28, 28), np.uint8), np.int32([0, 1, 0, 3, 0, 5, 0]))
    params = {"FullConnection_0": dict(weights=random.normal(size=(784, 10)), bias=np.zeros(10))}
    net, config = Perceptron(), Config(loss="cross_entropy", loss_scale=1.0)
    predict = classification.make_predict(net)
    state = init_state(jax.tree.map(jnp.float32, params), optax.identity())
    evaluate_splits = classification.make_evaluate(config, predict, {"test": test}, mesh_for(1))
    found = evaluate_splits(state)["test"]
    scores = np.asarray(predict(state.params, {}, test.images), np.float64)
    expected = np.log(np.exp(scores - scores.max(1)[:, None]).sum(1)) + scores.max(1)
    expected -= scores[range(7), test.labels]
    assert found["error_percent"] == pytest.approx(100 * (scores.argmax(1) != test.labels).mean())
    assert found["loss"] == pytest.approx(expected.mean(), rel=1e-5)


# Divergence


def figures(loss, norm):
    """The figures of the steps from 11 on, as a call returns them."""
    ones = np.ones(len(loss))
    return {
        "objective": Ratio(np.float32(loss), ones),
        "parameter_norm": Ratio(np.float32(norm), ones),
    }


@pytest.mark.parametrize(
    ("loss", "norm", "step"),
    [
        ([1, np.nan, np.inf], [1, 1, 1], 12),
        ([1, 2, 3], [1, 2, 11], 13),
        ([1, 2, 3], [np.nan, 2, 3], 11),
    ],
)
def test_divergence_is_reported_with_its_step(loss, norm, step):
    with pytest.raises(Diverged, match=f"diverged at step {step}:"):
        stop_if_diverged(figures(loss, norm), 10, 3, limit=10.0)


def test_steps_that_a_call_did_not_make_cannot_diverge():
    stop_if_diverged(figures([1, 2, np.nan], [1, 10, 10]), 10, 2, limit=10.0)


# Devices

ON_FOUR_DEVICES = """
import types
import experiments
import jax, numpy as np, optax
from data.images import Images
from experiments.images import classification
from experiments.lenet5 import Config
from experiments.runtime.mesh import mesh_for, placed
from experiments.language import running_text
from experiments.training.loop import init_state, make_step, many_in_place
from nets import cells
from nets.language_model import LanguageModel
from nets.perceptron import Perceptron

assert len(jax.devices()) == 4
assert [mesh_for(n).size for n in (1, 2, 3, 4, 6, 7, 12)] == [1, 2, 3, 4, 3, 1, 4]
random = np.random.default_rng(0)
images = Images(random.integers(0, 256, (30, 28, 28), np.uint8), np.arange(30, dtype=np.int32) % 10)
net, optimizer = Perceptron(), optax.adam(0.01)
params = jax.jit(net.init)(jax.random.key(0), images.images[:1])["params"]


def trained(config, mesh):
    step = make_step(classification.make_loss(config, net), optimizer, jax.random.key(0))
    state = placed(mesh, init_state(jax.tree.map(np.asarray, params), optimizer))
    block = classification.make_batches(config, images, mesh)(0, config.steps_per_call)
    assert len(block.images.sharding.device_set) == mesh.size
    state, metrics = many_in_place(step, state)(state, block, config.steps_per_call)
    return np.asarray(metrics["objective"].total), jax.device_get(state.params)


config = Config(loss="cross_entropy", loss_scale=1.0, batch_size=8, steps_per_call=5)
shared, one = trained(config, mesh_for(8)), trained(config, mesh_for(1))
for ours, theirs in zip(jax.tree.leaves(shared), jax.tree.leaves(one), strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)

config = Config(loss="cross_entropy", loss_scale=1.0, batch_size=1, steps_per_call=5)
assert np.isfinite(trained(config, mesh_for(1))[0]).all()

model = LanguageModel((cells.LSTM(6),), 5)
text = np.tile(np.arange(5, dtype=np.int32), 40)
settings = types.SimpleNamespace(batch_size=4, unroll=7, steps_per_call=3)


def written(mesh):
    step = make_step(running_text.make_loss(model), optax.sgd(0.1), jax.random.key(0))
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    params = jax.tree.map(lambda x: np.sin(np.arange(x.size, dtype="f4")).reshape(x.shape), shapes)
    state = placed(mesh, init_state(params, optax.sgd(0.1), carry=model.carry(4)))
    block = running_text.make_batches(settings, text, mesh)(0, 3)
    state, metrics = many_in_place(step, state)(state, block, 3)
    for leaf in jax.tree.leaves(state.carry):  # each device has its rows of the carry alone
        assert leaf.addressable_shards[0].data.shape == (4 // mesh.size, 6)
    return np.asarray(metrics["objective"].total), jax.device_get(state.carry)


for ours, theirs in zip(*map(jax.tree.leaves, map(written, map(mesh_for, (4, 1)))), strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
"""


def test_four_devices_compute_what_one_does():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", ON_FOUR_DEVICES], cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
