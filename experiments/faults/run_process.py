"""A process that runs an experiment, and what can be observed of it from outside."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

# Runs the experiment as its own command does, but SIGUSR1 makes Python's clock jump by days.
COMMAND = """
import random, runpy, signal, sys, time
clock, shift = time.time, [0.0]
time.time = lambda: clock() + shift[0]
jump = lambda *_: shift.__setitem__(0, random.choice((-1, 1)) * random.uniform(1e4, 1e7))
signal.signal(signal.SIGUSR1, jump)
name = sys.argv.pop(1)
runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
"""


class RunProcess:
    """A training process, from its start to its end."""

    def __init__(self, words: Sequence[str], run: pathlib.Path):
        """Starts it; `words` are the experiment and its flags."""
        self.words, self.run = tuple(words), run
        self.newest_before, self._left_over = newest(run), unfinished(run)
        self._out, self._err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND, *words, f"--workdir={run}"],
            stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err,
        )  # fmt: skip

    def running(self) -> bool:
        """Whether it has not exited."""
        return self._popen.poll() is None

    def wait_for(self, condition: Callable[[], bool], seconds: float = 120.0) -> bool:
        """Waits until `condition` holds; False if the process exits first or the time is up."""
        stop = time.monotonic() + seconds
        while self.running() and time.monotonic() < stop:
            if condition():
                return True
            time.sleep(0.001)
        return False

    def training(self) -> bool:
        """Whether it has written a checkpoint of its own."""
        step = newest(self.run)
        return step is not None and step > (self.newest_before or 0)

    def trained(self) -> bool:
        """Whether training is done and only the results remain to be written."""
        return f"--num_steps={newest(self.run)}" in self.words

    def writing(self) -> bool:
        """Whether a checkpoint is being written."""
        return bool(unfinished(self.run) - self._left_over)

    def signal(self, number: int) -> None:
        """Sends a signal, if it has not exited."""
        if self.running():
            self._popen.send_signal(number)

    def wait(self, seconds: float = 600.0) -> int:
        """Waits until it exits; the status, negative for the signal that killed it."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self._popen.send_signal(signal.SIGKILL)
            return self._popen.wait()

    @property
    def status(self) -> int | None:
        """Its exit status, as `wait` returns it; None while it is running."""
        return self._popen.returncode

    @property
    def out(self) -> str:
        """Its standard output so far."""
        return _text(self._out)

    @property
    def err(self) -> str:
        """Its standard error so far."""
        return _text(self._err)

    def resumed_at(self) -> int | None:
        """The step at which it says that it resumes; None if it does not."""
        found = re.search(r"^resuming at step (\d+) ", self.out, re.MULTILINE)
        return int(found[1]) if found else None


def _text(file) -> str:
    return os.pread(file.fileno(), 1_000_000, 0).decode(errors="replace")


def names(folder: pathlib.Path) -> list[str]:
    """The names in a folder; none if it does not exist."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def checkpoints(run: pathlib.Path) -> list[int]:
    """The steps of a run's complete checkpoints, in order."""
    return sorted(int(name) for name in names(run / "checkpoints") if name.isdigit())


def newest(run: pathlib.Path) -> int | None:
    """The step of the newest complete checkpoint; None if there is none."""
    return max(checkpoints(run), default=None)


def unfinished(run: pathlib.Path) -> set[str]:
    """The folders of checkpoints that are being written, or were when their process ended."""
    return {name for name in names(run / "checkpoints") if "tmp" in name}


def end_state(run: pathlib.Path) -> dict:
    """What two equal runs have in common: the digest of the last state, and the figures."""
    note = run / "checkpoints" / str(newest(run)) / "note" / "metadata"
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    figures = {n: v for n, v in result.items() if n not in ("seconds", "speed")}
    return {
        "sha256": json.loads(note.read_text(encoding="utf-8"))["sha256"],
        "result": figures,
        "metrics": (run / "metrics.jsonl").read_text(encoding="utf-8"),
    }
