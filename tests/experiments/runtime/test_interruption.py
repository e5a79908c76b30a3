"""Runs that are stopped at random moments and end with the same bits as an undisturbed one."""

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

from experiments.runtime.interruption import signals_deferred

ROOT = pathlib.Path(__file__).resolve().parents[3]

# The experiment's own command, without the report; SLOWLY leaves time for signals between two
# device calls, and DIE_AT_RENAME kills it when the n-th file gets its final name.
COMMAND = """
import os, signal, sys, time
from experiments import lenet5
from experiments.images import lenet5_report
from experiments.training import progress

lenet5_report.write = lambda *arguments: None
lenet5.robustness = lambda *arguments: {}
to = progress.Progress.to
progress.Progress.to = lambda *now: (time.sleep(float(os.environ.get("SLOWLY", 0))), to(*now))
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


def start(words, run, environment, **more):
    """Starts the command as a process."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words, f"--workdir={run}"],
        cwd=ROOT, env=environment | more, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(process, how=""):
    """(how it was stopped, status, rest of standard output, standard error)."""
    out, err = process.communicate(timeout=300)
    return how, process.returncode, out, err


def stop_and_restart(words, run, environment):
    """Stops a run in each way in turn, then lets it finish; gives what `wait_for` gave of each."""
    moments, ends = random.Random(0), []
    for how in STOPS:
        if how == "write":
            last = str(moments.randint(3, 8))
            ends.append(wait_for(start(words, run, environment, DIE_AT_RENAME=last), how))
            continue
        process = start(words, run, environment, SLOWLY="0.05")
        for line in process.stdout:
            if line.startswith("step "):  # compiled, and under way
                break
        time.sleep(moments.uniform(0, 0.4))
        process.send_signal(getattr(signal, how))
        ends.append(wait_for(process, how))
    return [*ends, wait_for(start(words, run, environment))]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, own_digits, quick_processes):
    """The folders of an undisturbed run and of a stopped one, and how the latter's parts ended."""
    folder, words = tmp_path_factory.mktemp("linear"), (*LINEAR, f"--dataset={own_digits}")
    straight, stopped = folder / "straight", folder / "stopped"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        undisturbed = pool.submit(wait_for, start(words, straight, quick_processes))
        ends = stop_and_restart(words, stopped, quick_processes)
    assert undisturbed.result()[1] == 0, undisturbed.result()[3]
    return straight, stopped, ends


def test_each_stop_has_its_status_and_says_how_to_resume(runs):
    *stops, last = runs[2]
    statuses = {"SIGTERM": 143, "SIGINT": 130, "SIGKILL": -9, "write": -9}
    assert [(how, status) for how, status, *_ in stops] == list(statuses.items())
    for how, _, _, err in stops:
        assert "Traceback" not in err and "damaged" not in err
        if how in ("SIGTERM", "SIGINT"):
            assert err.startswith("Interrupted at step ") and err.count("\n") == 1
            assert "the same command" in err
    _, status, out, err = last
    assert status == 0 and err == "" and "\nresuming at step " in out
    assert "resuming at step 0 " not in out


def last_state(run):
    """The leaves of the newest checkpoint, as Orbax alone reads them."""
    step = max(int(path.name) for path in (run / "checkpoints").iterdir())
    with ocp.StandardCheckpointer() as checkpointer:
        return step, checkpointer.restore((run / "checkpoints" / str(step) / "state").absolute())


def assert_same_end(straight, stopped):
    """The last states have the same bytes, and the figures are the same."""
    (step, a_state), (other_step, b_state) = (last_state(run) for run in (stopped, straight))
    assert step == other_step and jax.tree.structure(a_state) == jax.tree.structure(b_state)
    leaves = zip(jax.tree.leaves_with_path(a_state), jax.tree.leaves(b_state), strict=True)
    for (path, a), b in leaves:
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), jax.tree_util.keystr(path)
    assert (stopped / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()
    results = [json.loads((run / "result.json").read_text()) for run in (stopped, straight)]
    for result in results:
        assert result["steps"] == step
        del result["seconds"], result["speed"]
    assert results[0] == results[1]


def test_it_ends_as_if_nothing_had_happened(runs):
    assert_same_end(*runs[:2])


def test_the_papers_own_training_ends_as_if_nothing_had_happened(
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
def test_the_first_signal_is_recorded_and_a_second_one_acts(number):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with signals_deferred() as pending:
        assert pending.signal == 0
        os.kill(os.getpid(), number)
        assert pending.signal == number
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_outside_the_main_thread_nothing_is_recorded():
    def in_thread():
        with signals_deferred() as pending:
            return pending.signal

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(in_thread).result() == 0


# A full disk


def test_a_run_stopped_by_a_full_disk_resumes_when_there_is_space(
    small_disk, own_digits, quick_processes
):
    words = (*LINEAR, f"--dataset={own_digits}", "--num_steps=100")
    run, filling = small_disk / "run", small_disk / "filling"
    filling.write_bytes(bytes(shutil.disk_usage(small_disk).free - 300_000))  # two checkpoints
    _, status, _, err = wait_for(start(words, run, quick_processes))
    assert status == 1
    assert "No space left on device; free some space and run the same command again.\n" in err
    assert err.count("\n") == 1, err
    assert (run / "checkpoints" / "0").is_dir() and not (run / "result.json").exists()
    filling.unlink()
    _, status, _, err = wait_for(start(words, run, quick_processes))
    assert status == 0, err
    assert json.loads((run / "result.json").read_text())["steps"] == 100
