"""The parts of the faults command; the faults themselves take a long run of it."""

import random

import pytest

from experiments.faults import __main__ as command
from experiments.faults.faults import FAULTS, flip_bit, truncate
from experiments.faults.run_process import checkpoints, newest, unfinished


@pytest.fixture
def run(tmp_path):
    """A folder with two complete checkpoints and an unfinished one."""
    for name in ("0", "20", "40.orbax-checkpoint-tmp", "damaged.10"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    return tmp_path


def test_only_complete_checkpoints_count(run, tmp_path):
    assert checkpoints(run) == [0, 20] and newest(run) == 20
    assert unfinished(run) == {"40.orbax-checkpoint-tmp"}
    assert newest(tmp_path / "elsewhere") is None


def test_only_damage_may_cost_the_newest_checkpoint(run, tmp_path):
    assert command.resumption_steps(run, FAULTS["killed (SIGKILL)"]) == {20}
    assert command.resumption_steps(run, FAULTS["newest checkpoint cut"]) == {0, 20}
    assert command.resumption_steps(tmp_path / "elsewhere", FAULTS["SIGTERM"]) == {None}


@pytest.mark.parametrize("seed", range(5))
def test_damage_changes_a_file(tmp_path, seed):
    file, before = tmp_path / "file", bytes(range(100))
    file.write_bytes(before)
    flip_bit(file, random.Random(seed))
    changed = [a ^ b for a, b in zip(before, file.read_bytes(), strict=True) if a != b]
    assert len(changed) == 1 and changed[0].bit_count() == 1
    truncate(file, random.Random(seed))
    assert file.stat().st_size < 100


def test_the_table_counts_faults_and_those_survived():
    injected = [command.Injected("SIGTERM"), command.Injected("SIGTERM", "status 1"),
                command.Injected("Ctrl-C")]  # fmt: skip
    rows = {row["fault"]: (row["times"], row["survived"]) for row in command.table("e", injected)}
    assert rows["SIGTERM"] == (2, 1) and rows["Ctrl-C"] == (1, 1)
    assert rows["the clock jumps"] == (0, 0) and list(rows) == list(FAULTS)


@pytest.mark.parametrize(
    ("word", "message"),
    [("--count=0", "1 or more"), ("--only=memory", "choose one of"),
     ("--out=/no/such/folder/x.json", "folder does not exist"), ("--nonsense=1", "nonsense")],
)  # fmt: skip
def test_user_errors_get_one_sentence(word, message, capsys):
    assert command.main([word]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
