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

from experiments.runtime.interruption import postponed

ROOT = pathlib.Path(__file__).resolve().parents[3]

# The experiment's own command, without the report; SLOWLY makes room for signals between two
# calls to the device, and DIE_AT_RENAME kills at the n-th file that is given its final name.
COMMAND = """
import os, signal, sys, time
from experiments import lenet5
from experiments.images import lenet5_report
from experiments.training import metrics

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
LINEAR = ("--net=perceptron", "--loss=cross_entropy", "--num_steps=500", "--eval_every=40",
          "--checkpoint_every=25", "--batch_size=2", "--steps_per_call=7")  # fmt: skip
PAPER = ("--optimizer=sdlm", "--schedule=paper", "--learning_rate=5e-4", "--batch_size=1",
         "--curvature_examples=5", "--num_steps=60", "--eval_every=40", "--checkpoint_every=30",
         "--steps_per_call=9")  # fmt: skip
STOPS = ("SIGTERM", "SIGINT", "SIGKILL", "write")


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


def stopped_and_begun_again(words, run, environment):
    """How the processes of a run end that is stopped in each way in turn, and then left alone."""
    moments, ends = random.Random(0), []
    for how in STOPS:
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
    return [*ends, ended("", started(words, run, environment))]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, own_digits, quick_processes):
    """The folders of a run left alone and of one that was not, and how the latter's parts ended."""
    folder, words = tmp_path_factory.mktemp("linear"), (*LINEAR, f"--dataset={own_digits}")
    straight, stopped = folder / "straight", folder / "stopped"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        alone = pool.submit(ended, "", started(words, straight, quick_processes))
        ends = stopped_and_begun_again(words, stopped, quick_processes)
    assert alone.result()[1] == 0, alone.result()[3]
    return straight, stopped, ends


def test_each_end_has_its_status_and_says_how_to_go_on(runs):
    *stops, last = runs[2]
    statuses = {"SIGTERM": 143, "SIGINT": 130, "SIGKILL": -9, "write": -9}
    assert [(how, status) for how, status, *_ in stops] == list(statuses.items())
    for how, _, _, err in stops:
        assert "Traceback" not in err and "damaged" not in err
        if how in ("SIGTERM", "SIGINT"):
            assert err.startswith("Interrupted at step ") and err.count("\n") == 1
            assert "the same command goes on from there" in err
    _, status, out, err = last
    assert status == 0 and err == "" and "\nresuming at step " in out
    assert "resuming at step 0 " not in out


def last_state(run):
    """The leaves of the newest checkpoint, as Orbax alone reads them."""
    step = max(int(path.name) for path in (run / "checkpoints").iterdir())
    with ocp.StandardCheckpointer() as checkpointer:
        return step, checkpointer.restore((run / "checkpoints" / str(step) / "state").absolute())


def assert_same_end(straight, stopped):
    """That the last states have the same bytes, and the figures are the same."""
    (ours, mine), (theirs, his) = (last_state(run) for run in (stopped, straight))
    assert ours == theirs and jax.tree.structure(mine) == jax.tree.structure(his)
    for (path, a), b in zip(jax.tree.leaves_with_path(mine), jax.tree.leaves(his), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), jax.tree_util.keystr(path)
    assert (stopped / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()
    results = [json.loads((run / "result.json").read_text()) for run in (stopped, straight)]
    for result in results:
        assert result["steps"] == ours
        del result["seconds"], result["examples_per_second"]
    assert results[0] == results[1]


def test_it_ends_as_if_nothing_had_happened(runs):
    assert_same_end(*runs[:2])


def test_the_paper_s_own_training_ends_as_if_nothing_had_happened(
    own_digits, tmp_path, lenet5_command, cut_at, quick_compilation
):
    words = (*PAPER, f"--dataset={own_digits}")
    assert lenet5_command(*words, f"--workdir={tmp_path / 'straight'}")[0] == 0
    with cut_at(random.Random(0).randint(1, 59)):
        assert lenet5_command(*words, f"--workdir={tmp_path / 'cut'}")[0] == 143
    status, out, _ = lenet5_command(*words, f"--workdir={tmp_path / 'cut'}")
    assert status == 0 and "\nresuming at step " in out
    assert "resuming at step 0 " not in out
    assert_same_end(tmp_path / "straight", tmp_path / "cut")


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
    words = (*LINEAR, f"--dataset={own_digits}", "--num_steps=100")
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
