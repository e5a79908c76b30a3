"""Runs that a command of launch.sh starts, and that do not outlive it."""

import functools
import os
import subprocess
import threading
from collections.abc import Sequence

PIPE = "UNFOLD_PARENT"  # in the environment of a child: the number of its end of the pipe


@functools.cache
def _pipe() -> int:
    """The end to read from of a pipe that nobody writes to, and that closes as this process ends,
    whatever ends it."""
    return os.pipe()[0]


def start_child(command: Sequence[str], out=None) -> subprocess.Popen:
    """A command of ours as a child; what it says goes to the file `out`, if one is given.

    It is a session of its own: a Ctrl-C at the terminal reaches this process alone, which passes it
    on once.
    """
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=out and subprocess.STDOUT,
        start_new_session=True, pass_fds=[_pipe()], env=os.environ | {PIPE: str(_pipe())},
    )  # fmt: skip


def end_with_parent() -> None:
    """In a process that `start_child` started: exits at once when the parent has exited."""
    pipe = os.environ.pop(PIPE, "")
    if pipe:
        threading.Thread(target=_end_after, args=(int(pipe),), daemon=True).start()


def _end_after(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(1)
