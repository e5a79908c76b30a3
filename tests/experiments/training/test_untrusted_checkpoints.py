"""Checkpoints are data: no file in one is executed, exhausts memory, or crashes a reader."""

import json
import pathlib
import shutil
import sys
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import UserError
from experiments.training import checkpoints, metrics
from experiments.training.checkpoints import Checkpoints, digest, layout, seal
from experiments.training.loop import TrainState
from experiments.training.trained_net import restore

pytestmark = pytest.mark.usefixtures("no_garbage_left")
IDENTITY = {"net": "small", "hidden": 50}
# Calls os.mkdir("ran") if anything unpickles it, from its first byte or from anywhere on.
PICKLE = b"cos\nmkdir\n(S'ran'\ntR."


def state(step, hidden=50):
    weights = np.random.default_rng(step).normal(size=hidden).astype(np.float32)
    return TrainState(jnp.int32(step), {"w": jnp.asarray(weights)}, (jnp.int32(step),), {}, {})


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The checkpoints of two steps; tests work on copies."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    kept = Checkpoints(folder)
    for step in (10, 20):
        kept.save(state(step), {"identity": IDENTITY, "totals": {}, "seconds": 1.5})
    return folder


def restored(folder):
    return Checkpoints(folder).restore(state(0), IDENTITY)


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


unpickled = []
sys.addaudithook(lambda event, _: unpickled.append(event) if event == "pickle.find_class" else None)


def test_a_pickle_in_place_of_any_file_is_not_run(two, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    del unpickled[:]
    for number, name in enumerate(path.relative_to(two) for path in files_of(two / "20")):
        folder = shutil.copytree(two, tmp_path / str(number))
        (folder / name).write_bytes(PICKLE)
        for other in ("checkpoint", "state.pkl", "20/state.pkl", "20/state/checkpoint"):
            (folder / other).write_bytes(PICKLE)
        found = restored(folder)
        step = int(found[0].step)
        assert digest(found[0]) == digest(state(step)) and step in (10, 20)
        assert ("step 20" in capsys.readouterr().err) == (step == 10)
    assert not unpickled and not (tmp_path / "ran").exists()


@settings(max_examples=40, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(data=st.data())
def test_damaged_files_give_a_sound_checkpoint_or_none(two, tmp_path, data):
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)
    folder = shutil.copytree(two, tmp_path / "copy")
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(files_of(folder)))
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content)))
        to = min(len(content), at + data.draw(st.integers(0, 40)))
        content[at:to] = data.draw(st.binary(max_size=8))
        path.write_bytes(content)
    found = restored(folder)
    if found is not None:
        assert digest(found[0]) == digest(state(int(found[0].step)))
        assert found[1]["seconds"] == 1.5 and found[1]["identity"] == IDENTITY


def test_a_changed_figure_in_a_note_is_damage(two, tmp_path, capsys):
    folder = shutil.copytree(two, tmp_path / "copy")
    note = folder / "20" / "note" / "metadata"
    note.write_text(note.read_text().replace('"seconds": 1.5', '"seconds": 9.5'))
    assert int(restored(folder)[0].step) == 10
    assert "its note's digest differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("was", "now", "step"), [('"seal"', '"sea1"', 10), (', "seal": ', None, 20)]
)
def test_a_note_without_a_seal_is_read_if_it_is_otherwise_whole(two, tmp_path, was, now, step):
    folder = shutil.copytree(two, tmp_path / "copy")
    note = folder / "20" / "note" / "metadata"
    before, name, after = note.read_text().partition(was)
    note.write_text(before + (now + after if now else "}"))
    assert name and int(restored(folder)[0].step) == step


def forged(folder, arrays, claimed, identity=IDENTITY):
    """A folder with one checkpoint, whose sound note claims this layout and identity."""
    note = {"identity": identity, "totals": {}, "seconds": 0.0, "sha256": digest(arrays),
            "layout": layout(claimed)}  # fmt: skip
    with ocp.CheckpointManager(folder.absolute(), item_names=("state", "note")) as manager:
        manager.save(20, args=ocp.args.Composite(
            state=ocp.args.StandardSave(arrays), note=ocp.args.JsonSave(note | {"seal": seal(note)})
        ))  # fmt: skip
    return folder


def test_arrays_larger_than_their_note_says_are_not_read(tmp_path, capsys):
    folder = forged(tmp_path / "checkpoints", state(0, hidden=2**22), state(0))
    tracemalloc.start()
    assert restored(folder) is None
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert "not as large as its note says" in capsys.readouterr().err


def test_zeros_that_take_no_room_on_the_disk_take_none_in_memory(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(checkpoints, "expansion_limit", lambda size: 64 * size)  # without slack
    zeros = TrainState(np.int32(20), {"w": np.zeros(2**22, np.float32)}, (), {}, {})
    folder = forged(tmp_path / "checkpoints", zeros, zeros)
    tracemalloc.start()
    assert Checkpoints(folder).restore(jax.eval_shape(lambda: zeros), IDENTITY) is None
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert "more than its files can hold" in capsys.readouterr().err


def net_of(workdir):
    """As sampling does: the note says how large the net is."""
    return restore(
        str(workdir), "small", ("net",), lambda config: (config.hidden * 1,),
        lambda config, hidden: {"w": jnp.zeros(hidden)},
    )  # fmt: skip


def test_a_net_is_made_of_a_sound_note_alone(two, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(two, run / "checkpoints")
    config, hidden, params = net_of(run)
    assert hidden == config.hidden == 50
    np.testing.assert_array_equal(params["w"], state(20).params["w"])
    with pytest.raises(UserError, match="has no sound checkpoint"):
        net_of(tmp_path)
    with pytest.raises(UserError, match="is no big run"):
        restore(str(run), "big", ("layers",), lambda config: (), lambda config, net: {})


@pytest.mark.parametrize(
    ("hidden", "sentence"),
    [
        (2**40, "another version of the net"),
        ("many", "do not make a net here"),
        (-1, "do not make a net here"),
        (None, "do not make a net here"),
    ],
)
def test_a_note_that_asks_for_the_impossible_is_refused(hidden, sentence, tmp_path):
    identity = {"net": "small"} | ({} if hidden is None else {"hidden": hidden})
    forged(tmp_path / "checkpoints", state(0), state(0), identity)
    with pytest.raises(UserError, match=sentence):
        net_of(tmp_path)


def test_checkpoints_that_are_a_file(tmp_path):
    (tmp_path / "checkpoints").write_text("mine")
    with pytest.raises(UserError, match="is a file and should be a folder"):
        Checkpoints(tmp_path / "checkpoints")


def test_damaged_lines_of_figures_are_left_out(tmp_path):
    path = pathlib.Path(tmp_path / "metrics.jsonl")
    rows = [{"step": n, "split": "train", "loss": 1.0} for n in range(3)]
    lines = [json.dumps(row).encode() for row in rows]
    damage = [b"\xff\xfe", b"3", b"[1]", b"{}", b'{"step": "x"}', b"[" * 100_000, lines[0][:9]]
    path.write_bytes(b"\n".join([lines[0], *damage, *lines[1:], b'{"st']))
    assert metrics.read(path) == rows
