"""A run's folder: its files, and how they are written.

    config.json     the options, with versions, devices, command and commit
    metrics.jsonl   one JSON object per line: step, split, then figures
    samples.jsonl   a generative net's samples, by step
    trace.jsonl     a small net's weights and hidden values, by step
    result.json     written once, at the end
    best/           the parameters that did best on the validation part
    report.html     a self-contained page
    checkpoints/    written by Orbax
    events.out...   the figures again, for TensorBoard
"""

import dataclasses
import fcntl
import importlib.metadata
import json
import math
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
    """Writes a text file in full or not at all."""
    # A path need not be valid UTF-8: bytes that are not are written as escapes.
    replace_atomically(path, text.encode("utf-8", errors="backslashreplace"))


def replace_atomically(path: pathlib.Path, content) -> None:
    """Writes bytes to a file in full or not at all; a power cut afterwards does not undo it."""
    unfinished = path.with_name(path.name + ".unfinished")
    with open(unfinished, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    _sync(path.parent)


def make_folder(path: pathlib.Path) -> None:
    """Makes a folder below one that exists; a power cut afterwards does not undo it."""
    if not path.exists():
        path.mkdir()
        _sync(path.parent)


def _sync(folder: pathlib.Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_json(path: pathlib.Path, value: Any) -> None:
    """`value` as indented JSON; null for a number that is not finite, which JSON does not know."""
    write_atomically(path, json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Workdir:
    """A run's folder, created if necessary, locked against a second run until the process ends."""

    def __init__(self, path: str):
        """Raises UserError if `path` cannot be written to, or another run is using it.

        If there are several processes, only the first writes there; what the others write is
        discarded.
        """
        if not is_first():
            self._discarded = tempfile.TemporaryDirectory(prefix="unfold-")
            path = self._discarded.name
        self.path = pathlib.Path(path)
        try:
            os.fsencode(path).decode("utf-8")  # Orbax needs it
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
            self._lock = open(self.path / ".lock", "a")  # kept open: closing it would unlock
        except (FileExistsError, NotADirectoryError):
            raise UserError(f"--workdir={path}: this is a file; give a folder.") from None
        except UnicodeDecodeError:
            raise UserError(
                f"--workdir={path}: the name is not valid UTF-8; give another."
            ) from None
        except OSError as error:
            raise UserError(
                f"--workdir={path}: cannot be written to ({error.strerror}); give another folder."
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"--workdir={path}: another run is using this folder; wait for it to end or give "
                "another folder."
            ) from None
        self.checkpoints = self.path / "checkpoints"
        self.best = self.path / "best"
        self.result = self.path / "result.json"
        self.report = self.path / "report.html"
        self.metrics = self.path / "metrics.jsonl"
        self.samples = self.path / "samples.jsonl"

    def write_config(self, config: Shared) -> None:
        """Writes config.json."""
        write_json(self.path / "config.json", dataclasses.asdict(config) | provenance())


def provenance() -> dict[str, Any]:
    """The versions, devices, command and commit of a run."""
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    return {
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
        "devices": [str(device) for device in jax.devices()],
        "command": shlex.join(sys.orig_argv),
        "commit": commit(),
    }


def commit() -> str:
    """The project's git commit, followed by + if files differ from it; empty outside of git."""
    git = ["git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--abbrev=40"]
    try:
        done = subprocess.run([*git, "--dirty=+"], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
