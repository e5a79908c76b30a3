"""Several processes: their flags, and that two of them make one run that survives a kill."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from data.errors import UserError
from experiments.launch.multi import describe, main, parsed
from experiments.runtime.options import Shared
from experiments.runtime.processes import (
    connection_arguments,
    from_first,
    is_distributed,
    is_loopback,
    make_agreement,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAIR = dict(coordinator="127.0.0.1:1234", num_processes=2, process_id=1)


def config(**options):
    return dataclasses.replace(Shared(), **options)


@pytest.mark.parametrize(
    ("options", "environment", "several"),
    [
        ({}, {}, False),
        ({}, {"SLURM_STEP_NUM_TASKS": "1"}, False),
        ({}, {"SLURM_STEP_NUM_TASKS": "8"}, True),
        ({}, {"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({}, {"TPU_WORKER_HOSTNAMES": "localhost"}, False),
        ({}, {"TPU_WORKER_HOSTNAMES": "a,b"}, True),
        (PAIR, {}, True),
        ({"distributed": "on"}, {}, True),
        (PAIR | {"distributed": "off"}, {"SLURM_STEP_NUM_TASKS": "8"}, False),
    ],
)
def test_a_run_is_distributed_by_flags_or_by_its_environment(options, environment, several):
    assert is_distributed(config(**options), environment) == several


def test_only_the_loopback_is_bound_to():
    assert connection_arguments(config()) == {}
    assert connection_arguments(config(**PAIR))["coordinator_bind_address"] == "127.0.0.1:1234"
    remote = connection_arguments(config(**PAIR | {"coordinator": "node7:1234"}))
    assert "coordinator_bind_address" not in remote and remote["process_id"] == 1
    assert is_loopback("localhost") and is_loopback("[::1]") and not is_loopback("10.0.0.1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"process_id": -1}, "or none"),
        ({"num_processes": 0}, "or none"),
        ({"process_id": 2}, "numbered from 0 to 1"),
        ({"coordinator": "node7"}, "HOST:PORT"),
        ({"coordinator": "node7:0"}, "HOST:PORT"),
    ],
)
def test_contradictory_flags_are_reported(changes, message):
    with pytest.raises(UserError, match=message):
        connection_arguments(config(**PAIR | changes))


def test_one_process_agrees_with_itself_at_once():
    assert [make_agreement()(n) for n in (0, 15)] == [0, 15]
    assert from_first(b"\x80\x00") == b"\x80\x00"


@pytest.mark.parametrize("words", [[], ["2"], ["two", "lenet5"], ["0", "lenet5"],
                                   ["2", "lenet5", "--process_id=1"]])  # fmt: skip
def test_multi_explains_its_usage(words, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_multi_passes_the_experiments_flags_on_unchanged():
    assert parsed(["3", "lenet5", "--seed=1"]) == (3, ["lenet5", "--seed=1"])
    assert describe(-9) == "was killed by SIGKILL" and describe(3) == "failed with status 3"


# When the parent process ends

PARENT = """
import signal, sys
from experiments.runtime import children

child = '''
import os, sys, time
from experiments.runtime.command_line import main
from experiments.runtime.options import Shared

def run(config):
    sys.stdout.write("under way" + os.linesep)  # in one write, unlike print
    sys.stdout.flush()
    time.sleep(60)

main({"quick": Shared()}, run)
'''
for _ in range(2):
    children.start_child([sys.executable, "-P", "-c", child])
signal.pause()
"""


def test_children_end_when_their_parent_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT], env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert [parent.stdout.readline() for _ in range(2)] == ["under way\n"] * 2
    parent.kill()
    assert parent.communicate(timeout=30) == ("", "")  # which waits for all that could still write


# A pair

WORDS = ("--net=perceptron", "--loss=cross_entropy", "--loss_scale=1", "--batch_size=4",
         "--num_steps=400", "--eval_every=80", "--checkpoint_every=40",
         "--steps_per_call=5")  # fmt: skip


def pair(own_digits, run, environment):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "experiments.launch.multi", "2", "lenet5", *WORDS,
         f"--dataset={own_digits}", f"--workdir={run}"],
        cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.thorough
def test_a_pair_ends_when_one_is_killed_resumes_and_computes_what_one_process_does(
    own_digits, tmp_path, lenet5_command, quick_processes
):
    process = pair(own_digits, tmp_path / "pair", quick_processes)
    for line in process.stdout:
        if line.startswith("step "):
            break
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("needs Linux's list of a process's children")
    os.kill(int(children.read_text().split()[1]), signal.SIGKILL)
    begin = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - begin < 30
    assert process.returncode == 1
    assert "Process 1 of 2 was killed by SIGKILL" in err and "run the same command" in err
    assert not (tmp_path / "pair" / "result.json").exists()

    process = pair(own_digits, tmp_path / "pair", quick_processes)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "resuming at step " in out and "resuming at step 0 " not in out  # after Gloo's messages

    one = (*WORDS, f"--dataset={own_digits}")
    assert lenet5_command(*one, f"--workdir={tmp_path / 'one'}")[0] == 0
    ours, theirs = (
        json.loads((tmp_path / name / "result.json").read_text())["metrics"]["test_loss"]
        for name in ("pair", "one")
    )
    assert ours == pytest.approx(theirs, rel=1e-4)
    status, out, _ = lenet5_command(*one, f"--workdir={tmp_path / 'pair'}")
    assert status == 0 and "\nresuming at step 400 " in out  # by one, of two's checkpoints
