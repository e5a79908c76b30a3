"""The figures of a run as it goes: metrics.jsonl and TensorBoard."""

import json
import math
import os
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence

from experiments.runtime.workdir import write_atomically

# tensorboardX imports PyTorch where there is one, for tensors that we never give it: 2.4 s.
_pytorch = sys.modules.setdefault("torch", None)  # None: there is none
try:
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.summary import scalar
finally:
    if _pytorch is None:
        del sys.modules["torch"]


class Metrics:
    """Writes figures by step and split.

    On resuming, figures after step `step` are forgotten, and those of the latest evaluation
    before it are taken from `latest`, lest a power cut has torn the file.
    """

    def __init__(self, path: pathlib.Path, step: int, latest: Sequence[dict] = ()):
        self._path = path
        replaced = {row["step"] for row in latest}
        rows = [row for row in read(path) if row["step"] <= step and row["step"] not in replaced]
        self.rows = rows + list(latest)
        write_atomically(path, "".join(json.dumps(row) + "\n" for row in self.rows))
        # Not tensorboardX's usual writer: its thread dies of a full disk or of a clock that jumps,
        # and what waits for the thread then waits for ever.
        self._events = EventsWriter(str(path.parent / "events"))
        self._event(step + 1, session_log=SessionLog(status=SessionLog.START))  # forget later ones

    def write(self, step: int, splits: Mapping[str, Mapping[str, float]]) -> None:
        """An evaluation: for each split (`train`, `valid`, `test`) a line of step and figures.

        A figure that is not finite is null, since JSON knows no such number.
        """
        rows = [{"step": step, "split": split, **_finite(row)} for split, row in splits.items()]
        self.rows += rows
        with open(self._path, "a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
            file.flush()
            os.fsync(file.fileno())  # a checkpoint of a later step counts on these lines
        for split, row in splits.items():
            for name, value in row.items():
                self._event(step, summary=scalar(f"{split}/{name}", value))
        self._events.flush()

    def _event(self, step: int, **what) -> None:
        self._events.write_event(Event(wall_time=time.time(), step=step, **what))

    def latest(self) -> list[dict]:
        """The rows of the latest evaluation."""
        last = self.rows[-1]["step"] if self.rows else 0
        return [row for row in self.rows if row["step"] == last]

    def curve(self, split: str, name: str) -> tuple[list[int], list[float]]:
        """The steps and values of one figure, where it is finite."""
        rows = [r for r in self.rows if r["split"] == split and r.get(name) is not None]
        return [row["step"] for row in rows], [row[name] for row in rows]

    def close(self) -> None:
        """Ends what TensorBoard reads."""
        self._events.close()


def read(path: pathlib.Path) -> list[dict]:
    """The rows of a metrics.jsonl or samples.jsonl; a damaged line, or half of one, is left out."""
    rows = [_row(line) for line in path.read_bytes().split(b"\n")] if path.exists() else []
    return [row for row in rows if row is not None]


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def add_row(path: pathlib.Path, row: Mapping) -> None:
    """Adds a row to samples.jsonl or the like, in place of those of the same or later steps."""
    rows = [other for other in read(path) if other["step"] < row["step"]]
    write_atomically(path, "".join(json.dumps(each) + "\n" for each in (*rows, row)))


def _row(line: bytes) -> dict | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None
