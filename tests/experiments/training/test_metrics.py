"""What a run writes as it goes: rows that survive a cut, files that are whole or absent."""

import json
import struct
import time

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from data.errors import UserError
from experiments.runtime import workdir
from experiments.runtime.workdir import Workdir, write_atomically, write_json
from experiments.training.metrics import Metrics, read


def test_rows_come_back_and_those_after_the_checkpoint_are_forgotten(tmp_path):
    path = tmp_path / "metrics.jsonl"
    first = Metrics(path, 0)
    for step in (10, 20, 30):
        first.write(step, {"train": {"loss": 1 / step},
                           "test": {"loss": 2 / step, "error_percent": 5.0}})  # fmt: skip
    first.close()
    resumed = Metrics(path, 20)
    assert resumed.curve("test", "loss") == ([10, 20], [2 / 10, 2 / 20])
    assert resumed.curve("train", "error_percent") == ([], [])
    resumed.write(30, {"test": {"loss": 0.5}})
    resumed.close()
    assert [(row["step"], row["split"]) for row in read(path)] == [
        (10, "train"), (10, "test"), (20, "train"), (20, "test"), (30, "test")
    ]  # fmt: skip


def events_of(folder):
    (file,) = folder.glob("events.out.tfevents.*")
    content, found = file.read_bytes(), []
    while content:  # length, its checksum, the event, its checksum
        (length,) = struct.unpack("<Q", content[:8])
        found.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return found


@pytest.mark.parametrize("jump", [-1e7, 1e7])
def test_tensorboard_gets_every_figure_at_once_whatever_the_clock_does(tmp_path, monkeypatch, jump):
    metrics, clock, steps = Metrics(tmp_path / "metrics.jsonl", 10), time.time, range(11, 41)
    for step in steps:
        metrics.write(step, {"test": {"loss": step / 8}})
        monkeypatch.setattr(time, "time", lambda: clock() + jump)
    header, begin, *rows = events_of(tmp_path)  # before it is closed
    assert header.file_version == "brain.Event:2"
    assert (begin.session_log.status, begin.step) == (SessionLog.START, 11)
    assert [(e.step, e.summary.value[0].tag, e.summary.value[0].simple_value) for e in rows] == [
        (step, "test/loss", step / 8) for step in steps
    ]
    metrics.close()


@pytest.mark.parametrize("cut", [1, 2, 10, 30])
def test_a_last_line_that_was_cut_off_does_not_count(tmp_path, cut):
    path = tmp_path / "metrics.jsonl"
    rows = [{"step": step, "split": "test", "loss": 0.25} for step in (1, 2)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text[:-cut])
    assert read(path) == (rows if cut == 1 else rows[:1])
    Metrics(path, 1).close()
    assert path.read_text() == json.dumps(rows[0]) + "\n"
    assert read(tmp_path / "none") == []


def test_a_file_is_replaced_completely_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_json(path, {"steps": 1})

    def killed(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(workdir.os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "half of")
    assert json.loads(path.read_text()) == {"steps": 1}


def test_a_folder_is_held_by_one_run_at_a_time(tmp_path):
    held = Workdir(str(tmp_path / "a" / "b"))
    with pytest.raises(UserError, match="another run is using this folder"):
        Workdir(str(tmp_path / "a" / "b"))
    Workdir(str(tmp_path / "a" / "c"))
    del held
    Workdir(str(tmp_path / "a" / "b"))
