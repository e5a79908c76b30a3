"""Checkpoints: whole or absent, whatever happens to the files or to the process."""

import asyncio
import gc
import pathlib
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from data.errors import UserError
from experiments.runtime.failures import Diverged
from experiments.training import checkpoints
from experiments.training.checkpoints import KEPT, Checkpoints, digest
from experiments.training.loop import TrainState

ROOT = pathlib.Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.usefixtures("no_garbage_left")
IDENTITY = {"batch_size": 32, "net": "lenet5"}


def state(step, size=1000):
    random = np.random.default_rng(step)
    made = TrainState(
        step=np.int32(step),
        params={"w": random.normal(size=size).astype(np.float32), "b": np.float32(step)},
        opt_state=(np.int32(step), {"w": random.integers(0, 9, size, np.int32)}),
        carry={},
        variables={"mean": np.full(3, step / 3, np.float32)},
    )
    return jax.device_put(made)


def note(step):
    return {"identity": IDENTITY, "totals": {"loss": [1 / 3, float(step)]}, "seconds": step / 7}


def saved(folder, *steps):
    kept = Checkpoints(folder)
    for step in steps:
        kept.save(state(step), note(step))
    return kept


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A folder with the checkpoints of three steps; tests work on copies."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    saved(folder, 10, 20, 30)
    return folder


@pytest.fixture
def copy(three, tmp_path):
    return shutil.copytree(three, tmp_path / "checkpoints")


def restored(folder, identity=IDENTITY):
    return Checkpoints(folder).restore(state(0), identity)


def assert_is(found, step):
    """Asserts that the restored state and note are those of a step, bit for bit."""
    restored, restored_note = found
    assert digest(restored) == digest(state(step))
    assert {name: restored_note[name] for name in note(step)} == note(step)


def test_the_newest_comes_back_with_every_bit(copy):
    assert_is(restored(copy), 30)
    assert Checkpoints(copy).newest() == 30


def test_without_checkpoints_nothing_is_restored(tmp_path):
    assert restored(tmp_path / "none") is None
    assert Checkpoints(tmp_path / "none").newest() is None


def test_the_newest_are_kept(copy):
    saved(copy, 40, 50)
    assert sorted(path.name for path in copy.iterdir()) == ["30", "40", "50"]
    assert KEPT == 3


def test_a_saved_step_is_not_overwritten(copy):
    Checkpoints(copy).save(state(31).replace(step=jnp.int32(30)), note(30))
    assert_is(restored(copy), 30)


def test_parameters_that_are_not_finite_are_not_saved(copy):
    broken = state(40).replace(params={"w": jnp.array([1.0, jnp.nan])})
    with pytest.raises(Diverged, match="diverged at step 40"):
        Checkpoints(copy).save(broken, note(40))
    assert_is(restored(copy), 30)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.replace(params={"w": jnp.zeros(1000).at[0].set(-0.0)}),
        lambda s: s.replace(params={"v": jnp.zeros(1000)}),
        lambda s: s.replace(params={"w": jnp.zeros((10, 100))}),
        lambda s: s.replace(params={"w": jnp.zeros(1000, jnp.int32)}),
        lambda s: s.replace(step=s.step + 1),
    ],
    ids=["sign", "name", "shape", "type", "step"],
)
def test_a_digest_sees_every_difference(change):
    plain = state(1).replace(params={"w": jnp.zeros(1000)})
    assert digest(plain) == digest(jax.device_get(plain))
    assert digest(change(plain)) != digest(plain)


def test_leaves_of_any_name_are_found_again(tmp_path):
    numbers = iter(range(1, 99))
    tree = {"w.x": 0, "it's": 0, "q[0]": 0, "say \"x\" it's": [0, {"3": 0}, (0, {})], "none": None}
    named = jax.tree.map(lambda _: np.float32(next(numbers)), tree)
    optimizer = optax.chain(optax.clip(1.0), optax.adamw(1e-3))
    whole = state(10).replace(params=named, opt_state=(optimizer.init({"w": jnp.zeros(2)}),))
    kept = Checkpoints(tmp_path / "checkpoints")
    kept.save(whole, note(10))
    found = kept.read().tree(whole)
    assert jax.tree.structure(found) == jax.tree.structure(whole)
    assert digest(found) == digest(whole)
    with pytest.raises(UserError, match=r"no .params\['v'\] that is float32 \[\]"):
        kept.read().tree({"v": np.float32(0)}, ".params")


# Other configurations


@pytest.mark.parametrize(
    ("identity", "sentence"),
    [
        (IDENTITY | {"batch_size": 64}, "batch_size 32 there and 64 here"),
        (IDENTITY | {"mu": 0.1}, "mu None there and 0.1 here"),
        ({"batch_size": 32}, "net lenet5 there and None here"),
        (IDENTITY | {"batch_size": 1, "a": 1, "b": 1}, r"b None there and 1 here\): give the same"),
        (
            IDENTITY | {"net": "x", "batch_size": 1, "a": 1, "b": 1, "c": 1},
            r"\((\w+ \w+ there and \w+ here, ){3}and 2 more\): give the same",
        ),
    ],
)
def test_another_configuration_is_refused_by_name(copy, identity, sentence):
    with pytest.raises(UserError, match=sentence):
        restored(copy, identity)
    assert_is(restored(copy), 30)


def test_another_experiment_is_refused_in_a_short_sentence(copy):
    other = {"cell": "lstm", "hidden": 3, "unroll": 4, "dataset": "x" * 500}
    with pytest.raises(UserError) as refusal:
        restored(copy, other)
    message = str(refusal.value).removeprefix(str(copy))
    assert message == " holds checkpoints of another experiment: give another --workdir."
    assert_is(restored(copy), 30)


def test_a_net_of_other_sizes_is_refused_and_harms_nothing(copy):
    with pytest.raises(UserError, match=r"'w'\] float32 \[1000\] there and float32 \[7\] here"):
        Checkpoints(copy).restore(state(0, size=7), IDENTITY)
    assert_is(restored(copy), 30)


# Damage


def files_of(folder, step):
    return sorted(path for path in (folder / str(step)).rglob("*") if path.is_file())


def spoil(path, how):
    content = bytearray(path.read_bytes())
    if how == "remove":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2 : len(content) // 2 + 1] = b"\x00"
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "flip", "remove"])
def test_damage_to_any_file_of_the_newest_is_reported_or_harmless(three, tmp_path, how, capsys):
    reported = set()
    for number, name in enumerate(path.relative_to(three) for path in files_of(three, 30)):
        folder = shutil.copytree(three, tmp_path / str(number))
        spoil(folder / name, how)
        found = restored(folder)
        if "step 30" in (error := capsys.readouterr().err):
            assert "is damaged" in error and "damaged.30" in error and "Traceback" not in error
            assert_is(found, 20)
            assert (folder / "damaged.30").is_dir()
            saved(folder, 30)
            reported.add(name.name)
        assert_is(restored(folder), 30)  # unharmed, or saved again
    assert reported > {"metadata", "manifest.ocdbt"}  # an array file too; not all matter


def test_without_an_undamaged_checkpoint_a_run_starts_again(copy, capsys):
    for step in (10, 20, 30):
        for path in files_of(copy, step):
            spoil(path, "cut")
    assert restored(copy) is None
    error = capsys.readouterr().err
    assert [f"step {step} in" in error for step in (10, 20, 30)] == [True] * 3
    saved(copy, 10)
    assert_is(restored(copy), 10)


def test_other_files_in_the_folder_are_ignored(copy):
    (copy / "notes.txt").write_text("mine")
    (copy / "40").mkdir()
    (copy / "figures").mkdir()
    assert_is(restored(copy), 30)


# Interruption

KILLED_AT_EVERY_WRITE = """
import os, pathlib, shutil, signal, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from test_checkpoints import Checkpoints, assert_is, restored, saved, state

three, scratch = map(pathlib.Path, sys.argv[2:])
WRITES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree")


def save_and_be_killed(folder, last):
    writes = 0

    def count(event, arguments):
        nonlocal writes
        if event in WRITES or (event == "open" and arguments[1] == "w"):
            if str(folder) in str(arguments[0]):
                writes += 1
                if writes == last:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    saved(folder, 40)


folders = []
while True:
    folders.append(shutil.copytree(three, scratch / f"killed at write {len(folders) + 1}"))
    child = os.fork()  # safe as long as JAX has computed nothing here
    if child == 0:
        save_and_be_killed(folders[-1], len(folders))
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        break  # there are fewer writes than that

for folder in folders:
    found = restored(folder)
    assert found[0].step in (30, 40), folder
    assert_is(found, int(found[0].step))
    saved(folder, 40)
    assert_is(restored(folder), 40)
    assert not list(folder.glob("*tmp*")), list(folder.iterdir())
print(len(folders) - 1)
"""


def test_killed_at_any_write_a_whole_checkpoint_remains(three, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EVERY_WRITE, __file__, str(three), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 10  # folders, files and names that a checkpoint is made of


# A full disk


@pytest.mark.parametrize(("error", "shown"), [("Event loop is closed", False), ("Other", True)])
def test_of_unraisable_errors_only_late_callbacks_are_silenced(error, shown, monkeypatch, capfd):
    class Raises:
        def __del__(self):
            raise RuntimeError(error)

    monkeypatch.setattr(sys, "unraisablehook", checkpoints._tell_unless_late)
    Raises()
    assert ("RuntimeError: Other" in capfd.readouterr().err) == shown


def test_the_arrays_that_fail_after_the_first_are_not_told(tmp_path, caplog):
    """Two tasks fail at once, as those of arrays on a full disk may, and one is waited for."""

    async def write():
        raise OSError(28, "No space left on device")

    async def both():
        first, _ = (asyncio.ensure_future(write()) for _ in range(2))
        await asyncio.sleep(0)
        await first

    Checkpoints(tmp_path / "checkpoints")
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(both())
    gc.collect()
    assert caplog.text == ""


@pytest.mark.parametrize("free", [0, 8, 24, 48])
def test_a_full_disk_raises_an_oserror_and_costs_no_checkpoint(small_disk, free):
    folder, filling = small_disk / "checkpoints", small_disk / "filling"
    kept = saved(folder, 10)
    filling.write_bytes(bytes(shutil.disk_usage(small_disk).free - 1024 * free))
    with pytest.raises(OSError, match="No space left on device"):
        kept.save(state(20), note(20))
    assert_is(restored(folder), 10)
    filling.unlink()
    saved(folder, 20)
    assert_is(restored(folder), 20)
