"""The runs of a sweep: finds those that are finished, and runs the others, a few at a time."""

import json
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from experiments.runtime import children
from experiments.runtime.interruption import signals_deferred

DONE, FAILED, INTERRUPTED, WAITING = "done", "failed", "interrupted", "not started"
LOG = "output.log"
GRACE_SECONDS = 60.0  # for an interrupted run to save a checkpoint


class Trial(NamedTuple):
    """A run of a sweep."""

    words: list[str]  # the experiment and its flags
    flags: dict[str, Any]  # those that differ between runs
    identity: dict[str, Any]  # the options that determine its figures
    folder: pathlib.Path
    deciding: Mapping[str, Any] = MappingProxyType({})  # the options by which it keeps a net


class Outcome(NamedTuple):
    """How a run ended."""

    status: str
    reason: str = ""
    result: dict[str, Any] | None = None  # from result.json


def finished(trial: Trial) -> Outcome | None:
    """A finished run's outcome; None without a report, which is the last thing a run writes."""
    if not (trial.folder / "report.html").exists():
        return None
    try:
        config = json.loads((trial.folder / "config.json").read_text(encoding="utf-8"))
        result = json.loads((trial.folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = all(config.get(name) == value for name, value in trial.identity.items())
    same = same and result.get("deciding", {}) == trial.deciding
    return Outcome(DONE, result=result) if same else None


def start(trial: Trial) -> subprocess.Popen:
    """Starts the run as a process whose output goes to a log in its folder."""
    trial.folder.mkdir(parents=True, exist_ok=True)
    experiment, *flags = trial.words
    command = [sys.executable, "-P", "-m", f"experiments.{experiment}", *flags]
    with open(trial.folder / LOG, "w", encoding="utf-8") as log:
        return children.start_child([*command, f"--workdir={trial.folder}"], log)


def outcome_of(trial: Trial, status: int) -> Outcome:
    """The outcome of a run that exited with this status."""
    if status == 0:
        return finished(trial) or Outcome(FAILED, "it wrote no result")
    if status in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        return Outcome(INTERRUPTED)
    lines = (trial.folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    last_line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if status < 0:
        return Outcome(FAILED, f"killed by {signal.Signals(-status).name}")
    return Outcome(FAILED, f"status {status}: {last_line[:300]}")


def run_all(planned: Sequence[Trial], jobs: int) -> tuple[list[Outcome], int]:
    """Runs what is not finished, `jobs` at a time; a failed run does not stop the others.

    Returns:
      An outcome for each, and the signal that interrupted the sweep, or 0.
    """
    outcomes = [finished(trial) or Outcome(WAITING) for trial in planned]
    waiting = [n for n, outcome in enumerate(outcomes) if outcome.status == WAITING]
    print(f"{len(planned)} runs, {len(planned) - len(waiting)} of them already done", flush=True)
    running: dict[int, subprocess.Popen] = {}
    forwarded = False
    with signals_deferred() as pending:
        try:
            while running or (waiting and not pending.signal):
                while waiting and len(running) < jobs and not pending.signal:
                    n = waiting.pop(0)
                    running[n] = start(planned[n])
                    print(f"started: {label(planned[n])}", flush=True)
                if pending.signal and not forwarded:
                    forwarded = True
                    for process in running.values():
                        process.send_signal(pending.signal)
                for n in [n for n, process in running.items() if process.poll() is not None]:
                    outcomes[n] = outcome_of(planned[n], running.pop(n).returncode)
                    reason = outcomes[n].reason and f": {outcomes[n].reason}"
                    print(f"{outcomes[n].status}: {label(planned[n])}{reason}", flush=True)
                time.sleep(0.05)
        finally:  # some are still running after a second Ctrl-C
            _end(running.values(), outcomes, list(running))
    return outcomes, pending.signal


def _end(processes, outcomes, numbers) -> None:
    stop = time.monotonic() + GRACE_SECONDS
    for process in processes:
        process.terminate()
    for process, n in zip(processes, numbers, strict=True):
        outcomes[n] = Outcome(INTERRUPTED)
        try:
            process.wait(max(0.0, stop - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def label(trial: Trial) -> str:
    """The flags that distinguish a run, for messages."""
    return " ".join(f"--{name}={value}" for name, value in trial.flags.items())
