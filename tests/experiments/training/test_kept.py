"""The net that a run keeps: the best on the validation part, wherever the run is cut."""

import dataclasses
import shutil
import signal
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.errors import UserError
from experiments.reports.page import curves_section
from experiments.runtime.failures import Interrupted
from experiments.runtime.options import Shared
from experiments.runtime.workdir import Workdir
from experiments.training import run as training_run
from experiments.training.checkpoints import KEPT_NETS, ROWS, SPEED, Checkpoints
from experiments.training.kept import (
    NET,
    Candidate,
    KeepOptions,
    KeptNets,
    Net,
    deciding_options,
    latest,
    lowest,
    read_kept,
)
from experiments.training.loop import Ratio, TrainState
from experiments.training.run import train
from experiments.training.trained_net import kept_net

pytestmark = pytest.mark.usefixtures("no_garbage_left")
# Error and loss of the validation part by step: of the two at 1 the second is better.
VALID = {2: (5, 0.9), 4: (3, 0.8), 6: (1, 0.5), 8: (1, 0.1), 10: (4, 0.7), 12: (9, 0.9)}
BEST = 8
CONFIG = KeepOptions(num_steps=12, eval_every=2, checkpoint_every=2, steps_per_call=2)
ONE = jnp.ones(())


def one_step(state, batch):
    params = {"w": state.params["w"] + batch * state.opt_state}
    metrics = {name: Ratio(ONE, ONE) for name in ("objective", "parameter_norm")}
    return TrainState(state.step + 1, params, state.opt_state, {}, {}), metrics


def batches(first, count):
    return jnp.arange(first, first + 2, dtype=jnp.float32)[:, None] * jnp.ones(3)


@dataclasses.dataclass
class Signals:
    """When a run gets SIGTERM: after a training step, or in an evaluation."""

    training: int = 0
    evaluation: int = 0
    test: bool = False


def trained(folder, signals=None, config=CONFIG, offer=None, has_valid=True):
    """A run of the toy: its rate falls at every evaluation, which a checkpoint has to know."""
    signals, seen = signals or Signals(), []

    def pulse(watch, now):
        for batch in watch(range(3), "toy"):
            if batch == 1 and now:
                signal.raise_signal(signal.SIGTERM)

    def evaluate(state, watch):
        now = int(state.step)
        seen.append(now)
        pulse(watch, now == signals.evaluation)
        error, loss = VALID[now]
        return {"valid": {"error": error, "loss": loss}} if has_valid else {}

    def test(nets, watch):
        pulse(watch, signals.test)
        return {"test": {"w": float(nets[NET].params["w"][0])}}

    def stepped(first, count):
        if signals.training and first >= signals.training:
            signal.raise_signal(signal.SIGTERM)
        return batches(first, count)

    state = TrainState(jnp.int32(0), {"w": jnp.ones(3)}, jnp.ones(()), {}, {})
    state = jax.device_put(state, jax.devices()[0])
    run = train(
        config, Workdir(str(folder)), state, one_step, stepped, evaluate,
        lambda means: {"loss": means["objective"]}, data="toy", test=test,
        offer=offer or lowest("error", "loss"),
        after_evaluation=lambda state, splits: state.replace(opt_state=state.opt_state * 0.5),
    )  # fmt: skip
    return run, seen


def outcome(folder, run):
    """All that must not depend on where a run was cut."""
    kept = folder / "best" / f"net.{run.net.step}.npz"
    rows = (folder / "metrics.jsonl").read_bytes()
    return run.figures, run.net.step, run.steps, kept.read_bytes(), rows


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    return outcome(folder, trained(folder)[0])


def test_all_figures_are_of_the_best_net(tmp_path, straight):
    run, _ = trained(tmp_path)
    assert run.net.step == BEST and run.best and run.steps == 12
    weights = 1 + sum((2 * n + 2 * n + 1) * 0.5**n for n in range(BEST // 2))
    assert run.figures == {"valid_error": 1, "valid_loss": 0.1, "test_w": pytest.approx(weights)}
    assert int(kept_net(str(tmp_path)).arrays[".step"]) == BEST  # for other commands
    assert outcome(tmp_path, run) == straight


@pytest.mark.parametrize(
    "signals",
    [Signals(training=n) for n in (2, BEST - 2, BEST, BEST + 1, 10)]
    + [Signals(evaluation=n) for n in (2, BEST, 10, 12)]
    + [Signals(test=True)],
    ids=str,
)
def test_cut_anywhere_the_same_net_is_kept(tmp_path, straight, signals):
    with pytest.raises(Interrupted, match="the same command goes on"):
        trained(tmp_path, signals)
    run, _ = trained(tmp_path)
    assert outcome(tmp_path, run) == straight


@pytest.mark.parametrize("interval", [5, 12])
def test_evaluations_between_checkpoints_are_made_again(tmp_path, straight, interval):
    config = dataclasses.replace(CONFIG, checkpoint_every=interval)
    with pytest.raises(Interrupted):
        trained(tmp_path, Signals(evaluation=BEST), config)
    assert Checkpoints(tmp_path / "checkpoints", read_only=True).newest() == BEST
    assert outcome(tmp_path, trained(tmp_path, config=config)[0]) == straight


@pytest.mark.parametrize("lost", [1, 2])
def test_resumed_before_the_best_step_it_is_met_again(tmp_path, straight, lost):
    trained(tmp_path)
    for step in (12, 10)[:lost]:
        shutil.rmtree(tmp_path / "checkpoints" / str(step))
    assert outcome(tmp_path, trained(tmp_path)[0]) == straight
    for step in (12, 10, BEST):
        shutil.rmtree(tmp_path / "checkpoints" / str(step))
    assert outcome(tmp_path, trained(tmp_path)[0]) == straight  # from the first step on


@pytest.mark.parametrize("cut", [1, 20, None])
@pytest.mark.parametrize("signals", [Signals(training=n) for n in (3, 4, 9)], ids=str)
def test_figures_torn_by_a_power_cut_come_back(tmp_path, straight, signals, cut):
    config = dataclasses.replace(CONFIG, checkpoint_every=1)
    with pytest.raises(Interrupted):
        trained(tmp_path, signals, config)
    metrics = tmp_path / "metrics.jsonl"
    lines = metrics.read_bytes().splitlines(keepends=True)
    metrics.write_bytes(b"".join(lines[:-1]) + (lines[-1][:-cut] if cut else b""))
    assert outcome(tmp_path, trained(tmp_path, config=config)[0]) == straight


@pytest.mark.parametrize("cut", [1, 20, None])
def test_figures_lost_in_a_power_cut_are_made_again(tmp_path, straight, cut):
    trained(tmp_path)
    metrics = tmp_path / "metrics.jsonl"
    lines = metrics.read_bytes().splitlines(keepends=True)
    last = lines[-1][:-cut] if cut else b""
    metrics.write_bytes(b"".join(lines[:-1]) + last)
    run, seen = trained(tmp_path)
    assert outcome(tmp_path, run) == straight and seen == [12]


def test_patience_ends_a_run_and_a_finished_run_stays_finished(tmp_path):
    config = dataclasses.replace(CONFIG, patience=1, checkpoint_every=12)
    run, seen = trained(tmp_path, config=config)
    assert (run.net.step, run.steps, seen) == (BEST, 10, [2, 4, 6, 8, 10])
    again, seen = trained(tmp_path, config=config)
    assert (again.steps, seen) == (10, [10]) and outcome(tmp_path, again) == outcome(tmp_path, run)
    assert trained(tmp_path)[0].steps == 12  # without patience it goes on


def test_patience_may_count_what_the_paper_counts(tmp_path):
    def offer(state, splits):
        candidate = lowest("error", "loss")(state, splits)[NET]
        return {NET: candidate._replace(stalled=int(state.step) in (4, 8, 10))}

    run, _ = trained(tmp_path, config=dataclasses.replace(CONFIG, patience=2), offer=offer)
    assert (run.net.step, run.steps) == (BEST, 10)


@pytest.mark.parametrize("options", [{"keep": "last"}, {"has_valid": False}], ids=str)
def test_the_last_net_is_kept_on_request_and_for_want_of_a_validation_part(tmp_path, options):
    keep, has_valid = options.get("keep", "best"), options.get("has_valid", True)
    config = dataclasses.replace(CONFIG, keep=keep)
    run, _ = trained(tmp_path, config=config, has_valid=has_valid)
    assert run.net.step == 12 and not run.best
    assert run.figures.get("valid_error", 9) == 9
    assert int(kept_net(str(tmp_path)).arrays[".step"]) == 12
    assert not list(tmp_path.glob("best/*.npz"))


def test_a_figure_that_is_no_number_is_never_the_best(tmp_path, monkeypatch):
    monkeypatch.setitem(VALID, 2, (float("nan"), 0.0))
    monkeypatch.setitem(VALID, 12, (float("nan"), 0.0))
    run, _ = trained(tmp_path)
    assert run.net.step == BEST
    rows = (tmp_path / "metrics.jsonl").read_text()
    assert '"error": null' in rows and "NaN" not in rows
    assert run.metrics.curve("valid", "error") == ([4, 6, 8, 10], [3, 1, 1, 4])
    curves = curves_section(run.metrics.rows, {"error": "error (%)"}, 1.0)
    assert len(curves.pictures) == 1


def test_no_more_files_are_kept_than_resumptions_need(tmp_path):
    config = dataclasses.replace(CONFIG, num_steps=12)
    trained(tmp_path, config=config)  # checkpoints of 8, 10 and 12
    assert sorted(path.name for path in tmp_path.glob("best/*.npz")) == ["net.6.npz", "net.8.npz"]


def test_copies_are_kept_one_by_one(tmp_path):
    scores = {1: {"a": 1.0, "b": 3.0}, 2: {"a": 2.0, "b": 1.0}, 3: {"a": 0.0, "b": 0.0}}
    kept = KeptNets(tmp_path / "best", best=True)
    for step, row in scores.items():
        kept.offer(step, {
            name: Candidate((score,), {"valid": {"x": score}}, lambda s=step: Net(s, {}, {}))
            for name, score in row.items()
        })  # fmt: skip
    found = {name: (net.step, figures) for name, (net, figures) in kept.nets().items()}
    assert found == {"a": (2, {"valid": {"x": 2.0}}), "b": (1, {"valid": {"x": 3.0}})}
    assert kept.stalled() == 1  # of the copy that improved last


def test_other_commands_read_the_net_and_not_one_beside_it(tmp_path):
    kept, zeros = KeptNets(tmp_path, best=True), np.zeros(2)
    kept.offer(1, {
        name: Candidate((1.0,), {}, lambda w=w: Net(1, {"w": zeros + w}, {}))
        for name, w in (("beside-0", 0.0), ("net-0", 1.0), ("net-1", 2.0))
    })  # fmt: skip
    assert read_kept(tmp_path)[".params['w']"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("tamper", ["delete", "replace"])
def test_a_kept_file_that_changes_during_training_is_not_trusted(tmp_path, tamper):
    path = tmp_path / "best" / f"net.{BEST}.npz"

    def offer(state, splits):
        if int(state.step) == 12:
            path.unlink()
            if tamper == "replace":
                np.savez(path, **{".step": 8, ".params['w']": np.full(3, 7.0, np.float32)})
        return lowest("error", "loss")(state, splits)

    with pytest.raises(UserError, match="is damaged"):
        trained(tmp_path, offer=offer)


def test_a_finished_run_that_is_cut_again_still_has_its_net(tmp_path, monkeypatch):
    monkeypatch.setitem(VALID, 12, (0, 0.1))  # the best is the last
    assert trained(tmp_path)[0].net.step == 12
    with pytest.raises(Interrupted):
        trained(tmp_path, Signals(evaluation=12))
    assert int(kept_net(str(tmp_path)).arrays[".step"]) == 12


def test_an_evaluation_is_made_again_whatever_the_interval_is_now(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:  # killed just after the evaluation of step 8
        patch.setattr(KeptNets, "prune", lambda *_: None)
        with pytest.raises(Interrupted):
            trained(tmp_path, Signals(training=BEST))
    shutil.rmtree(tmp_path / "checkpoints" / "10")
    run, seen = trained(tmp_path, config=dataclasses.replace(CONFIG, eval_every=12))
    assert (run.net.step, seen) == (BEST, [BEST, 12])


def test_patience_needs_a_validation_part(tmp_path):
    with pytest.raises(UserError, match="--patience needs a validation part"):
        trained(tmp_path, config=dataclasses.replace(CONFIG, patience=1), has_valid=False)


def test_what_decides_which_net_is_kept():
    last = dataclasses.replace(CONFIG, keep="last")
    assert deciding_options(last) == deciding_options(Shared()) == {}
    assert deciding_options(CONFIG) == {"keep": "best", "patience": 0, "eval_every": 2}
    assert deciding_options(dataclasses.replace(last, patience=1))["keep"] == "last"


def without_kept_nets(folder):
    """Turns a run's newest checkpoint into one of an earlier version: after its evaluation."""
    found = Checkpoints(folder / "checkpoints").read()
    later = (KEPT_NETS, SPEED, ROWS, "sha256", "layout")
    note = {n: x for n, x in found.note.items() if n not in later}
    step, params, rate = (found.arrays[n] for n in (".step", ".params['w']", ".opt_state"))
    state = TrainState(step, {"w": params}, rate * np.float32(0.5), {}, {})
    shutil.rmtree(folder / "checkpoints")
    Checkpoints(folder / "checkpoints").save(state, note | {"totals": {}})


def test_a_run_of_an_earlier_version_goes_on_as_it_was(tmp_path, straight):
    trained(tmp_path)
    shutil.rmtree(tmp_path / "checkpoints" / "12")
    without_kept_nets(tmp_path)
    with pytest.raises(UserError, match="did not keep its best net from the start: give --keep"):
        trained(tmp_path)
    run, seen = trained(tmp_path, config=dataclasses.replace(CONFIG, keep="last"))
    assert run.steps == 12 and (tmp_path / "metrics.jsonl").read_bytes() == straight[-1]


unpickled = []
sys.addaudithook(lambda event, _: unpickled.append(event) if event == "pickle.find_class" else None)
PICKLE = b"cos\nmkdir\n(S'ran'\ntR."


def test_the_kept_net_is_data_and_damage_gets_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(tmp_path)
    path, record = tmp_path / "best" / f"net.{BEST}.npz", tmp_path / "best" / "kept.json"
    sound, said = path.read_bytes(), record.read_bytes()
    np.savez(path, **{".step": np.array({"a": 1}, object)})
    objects = path.read_bytes()
    np.savez_compressed(path, **{".step": np.zeros(10**6)})
    compressed = path.read_bytes()
    del unpickled[:]
    flipped = sound[:200] + bytes([sound[200] ^ 1]) + sound[201:]
    for content in (PICKLE, objects, compressed, b"", sound[:-30], flipped, None):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        for use in (lambda: trained(tmp_path), lambda: kept_net(str(tmp_path))):
            with pytest.raises(UserError, match="is damaged .* give --keep=last, or train again"):
                use()
    path.write_bytes(sound)
    record.unlink()
    with pytest.raises(UserError, match="is damaged .kept.json is missing"):
        kept_net(str(tmp_path))
    for content in (PICKLE, b"[]", b'{"net": 1}', b"{" + said, b'{"net": {"step": 8}}'):
        record.write_bytes(content)
        with pytest.raises(UserError, match="kept.json is damaged"):
            kept_net(str(tmp_path))
    assert not unpickled and not (tmp_path / "ran").exists()
    assert trained(tmp_path)[0].net.step == BEST  # the checkpoint knows which net it is
    assert read_kept(tmp_path / "best") and read_kept(tmp_path / "nowhere") is None
    assert trained(tmp_path, config=dataclasses.replace(CONFIG, keep="last"))[0].net.step == 12


def test_a_signal_in_the_last_evaluation_is_not_forgotten(tmp_path, monkeypatch):
    """Also where the evaluation itself does not watch for it."""

    class Unwatched(training_run._Run):
        def _watch(self, now):
            return lambda batches, what: batches

    with monkeypatch.context() as patch:
        patch.setattr(training_run, "_Run", Unwatched)
        with pytest.raises(Interrupted):
            trained(tmp_path, Signals(evaluation=12))
    assert trained(tmp_path)[0].net.step == BEST


def test_latest_needs_no_figures():
    state = TrainState(jnp.int32(3), {"w": jnp.ones(3)}, (), {}, {})
    assert latest(state, {})[NET].net().step == 3
