"""The pieces of the fault command; the faults themselves are its own long run."""

import random
import sys

import pytest

from experiments.faults import __main__ as survival
from experiments.faults.faults import FAULTS, bit_flipped, cut
from experiments.faults.life import checkpoints, newest, unfinished


@pytest.fixture
def run(tmp_path):
    """A folder with two complete checkpoints and one that was cut off."""
    for name in ("0", "20", "40.orbax-checkpoint-tmp", "damaged.10"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    return tmp_path


def test_complete_checkpoints_are_told_from_others(run, tmp_path):
    assert checkpoints(run) == [0, 20] and newest(run) == 20
    assert unfinished(run) == {"40.orbax-checkpoint-tmp"}
    assert newest(tmp_path / "elsewhere") is None


def test_only_damage_may_cost_the_newest_checkpoint(run, tmp_path):
    resumption = survival._resumption
    assert resumption(run, FAULTS["killed (SIGKILL)"]) == {20}
    assert resumption(run, FAULTS["newest checkpoint cut"]) == {0, 20}
    assert resumption(tmp_path / "elsewhere", FAULTS["SIGTERM"]) == {None}


@pytest.mark.parametrize("seed", range(5))
def test_damage_changes_a_file(tmp_path, seed):
    file, before = tmp_path / "file", bytes(range(100))
    file.write_bytes(before)
    bit_flipped(file, random.Random(seed))
    changed = [a ^ b for a, b in zip(before, file.read_bytes(), strict=True) if a != b]
    assert len(changed) == 1 and changed[0].bit_count() == 1
    cut(file, random.Random(seed))
    assert file.stat().st_size < 100


def test_the_table_counts_what_was_survived():
    blows = [survival.Blow("SIGTERM"), survival.Blow("SIGTERM", "status 1"),
             survival.Blow("Ctrl-C")]  # fmt: skip
    rows = {row["fault"]: (row["times"], row["survived"]) for row in survival.table("e", blows)}
    assert rows["SIGTERM"] == (2, 1) and rows["Ctrl-C"] == (1, 1)
    assert rows["the clock jumps"] == (0, 0) and list(rows) == list(FAULTS)


@pytest.mark.parametrize(
    ("word", "said"),
    [("--count=0", "1 or more"), ("--only=memory", "choose one of"),
     ("--out=/no/such/folder/x.json", "no such folder"), ("--nonsense=1", "nonsense")],
)  # fmt: skip
def test_mistakes_get_one_sentence(word, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["faults", word])
    assert survival.main() == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
