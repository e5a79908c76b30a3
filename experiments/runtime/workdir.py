"""The folder of a run: what lies in it, and how its files are written.

    config.json     the options, with versions, devices, command and commit
    metrics.jsonl   one object a line: step, split, then figures
    samples.jsonl   what a net wrote, by step, where it writes
    result.json     once, at the end
    report.html     one file that needs no other
    checkpoints/    Orbax
    events.out...   the figures again, for TensorBoard
"""

import dataclasses
import fcntl
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import tempfile
from typing import Any

import jax

from data.errors import UserError
from experiments.runtime.options import Shared
from experiments.runtime.processes import is_first


def write_atomically(path: pathlib.Path, text: str) -> None:
    """Writes a file that is there completely or not at all."""
    unfinished = path.with_name(path.name + ".unfinished")
    # A folder's name need not be text: what is not is written as the escapes of its bytes.
    with open(unfinished, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def write_json(path: pathlib.Path, value: Any) -> None:
    """`value` as indented JSON."""
    write_atomically(path, json.dumps(value, indent=2) + "\n")


class Workdir:
    """A run's folder, made if need be and held against a second run until the process ends."""

    def __init__(self, path: str):
        """Raises UserError if there is no writing into `path`, or another run is at it.

        Of several processes the first alone writes there; what the others write is thrown away.
        """
        if not is_first():
            self._thrown_away = tempfile.TemporaryDirectory(prefix="unfold-")
            path = self._thrown_away.name
        self.path = pathlib.Path(path)
        try:
            os.fsencode(path).decode("utf-8")  # Orbax needs it
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
            self._lock = open(self.path / ".lock", "a")  # held open: closing would let go
        except (FileExistsError, NotADirectoryError):
            raise UserError(f"--workdir={path}: a file stands there; name a folder.") from None
        except UnicodeDecodeError:
            raise UserError(f"--workdir={path}: a name in UTF-8 is needed; name another.") from None
        except OSError as error:
            raise UserError(
                f"--workdir={path}: cannot be written to ({error.strerror}); name another folder."
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"--workdir={path}: another run is at work there; wait for it or name another."
            ) from None
        self.checkpoints = self.path / "checkpoints"
        self.result = self.path / "result.json"
        self.report = self.path / "report.html"
        self.metrics = self.path / "metrics.jsonl"
        self.samples = self.path / "samples.jsonl"

    def write_config(self, config: Shared) -> None:
        """Writes config.json."""
        write_json(self.path / "config.json", dataclasses.asdict(config) | provenance())


def provenance() -> dict[str, Any]:
    """With what, on what and from which command a run was made."""
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    return {
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
        "devices": [str(device) for device in jax.devices()],
        "command": shlex.join(sys.orig_argv),
        "commit": commit(),
    }


def commit() -> str:
    """The project's git commit, with a + where files differ from it; empty outside of git."""
    git = ["git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--abbrev=40"]
    try:
        done = subprocess.run([*git, "--dirty=+"], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
