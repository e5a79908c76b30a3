"""A grid of runs: how it is given, that it resumes after a Ctrl-C, and its table."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from data.errors import UserError
from experiments import lenet5, memory
from experiments.launch import main_of, sweep, sweep_table
from experiments.launch.trials import DONE, FAILED, Outcome, Trial

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_a_comma_separates_values_unless_it_is_escaped():
    assert sweep.values_of(r"300\,100,200") == ["300,100", "200"]
    assert sweep.values_of("") == [""] and sweep.values_of("a,") == ["a", ""]


def planned(*words, root="root"):
    return sweep.trials_of("lenet5", lenet5.PRESETS, sweep.grid_of(words), root)


def test_a_run_for_every_combination():
    trials = planned("--seed=0,1", r"--hidden=300\,100,200", "--net=perceptron", "--raw_dir=/x")
    assert [trial.flags for trial in trials] == [
        {"seed": seed, "hidden": hidden} for seed in (0, 1) for hidden in ("300,100", "200")
    ]
    assert trials[0].folder == pathlib.Path("root/hidden=300,100,net=perceptron,seed=0")
    assert trials[0].words == ["lenet5", "--net=perceptron", "--raw_dir=/x", "--seed=0",
                               "--hidden=300,100"]  # fmt: skip
    assert len({trial.folder for trial in trials}) == 4


def test_a_folders_name_depends_on_values_and_not_on_their_spelling():
    a, b = (planned(f"--learning_rate={rate},2") for rate in ("0.001", "1e-3"))
    assert a[0].folder == b[0].folder
    one, other = (sweep.folder_name({"dataset": name}) for name in ("./a/b", "._a_b"))
    assert one != other and "/" not in one and len(sweep.folder_name({"x": "y" * 999})) <= 150


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed=1"], "several values"),
        (["--seeds=1,2"], r"mean: seed \?"),
        (["--seed=1,x"], "--seed"),
        (["--seed=1,-2"], "0 or more"),
        (["--net=lenet5,lenet6"], "--net=lenet6"),
        (["--preset=paper,papers"], "--preset=papers"),
        (["--seed=1,1"], "twice"),
        (["--seed=1,2", "--seed=3"], "twice"),
        (["--learning_rate=0.1,1e-1"], "are equal"),
        (["sample", "--seed=1,2"], "'sample'"),
    ],
)
def test_user_errors_are_found_before_anything_starts(words, message):
    with pytest.raises(UserError, match=message):
        planned(*words)


def test_a_dry_run_prints_commands(capsys, tmp_path):
    words = ["-n", "--jobs=2", "lenet5", "--seed=0,1", f"--workdir={tmp_path}"]
    assert sweep.main(words) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"./launch.sh lenet5 --seed={n} --workdir={tmp_path}/seed={n}" for n in (0, 1)
    ]
    assert sweep.main(["lenet5", "--seed=0,1", "--jobs=0"]) == 2


def ranked_table(figure, *values, wanted=""):
    trials = [Trial([], {"seed": n}, {}, pathlib.Path(str(n))) for n in range(len(values))]
    outcomes = [Outcome(FAILED, "status 1") if value is None
                else Outcome(DONE, result={"metrics": {"train_loss": -value, figure: value}})
                for value in values]  # fmt: skip
    return sweep_table.ranked(trials, outcomes, wanted)


def order(ranked):
    return [run["flags"]["seed"] for run in ranked.runs]


def test_the_best_run_comes_first_and_failed_ones_last():
    assert order(ranked_table("test_error_percent", 3.0, None, 1.0)) == [2, 0, 1]
    assert order(ranked_table("test_bleu", 3.0, None, 1.0)) == [0, 2, 1]
    assert order(ranked_table("test_bleu", 3.0, 1.0, wanted="train_loss")) == [0, 1]
    assert ranked_table("test_bleu", None, None).figure == ""


def test_the_table_shows_whole_file_names_and_brackets(capsys):
    names = [f"/a/long/folder/of/data/sets/of/many/texts/{n}[/b].txt" for n in (1, 2)]
    trials = [Trial([], {"dataset": name}, {}, pathlib.Path("run")) for name in names]
    outcomes = [Outcome(FAILED, "status 2: [/c] is no file")] * 2
    sweep_table.show("char_rnn", sweep_table.ranked(trials, outcomes, ""))
    out = capsys.readouterr().out
    assert column_text(out, 0, "dataset") == ".../1[/b].txt.../2[/b].txt"
    assert column_text(out, 2, "outcome") == "failed:status2:[/c]isnofile" * 2


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_cuts_off_nothing_that_distinguishes_two_runs(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    data = [f"/data/of/everyone/{'long' * 20}{n}.txt" for n in (1, 2)]
    flags = [{"dataset": d, "learning_rate": rate, "hidden": 128}
             for d in data for rate in (0.00123456789, 0.1)]  # fmt: skip
    metrics = {"valid_nats": 1.234, "test_nats": 5.678, "test_perplexity": 1234.0,
               "test_bits_per_character": 1.1}  # fmt: skip
    outcome = Outcome(DONE, result={"metrics": metrics, "seconds": 123_456.7})
    trials = [Trial([], each, {}, pathlib.Path("run")) for each in flags]
    sweep_table.show("char_rnn", sweep_table.ranked(trials, [outcome] * 4, ""))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width and "…" not in out
    cells = [f".../{'long' * 20}{n}.txt" for n in (1, 1, 2, 2)]
    assert column_text(out, 0, "dataset") == "".join(cells)
    assert column_text(out, 1, "learning_rate") == "0.001234567890.1" * 2
    assert column_text(out, 3, "validnats") == "1.234" * 4
    shown = column_text(out, -2, "seconds")
    assert shown == "123,457" * 4


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (["/a/b/c.txt", "/a/b/d.txt"], [".../c.txt", ".../d.txt"]),
        (["/a/b/one/x", "/a/b/on/x"], [".../one/x", ".../on/x"]),
        (["./c.txt", "./d.txt"], ["./c.txt", "./d.txt"]),
        (["0.1", "0.2"], ["0.1", "0.2"]),
        (["/a/s1,/a/t1", "/a/s2,/a/t2"], ["/a/s1,/a/t1", "/a/s2,/a/t2"]),
    ],
)
def test_only_common_folders_are_left_out(values, shown):
    assert sweep_table.without_folder(values) == shown
    assert len(set(shown)) == len(set(values))


def column_text(out, column, header):
    """The text of a printed table's column, without blanks."""
    rows = [re.split("[│┃]", line)[1:-1] for line in out.splitlines() if line[:1] in "│┃"]
    texts = [row[column].replace(" ", "") for row in rows]
    text = "".join(texts)
    assert text.startswith(header)
    return text.removeprefix(header)


def test_runs_are_ranked_on_the_validation_part_if_there_is_one():
    assert sweep_table.usual({"test_loss": 1, "test_error_percent": 2}) == "test_error_percent"
    assert sweep_table.usual({"test_bleu": 1, "valid_bleu": 2}) == "valid_bleu"


class Running:
    """A process that is still exiting when a second Ctrl-C comes."""

    def __init__(self):
        self.received, self.returncode, self.polled = [], None, 0

    def poll(self):
        self.polled += 1
        assert self.polled < 10, "the second Ctrl-C stopped nothing"

    def send_signal(self, number):
        self.received.append(number)
        signal.raise_signal(signal.SIGINT)

    def terminate(self):
        self.received.append(signal.SIGTERM)

    def wait(self, seconds):
        self.received.append("waited for")


def test_a_second_ctrl_c_stops_all_runs_and_is_reported_in_one_sentence(monkeypatch, capsys):
    run = Running()

    def start(trial):
        signal.raise_signal(signal.SIGINT)
        return run

    monkeypatch.setattr(sweep.trials, "start", start)
    trial = Trial(["lenet5"], {"seed": 0}, {}, pathlib.Path("nowhere"))
    assert main_of(lambda words: sweep.trials.run_all([trial], 1))([]) == 130
    assert run.received == [signal.SIGINT, signal.SIGTERM, "waited for"]
    assert capsys.readouterr().err == "Interrupted; run the same command again.\n"


# A whole sweep

WORDS = ("--cell=rnn", "--length=10", "--hidden=2", "--batch_size=2", "--optimizer=sgd",
         "--clip_norm=0", "--num_steps=8000", "--eval_every=8000", "--checkpoint_every=800",
         "--steps_per_call=200", "--learning_rate=1e30,0.001")  # fmt: skip


def start_sweep(root, environment):
    """Starts a sweep of a run that succeeds and one that diverges."""
    command = [sys.executable, "-P", "-m", "experiments.launch.sweep", "--jobs=2", "memory"]
    return subprocess.Popen(
        [*command, *WORDS, f"--workdir={root}"],
        cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.thorough
def test_an_interrupted_sweep_resumes_and_a_failed_run_stops_no_other(tmp_path, quick_processes):
    sweep_ = start_sweep(tmp_path, quick_processes)
    (good,) = wait_for_files(tmp_path, "*learning_rate=0.001*", 1)
    wait_for_files(good / "checkpoints", "[1-9]*", 1)  # stopped earlier it would start over
    sweep_.send_signal(signal.SIGINT)
    _, err = sweep_.communicate(timeout=60)
    assert sweep_.returncode == 130 and "run the same command" in err, err
    assert not (good / "result.json").exists()

    sweep_ = start_sweep(tmp_path, quick_processes)
    out, err = sweep_.communicate(timeout=120)
    assert sweep_.returncode == 1 and err == "", err
    assert (good / "output.log").read_text().count("\nresuming at step ") == 1
    content = json.loads((tmp_path / "sweep.json").read_text())
    assert [run["status"] for run in content["runs"]] == ["done", "failed"]
    assert content["sorted_by"] == "test_wrong_percent"
    assert content["runs"][0]["flags"] == {"learning_rate": 0.001}
    assert "diverged" in content["runs"][1]["reason"] and "diverged" in out
    trials = sweep.trials_of("memory", memory.PRESETS, sweep.grid_of(WORDS), str(tmp_path))
    (trial,) = [trial for trial in trials if trial.folder == good]
    assert sweep.trials.finished(trial).result["metrics"] == content["runs"][0]["metrics"]
    changed = trial._replace(identity=trial.identity | {"num_steps": 1})
    assert sweep.trials.finished(changed) is None


def wait_for_files(folder, pattern, count, seconds=60):
    """Waits for `count` files that match; gives them."""
    end = time.monotonic() + seconds
    while len(found := list(folder.glob(pattern))) < count:
        assert time.monotonic() < end
        time.sleep(0.02)
    return found
