"""Runs that are stopped at random moments, and end with the bits of one that was not."""

import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from experiments.interruption import postponed

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The experiment's own command, without the report; SLOWLY makes room for signals between two
# calls to the device, and DIE_AT_RENAME kills at the n-th file that is given its final name.
COMMAND = """
import os, signal, sys, time
from experiments import lenet5, lenet5_report, metrics

lenet5_report.write = lambda *arguments: None
lenet5.robustness = lambda *arguments: {}
to = metrics.Progress.to
metrics.Progress.to = lambda *now: (time.sleep(float(os.environ.get("SLOWLY", 0))), to(*now))
renames = int(os.environ.get("DIE_AT_RENAME", 0))


def count(event, arguments):
    global renames
    if event == "os.rename" and "checkpoints" in str(arguments[0]):
        renames -= 1
        if renames == 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(count)
sys.exit(lenet5.main(lenet5.PRESETS, lenet5.run))
"""
RUNS = {
    "linear": ("--net=perceptron", "--loss=cross_entropy", "--num_steps=500", "--eval_every=40",
               "--checkpoint_every=25", "--batch_size=2", "--steps_per_call=7"),
    "lenet5": ("--optimizer=sdlm", "--schedule=paper", "--learning_rate=5e-4", "--batch_size=1",
               "--curvature_examples=5", "--num_steps=150", "--eval_every=40",
               "--checkpoint_every=30", "--steps_per_call=9"),
}  # fmt: skip
STOPS = {
    "linear": ["SIGTERM", "SIGINT", "write"],
    "lenet5": ["SIGKILL"],
}


def started(words, run, environment, **more):
    """The command as a process."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words, f"--workdir={run}"],
        cwd=ROOT, env=environment | more, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(how, process):
    """(how it was stopped, status, rest of standard output, standard error)."""
    out, err = process.communicate(timeout=300)
    return how, process.returncode, out, err


def straight_and_stopped(kind, words, folder, environment):
    """One run left alone, and one stopped by each signal in turn and begun again; their ends."""
    moments = random.Random(kind)
    alone = [ended("", started(words, folder / "straight", environment))]
    ends, run = [], folder / "stopped"
    for how in STOPS[kind]:
        if how == "write":
            last = str(moments.randint(3, 8))
            ends.append(ended(how, started(words, run, environment, DIE_AT_RENAME=last)))
            continue
        process = started(words, run, environment, SLOWLY="0.05")
        for line in process.stdout:
            if line.startswith("step "):  # compiled, and under way
                break
        time.sleep(moments.uniform(0, 0.4))
        process.send_signal(getattr(signal, how))
        ends.append(ended(how, process))
    return alone, [*ends, ended("", started(words, run, environment))]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, own_digits, quick_processes):
    """(kind, straight or stopped) -> (the run's folder, how its processes ended)."""
    found = {}
    with concurrent.futures.ThreadPoolExecutor(len(RUNS)) as pool:
        folders = {kind: tmp_path_factory.mktemp(kind) for kind in RUNS}
        futures = {
            kind: pool.submit(
                straight_and_stopped, kind, (*words, f"--dataset={own_digits}"), folders[kind],
                quick_processes,
            )  # fmt: skip
            for kind, words in RUNS.items()
        }
    for kind, future in futures.items():
        for name, ends in zip(("straight", "stopped"), future.result(), strict=True):
            found[kind, name] = folders[kind] / name, ends
    return found


every_kind = pytest.mark.parametrize("kind", RUNS)


@every_kind
def test_each_end_has_its_status_and_says_how_to_go_on(runs, kind):
    assert [(how, status) for how, status, *_ in runs[kind, "straight"][1]] == [("", 0)]
    *stops, last = runs[kind, "stopped"][1]
    statuses = {"SIGTERM": 143, "SIGINT": 130, "SIGKILL": -9, "write": -9}
    assert [(how, status) for how, status, *_ in stops] == [(h, statuses[h]) for h in STOPS[kind]]
    for how, _, _, err in stops:
        assert "Traceback" not in err and "damaged" not in err
        if how in ("SIGTERM", "SIGINT"):
            assert err.startswith("Interrupted at step ") and err.count("\n") == 1
            assert "the same command goes on from there" in err
    _, status, out, err = last
    assert status == 0 and err == "" and out.startswith("resuming at step ")
    assert not out.startswith("resuming at step 0 ")


def last_state(run):
    """The leaves of the newest checkpoint, as Orbax alone reads them."""
    step = max(int(path.name) for path in (run / "checkpoints").iterdir())
    with ocp.StandardCheckpointer() as checkpointer:
        return step, checkpointer.restore((run / "checkpoints" / str(step) / "state").absolute())


@every_kind
def test_the_last_state_has_the_same_bytes(runs, kind):
    (ours, mine), (theirs, his) = (last_state(runs[kind, n][0]) for n in ("stopped", "straight"))
    assert f"--num_steps={ours}" in RUNS[kind] and ours == theirs
    assert jax.tree.structure(mine) == jax.tree.structure(his)
    for (path, a), b in zip(jax.tree.leaves_with_path(mine), jax.tree.leaves(his), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), jax.tree_util.keystr(path)


@every_kind
def test_figures_are_the_same(runs, kind):
    stopped, straight = (runs[kind, name][0] for name in ("stopped", "straight"))
    assert (stopped / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()
    ours, theirs = (json.loads((run / "result.json").read_text()) for run in (stopped, straight))
    for result in (ours, theirs):
        del result["seconds"], result["examples_per_second"]
    assert ours == theirs


# The signals themselves


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_a_second_one_acts(number):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with postponed() as pending:
        assert pending.signal == 0
        os.kill(os.getpid(), number)
        assert pending.signal == number
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_outside_the_main_thread_nothing_is_noted():
    def within():
        with postponed() as pending:
            return pending.signal

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(within).result() == 0


# A full disk


def test_a_disk_that_fills_up_leaves_a_run_that_goes_on_when_there_is_space(
    small_disk, own_digits, quick_processes
):
    words = (*RUNS["linear"], f"--dataset={own_digits}", "--num_steps=100")
    run, filling = small_disk / "run", small_disk / "filling"
    filling.write_bytes(bytes(shutil.disk_usage(small_disk).free - 300_000))  # two checkpoints
    _, status, _, err = ended("", started(words, run, quick_processes))
    assert status == 1
    assert "No space left on device; free some space and give the same command again.\n" in err
    assert err.count("\n") == 1, err
    assert (run / "checkpoints" / "0").is_dir() and not (run / "result.json").exists()
    filling.unlink()
    _, status, _, err = ended("", started(words, run, quick_processes))
    assert status == 0, err
    assert json.loads((run / "result.json").read_text())["steps"] == 100
