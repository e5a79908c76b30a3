"""Feed-forward nets side by side: the update by hand, seeds by themselves, runs, own tables."""

import dataclasses
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data import cmu_faces
from data.tables import TEST, TRAIN, VALID
from experiments import dnn
from experiments.export.__main__ import main as export
from experiments.images import dnn_report
from experiments.images.copies import Copies, example_losses, replayed
from experiments.images.dnn_scores import spread
from experiments.runtime.mesh import mesh_for
from experiments.training.loop import init_state, make_step, many

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = dataclasses.replace(
    dnn.Config(), hidden="5,4", seeds=3, num_steps=6, batch_size=8, steps_per_call=3,
    eval_every=3, checkpoint_every=3,
)  # fmt: skip
FLAGS = ("--hidden=5,4", "--seeds=3", "--num_steps=6", "--batch_size=8", "--steps_per_call=3",
         "--eval_every=3", "--checkpoint_every=3")  # fmt: skip


@pytest.fixture
def command(run_main):
    return lambda *words: run_main(words, dnn.PRESETS, dnn.run)


def copies_of(config):
    table, groups = dnn.load(config)
    net = dnn.make_net(config, table.inputs.shape[1], len(table.classes))
    return Copies(config, net, table, groups)


def trained(config, steps):
    copies, optimizer = copies_of(config), dnn.make_optimizer(config)
    run = many(make_step(copies.loss, optimizer, jax.random.key(9)))
    state, batches = init_state(copies.init(), optimizer), copies.batches(mesh_for(1))
    for first in range(0, steps, config.steps_per_call):
        state, metrics = run(state, batches(first, config.steps_per_call), config.steps_per_call)
    return jax.device_get(state.params), metrics


# ---- The update rules


def test_adagrad_by_hand():
    """Its accumulator begins at 0.1, and there is no epsilon."""
    optimizer = dnn.make_optimizer(dnn.Config())
    params = jnp.array([1.0, -2.0, 3.0])
    state, sums, expected = optimizer.init(params), np.full(3, 0.1), np.array(params)
    for gradient in ([0.3, 0.0, -4.0], [-1.0, 1e-4, 2.0]):
        updates, state = optimizer.update(jnp.array(gradient), state, params)
        params = params + updates
        sums += np.square(gradient)
        expected -= 0.05 * np.array(gradient) / np.sqrt(sums)
        np.testing.assert_allclose(params, expected, rtol=1e-6)


def test_momentum_by_hand():
    """A step's change is -rate g + momentum times the change before, as Mitchell writes it."""
    optimizer = dnn.make_optimizer(dnn.PRESETS["faces"])
    params, change = jnp.array([1.0]), 0.0
    state, expected = optimizer.init(params), 1.0
    for gradient in (0.5, -0.2, 0.1):
        updates, state = optimizer.update(jnp.array([gradient]), state, params)
        params, change = params + updates, -0.3 * gradient + 0.3 * change
        expected += change
        np.testing.assert_allclose(params, [expected], rtol=1e-6)


def test_losses_by_hand():
    sums, labels = np.array([[2.0, -1.0, 0.5]]), np.array([1])
    p = np.exp(sums[0]) / np.exp(sums[0]).sum()
    [found] = example_losses("cross_entropy", sums, labels)
    assert found == pytest.approx(-np.log(p[1]), rel=1e-6)
    errors = 1 / (1 + np.exp(-sums[0])) - np.array([0.1, 0.9, 0.1])
    expected = np.square(errors).sum() / 2
    assert example_losses("squared", sums, labels)[0] == pytest.approx(expected, rel=1e-6)


# ---- Copies side by side


def test_a_seed_is_the_same_alone_as_among_others():
    alone, _ = trained(dataclasses.replace(SMALL, seed=1, seeds=1, beside="none"), 6)
    among, _ = trained(SMALL, 6)
    for one, many_ in zip(jax.tree.leaves(alone), jax.tree.leaves(among), strict=True):
        np.testing.assert_allclose(one[0], many_[1], rtol=1e-5, atol=1e-7)


def test_the_groups_differ_in_the_reduction_alone():
    params, metrics = trained(SMALL, 3)
    averaged, _ = trained(dataclasses.replace(SMALL, reduction="mean", beside="none"), 3)
    for both, one in zip(jax.tree.leaves(params), jax.tree.leaves(averaged), strict=True):
        np.testing.assert_allclose(both[3:], one, rtol=1e-5, atol=1e-7)
        assert not np.allclose(both[:3], one)
    first = jax.device_get(copies_of(SMALL).init())
    assert all((xs[:3] == xs[3:]).all() for xs in jax.tree.leaves(first))
    assert metrics["loss"].total[0] == metrics["averaged_loss_loss"].total[0]


def test_the_gradient_of_each_copy_is_its_own():
    copies = copies_of(SMALL)
    params = copies.init()
    batch = jax.tree.map(lambda xs: xs[0], copies.batches(mesh_for(1))(0, 1))
    gradient_of = jax.jit(jax.grad(lambda params: copies.loss(params, {}, {}, batch, None)[0]))
    gradient = gradient_of(params)
    for place, scale in ((1, 1), (4, 1 / 8)):  # the second seed: summed, averaged
        one = jax.tree.map(lambda xs, place=place: xs[place], params)

        def loss(one):
            sums = copies.net.sums(one, batch.inputs[:, 0, 1])
            return example_losses("cross_entropy", sums, batch.labels[:, 0, 1]).sum()

        own = jax.tree.map(lambda xs, scale=scale: scale * xs, jax.jit(jax.grad(loss))(one))
        for whole, part in zip(jax.tree.leaves(gradient), jax.tree.leaves(own), strict=True):
            np.testing.assert_allclose(whole[place], part, rtol=1e-4, atol=1e-6)


def test_the_lectures_net_has_513_parameters():
    params = jax.eval_shape(copies_of(dnn.Config()).init)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 200 * 513


def test_the_first_copy_made_again_is_the_runs():
    optimizer = dnn.make_optimizer(SMALL)
    after = list(replayed(copies_of(SMALL), optimizer, {}, (2, 6)))
    expected, _ = trained(SMALL, 6)
    for one, many_ in zip(*map(jax.tree.leaves, (after[1], expected)), strict=True):
        np.testing.assert_allclose(one, many_[0], rtol=1e-5, atol=1e-7)
    assert not np.allclose(after[0][0]["weights"], after[1][0]["weights"])


def test_the_spread_of_accuracies():
    figures = spread("x_", np.array([95.0, 20.0, 90.0, 89.9]), seed=7)
    assert figures["x_median_accuracy_percent"] == pytest.approx(89.95)
    assert figures["x_lowest_accuracy_percent"] == 20 and figures["x_seeds_reaching_90"] == 2
    assert figures["x_accuracy_percent_seed_8"] == 20


def test_the_other_columns_follow_the_two():
    random = np.random.default_rng(0)
    pair = random.normal(size=(30, 2))
    inputs = np.stack([pair[:, 0], 2 * pair[:, 0] - pair[:, 1] + 3, pair[:, 1]], 1)
    rows = dnn_report.completed(inputs, np.array([[1.0, 2.0]]), 0, 2)
    np.testing.assert_allclose(rows, [[1, 3, 2]], rtol=1e-5)


# ---- Runs


def test_a_run_on_iris_resumes_with_the_same_figures(tmp_path, command, monkeypatch, cut_at):
    straight, cut = (tmp_path / name for name in ("straight", "cut"))
    status, out, error = command(*FLAGS, f"--workdir={straight}")
    assert status == 0, error
    assert "6 nets on iris, 120 rows for training, 30 for testing" in out
    result = json.loads((straight / "result.json").read_text())
    metrics = result["metrics"]
    assert result["parameters"] == 4 * 5 + 5 + 5 * 4 + 4 + 4 * 3 + 3
    seeds = [metrics[f"test_accuracy_percent_seed_{n}"] for n in range(3)]
    assert metrics["test_median_accuracy_percent"] == np.median(seeds)
    assert metrics["test_accuracy_percent"] == pytest.approx(np.mean(seeds))
    assert {"test_dead_seeds", "test_averaged_loss_dead_seeds"} <= {*metrics}
    page = (straight / "report.html").read_text()
    assert all(title in page for title in ("Decision regions", "Hidden units", "New flowers"))
    monkeypatch.setattr(dnn_report, "write", lambda *_: None)
    with cut_at(3):
        assert command(*FLAGS, f"--workdir={cut}")[0] == 143
    status, out, _ = command(*FLAGS, f"--workdir={cut}")
    assert status == 0 and "resuming at step 3" in out
    assert (cut / "metrics.jsonl").read_text() == (straight / "metrics.jsonl").read_text()
    assert json.loads((cut / "result.json").read_text())["metrics"] == metrics


def write_table(folder, name="own.csv"):
    random = np.random.default_rng(0)
    lines = ["width,colour,<b>height</b>,kind"]
    for n in range(40):
        x = random.normal(size=3) + n % 2
        lines.append(f"{1000 * x[0]:.3f},{x[1]:.3f},{x[2]:.3f},{('cat', '<i>dog</i>')[n % 2]}")
    (folder / name).write_text("\n".join(lines))
    return folder / name


def test_ones_own_table_with_a_validation_part(tmp_path, command):
    words = (*FLAGS, f"--dataset={write_table(tmp_path)}", "--class_column=kind", "--standardise",
             "--valid_percent=20", "--beside=none", f"--workdir={tmp_path / 'run'}")  # fmt: skip
    status, out, error = command(*words)
    assert status == 0, error
    assert "24 rows for training, 8 for validation, 8 for testing" in out
    page = (tmp_path / "run" / "report.html").read_text()
    assert "&lt;b&gt;height" in page and "<b>height" not in page and "<i>dog" not in page
    out = tmp_path / "exported"
    assert export([f"--workdir={tmp_path / 'run'}", f"--out={out}"]) == 0
    described = json.loads((out / "export.json").read_text())
    assert described["columns"] == ["width", "colour", "<b>height</b>"]
    assert described["classes"] == ["<i>dog</i>", "cat"]
    other = write_table(tmp_path)
    other.write_text(other.read_text().replace("cat", "cow"))
    status, _, error = command(*words[:-1], f"--workdir={tmp_path / 'run'}")
    assert status == 2 and "classes" in error


@pytest.mark.parametrize("beside", ["none", "reduction"])
def test_the_exported_net_is_the_first_seeds(tmp_path, command, monkeypatch, beside):
    monkeypatch.setattr(dnn_report, "write", lambda *_: None)
    run, out = tmp_path / "run", tmp_path / "exported"
    assert command(*FLAGS, f"--beside={beside}", "--standardise", f"--workdir={run}")[0] == 0
    assert export([f"--workdir={run}", f"--out={out}"]) == 0
    forward = jax.export.deserialize(bytearray((out / "forward.jax").read_bytes()))
    import safetensors.numpy

    params = safetensors.numpy.load_file(out / "parameters.safetensors")
    table, _ = dnn.load(SMALL)
    parts = dnn.iris.load()[1]
    sums = forward.call(params, {"rows": table.inputs[parts == TEST]})["sums"]
    right = 100 * (np.asarray(sums).argmax(-1) == table.labels[parts == TEST]).mean()
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    assert right == pytest.approx(metrics["test_accuracy_percent_seed_0"])


@pytest.fixture
def few_faces(monkeypatch):
    """Forty faces of noise, five people's, in the place of the published ones."""
    random = np.random.default_rng(0)
    poses = cmu_faces.TARGETS["pose"][1]
    names = [f"p{n // 8}_{poses[n % 4]}_sad_{('open', 'sunglasses')[n // 4 % 2]}"
             for n in range(40)]  # fmt: skip
    images = random.integers(0, 256, (40, 30, 32), np.uint8)
    monkeypatch.setattr(
        cmu_faces, "load", lambda target, raw_dir: cmu_faces.labelled(names, images, target)
    )
    for name, count in (("VALID_FACES", 8), ("TEST_FACES", 12), ("VALID_PEOPLE", 1),
                        ("TEST_PEOPLE", 2)):  # fmt: skip
        monkeypatch.setattr(dnn, name, count)


FACE_FLAGS = ("--preset=faces", "--seeds=2", "--num_steps=40", "--eval_every=20",
              "--checkpoint_every=20", "--steps_per_call=20")  # fmt: skip


def test_a_run_on_faces_keeps_each_net_at_its_best(tmp_path, command, few_faces):
    status, out, error = command(*FACE_FLAGS, f"--workdir={tmp_path}")
    assert status == 0, error
    assert "20 rows for training, 8 for validation, 12 for testing" in out
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["parameters"] == 2899 and "test_new_people_accuracy_percent" in result["metrics"]
    assert result["kept"].startswith("best")
    page = (tmp_path / "report.html").read_text()
    assert "weights after 1 pass" in page and "Wrong, from left to right" in page
    out = tmp_path / "exported"
    assert export([f"--workdir={tmp_path}", f"--out={out}"]) == 0
    assert json.loads((out / "export.json").read_text())["parameter_count"] == 2899


def test_people_are_in_one_part(few_faces):
    config = dataclasses.replace(dnn.PRESETS["faces"], seeds=2)
    _, (mixed, apart) = dnn.load(config)
    people = cmu_faces.load("person", None).labels
    for parts in apart.parts:
        assert all(len(set(parts[people == n].tolist())) == 1 for n in range(5))
    for parts in mixed.parts:
        assert [int((parts == p).sum()) for p in (TRAIN, VALID, TEST)] == [20, 8, 12]
    assert (mixed.parts[0] != mixed.parts[1]).any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset=irises"], "choose iris, cmu_faces, or a file's path such as ./irises.csv"),
        (["--dataset=./none.csv"], "none.csv cannot be read"),
        (["--hidden=5,x"], "--hidden=5,x: give whole numbers"),
        (["--hidden=0"], "--hidden=0: give whole numbers"),
        (["--beside=people"], "--beside=people: --dataset=iris has no people"),
        (["--class_column=kind"], "--class_column is for your own table"),
        (["--valid_percent=20"], "--valid_percent is for your own table"),
        (["--target=person"], "--target is for faces"),
        (["--preset=face"], "choose one of quick, faces, faces-30"),
    ],
)
def test_mistakes_get_a_sentence(command, tmp_path, words, message):
    status, _, error = command(*words, f"--workdir={tmp_path / 'run'}")
    assert status == 2 and message in error and "Traceback" not in error


def test_published_figures_are_those_of_the_preset():
    assert dnn.published(dnn.Config())["test_median_accuracy_percent"].value == 96.6667
    assert dnn.published(dataclasses.replace(dnn.Config(), hidden="5")) == {}
    assert dnn.published(dnn.PRESETS["faces-30"]) == {}


def test_a_standardised_column_has_mean_0_and_variance_1():
    table, groups = dnn.load(SMALL)
    table = table._replace(inputs=table.inputs * [1, 0, 1, 1])  # one column is constant
    scale = dnn.scale(dataclasses.replace(SMALL, standardise=True), table, groups)
    training = (table.inputs - scale["mean"])[groups[0].parts[0] == TRAIN] / scale["deviation"]
    np.testing.assert_allclose(training.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(training.std(0), [1, 0, 1, 1], rtol=1e-4)


def test_wide_rows_are_sent_in_smaller_blocks():
    table, _ = dnn.load(SMALL)
    assert dnn.with_fewer_steps_in_a_call(dnn.Config(), table).steps_per_call == 50
    wide = table._replace(inputs=np.zeros((9, 1000), np.float32))
    assert dnn.with_fewer_steps_in_a_call(dnn.Config(), wide).steps_per_call == 2
    wide = table._replace(inputs=np.zeros((9, 10_000), np.float32))
    assert dnn.with_fewer_steps_in_a_call(dnn.Config(), wide).steps_per_call == 1


@pytest.mark.thorough
def test_two_devices_give_the_figures_of_one(tmp_path, quick_processes):
    results = []
    for devices in (1, 2):
        run = tmp_path / str(devices)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "experiments.dnn", *FLAGS, f"--workdir={run}",
             f"--num_cpu_devices={devices}"], capture_output=True, text=True, env=quick_processes,
        )  # fmt: skip
        assert done.returncode == 0 and f"{devices} x cpu" in done.stdout, done.stderr
        results.append(json.loads((run / "result.json").read_text())["metrics"])
    assert results[1] == pytest.approx(results[0], rel=1e-4)


@pytest.mark.thorough
def test_the_lectures_program_reaches_the_printed_accuracy(tmp_path, command, monkeypatch):
    monkeypatch.setattr(dnn_report, "write", lambda *_: None)
    assert command("--seeds=20", f"--workdir={tmp_path}")[0] == 0
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["test_median_accuracy_percent"] == pytest.approx(100 * 29 / 30)
    assert metrics["test_seeds_reaching_90"] >= 18


@pytest.mark.thorough
def test_mitchells_net_reaches_the_books_accuracy(tmp_path, command, monkeypatch, raw_dir):
    if not (raw_dir / "cmu_faces").is_dir():
        pytest.skip(f"needs the faces in {raw_dir / 'cmu_faces'}")
    monkeypatch.setattr(dnn_report, "write", lambda *_: None)
    words = ("--preset=faces", "--beside=none", f"--raw_dir={raw_dir}", f"--workdir={tmp_path}")
    assert command(*words)[0] == 0
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["test_accuracy_percent"] >= 90
