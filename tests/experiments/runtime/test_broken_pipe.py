"""Commands whose output is not read to its end, as by `head`, end without a word."""

import os
import pathlib
import subprocess
import sys

import pytest

from experiments.runtime.broken_pipe import STATUS, quiet_if_unread

ROOT = pathlib.Path(__file__).resolve().parents[3]
RUN = ("--net=perceptron", "--num_steps=2", "--batch_size=2")


def unread(command, environment, **streams):
    """(status, standard error) of a command whose output goes to a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stderr": subprocess.PIPE} | {name: writing for name in ("stdout", *streams)}
    environment = {k: v for k, v in environment.items() if k != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command], **streams, env=environment, text=True
    )
    os.close(writing)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", [["experiments"], ["experiments.launch.doctor"]])
def test_commands_that_need_no_package(command):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert unread(command, environment) == (STATUS, "")
    assert unread(command, environment, stderr=True) == (STATUS, None)


@pytest.mark.thorough
def test_a_run(own_digits, tmp_path, quick_processes):
    words = [*RUN, f"--dataset={own_digits}", f"--workdir={tmp_path / 'run'}"]
    assert unread(["experiments.lenet5", *words], quick_processes) == (STATUS, "")
    assert not (tmp_path / "run" / "result.json").exists()


def test_another_pipe_that_breaks_is_an_error():
    def main():
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        quiet_if_unread(main)
