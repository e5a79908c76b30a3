"""One process of a run in its folder, and what can be seen of it from outside."""

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

# The experiment's own command, in a process whose Python clock jumps by days at a SIGUSR1.
COMMAND = """
import random, runpy, signal, sys, time
clock, shift = time.time, [0.0]
time.time = lambda: clock() + shift[0]
jump = lambda *_: shift.__setitem__(0, random.choice((-1, 1)) * random.uniform(1e4, 1e7))
signal.signal(signal.SIGUSR1, jump)
name = sys.argv.pop(1)
runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
"""


class Life:
    """A process that trains, from its start to its end."""

    def __init__(self, words: Sequence[str], run: pathlib.Path):
        """Starts it; `words` are the experiment and its flags."""
        self.words, self.run, self.begin = tuple(words), run, time.monotonic()
        self.newest_before, self._left_over = newest(run), unfinished(run)
        self._out, self._err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND, *words, f"--workdir={run}"],
            stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err,
        )  # fmt: skip

    def going(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def wait_for(self, sign: Callable[[], bool], seconds: float = 120.0) -> bool:
        """Waits until `sign` is seen; False where the process ends before, or never shows it."""
        stop = time.monotonic() + seconds
        while self.going() and time.monotonic() < stop:
            if sign():
                return True
            time.sleep(0.001)
        return False

    def trains(self) -> bool:
        """Whether it has written a checkpoint of its own."""
        step = newest(self.run)
        return step is not None and step > (self.newest_before or 0)

    def trained(self) -> bool:
        """Whether all steps are made, and the figures and the report alone are left to do."""
        return f"--num_steps={newest(self.run)}" in self.words

    def writes(self) -> bool:
        """Whether a checkpoint is being written at this moment."""
        return bool(unfinished(self.run) - self._left_over)

    def signal(self, number: int) -> None:
        """Sends a signal, if it is still there to get it."""
        if self.going():
            self.process.send_signal(number)

    def end(self, seconds: float = 600.0) -> int:
        """Waits for the end; the status, negative for the signal that killed it."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            return self.process.wait()

    @property
    def out(self) -> str:
        """What it has said."""
        return _text(self._out)

    @property
    def err(self) -> str:
        """And on standard error."""
        return _text(self._err)

    def resumed_at(self) -> int | None:
        """The step that it says it went on from; None if it has not said."""
        found = re.search(r"^resuming at step (\d+) ", self.out, re.MULTILINE)
        return int(found[1]) if found else None


def _text(file) -> str:
    return os.pread(file.fileno(), 1_000_000, 0).decode(errors="replace")


def names(folder: pathlib.Path) -> list[str]:
    """What lies in a folder; nothing where there is none."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def checkpoints(run: pathlib.Path) -> list[int]:
    """The steps of the complete checkpoints of a run, in order."""
    return sorted(int(name) for name in names(run / "checkpoints") if name.isdigit())


def newest(run: pathlib.Path) -> int | None:
    """The last of them."""
    return max(checkpoints(run), default=None)


def unfinished(run: pathlib.Path) -> set[str]:
    """The checkpoints that are being written, or were when their process ended."""
    return {name for name in names(run / "checkpoints") if "tmp" in name}


def ending(run: pathlib.Path) -> dict:
    """What two runs agree in that are the same run: the last state's digest, and the figures."""
    note = run / "checkpoints" / str(newest(run)) / "note" / "metadata"
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    figures = {n: v for n, v in result.items() if n not in ("seconds", "examples_per_second")}
    return {
        "sha256": json.loads(note.read_text(encoding="utf-8"))["sha256"],
        "result": figures,
        "metrics": (run / "metrics.jsonl").read_text(encoding="utf-8"),
    }
