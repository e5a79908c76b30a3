"""The experiment from its command: bad data and folders, divergence, what a run leaves behind."""

import fcntl
import json
import pathlib
import shutil

import numpy as np
import pytest

from data import mnist
from experiments import lenet5
from experiments.runtime.workdir import Workdir

pytestmark = pytest.mark.usefixtures("quick_compilation", "no_garbage_left")

TINY = ("--net=perceptron", "--loss=cross_entropy", "--loss_scale=1", "--batch_size=2")


def assert_refused(ended, *parts):
    """Asserts status 2 and one plain sentence with these parts."""
    status, out, err = ended
    assert status == 2, err
    assert err.count("\n") == 1 and err.endswith((".\n", "?\n")) and "Traceback" not in err
    for part in parts:
        assert part in err


# Bad data


def swapped(folder):
    images, labels = (folder / f"train-{n}-ubyte" for n in ("images-idx3", "labels-idx1"))
    content = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    labels.write_bytes(content)


def of_different_lengths(folder):
    shutil.copy(folder / "t10k-labels-idx1-ubyte", folder / "train-labels-idx1-ubyte")


def cut_short(folder):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])


def with_one_missing(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()


def emptied(folder):
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (swapped, "holds labels where images are expected; are the two files swapped?"),
        (of_different_lengths, "the training set has 23 images but 7 labels"),
        (cut_short, "is cut short"),
        (with_one_missing, "t10k-labels-idx1-ubyte is missing"),
        (emptied, "holds neither"),
        (shutil.rmtree, "is not a folder"),
    ],
)
def test_a_damaged_folder_of_your_own(lenet5_command, write_own_digits, tmp_path, damage, sentence):
    folder = write_own_digits(tmp_path / "digits")
    damage(folder)
    ended = lenet5_command(*TINY, f"--dataset={folder}", f"--workdir={tmp_path / 'run'}")
    assert_refused(ended, sentence, str(folder))


def raw_files(folder, size_of):
    """Files with the names of MNIST's, of zeros."""
    (folder / "mnist").mkdir()
    for files in mnist.FILES.values():
        for file in files:
            with open(folder / "mnist" / file.name, "wb") as sparse:
                sparse.truncate(size_of(file))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: None, "train-images-idx3-ubyte.gz is missing"),
        (lambda folder: raw_files(folder, lambda file: file.size - 1), "is cut short"),
        (lambda folder: raw_files(folder, lambda file: file.size), "is a different file"),
    ],
    ids=["missing", "truncated", "wrong sum"],
)
def test_damaged_raw_files_are_named_with_their_sum(lenet5_command, tmp_path, make, sentence):
    make(tmp_path)
    ended = lenet5_command(
        "--preset=paper", f"--raw_dir={tmp_path}", f"--data_dir={tmp_path / 'prepared'}",
        f"--workdir={tmp_path / 'run'}",
    )  # fmt: skip
    assert_refused(ended, sentence, "train-images-idx3-ubyte.gz", mnist.FILES["train"][0].sha256)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--dataset=mnits"], "choose digits, mnist, or a folder"),
        (["--dataset=./nowhere"], "nowhere is not a folder"),
        (["--valid_size=23"], "choose between 0 and 22"),
        (["--net=perceptron", "--hidden=ten"], "--hidden=ten: give whole numbers"),
        (["--net=perceptron", "--hidden=300,-1"], "give whole numbers"),
        (["--net=perceptron", "--optimizer=sdlm"], "the one with second derivatives"),
    ],
)
def test_options_that_do_not_fit_each_other(lenet5_command, own_digits, tmp_path, words, sentence):
    ended = lenet5_command(f"--dataset={own_digits}", *words, f"--workdir={tmp_path / 'run'}")
    assert_refused(ended, sentence)


def test_other_numbers_of_classes_need_a_softmax(lenet5_command, write_own_digits, tmp_path):
    folder = write_own_digits(tmp_path / "digits", classes=4)
    ended = lenet5_command(f"--dataset={folder}", f"--workdir={tmp_path / 'run'}")
    assert_refused(ended, "not 4 classes: give --softmax")


# Bad folders


@pytest.mark.parametrize("below", ["", "/run"], ids=["a file", "below a file"])
def test_a_work_directory_that_is_a_file(lenet5_command, tmp_path, below):
    (tmp_path / "file").write_text("mine")
    ended = lenet5_command(f"--workdir={tmp_path / 'file'}{below}")
    assert_refused(ended, f"--workdir={tmp_path / 'file'}", "give a folder")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_work_directory_that_cannot_be_written(lenet5_command):
    if not pathlib.Path("/proc/self").is_dir():
        pytest.skip("needs /proc, where nobody may make a folder")
    assert_refused(lenet5_command("--workdir=/proc/self/run"), "cannot be written to")


def test_a_work_directory_that_another_run_is_using(lenet5_command, tmp_path):
    with open(tmp_path / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = lenet5_command(f"--workdir={tmp_path}")
    assert_refused(ended, "another run is using this folder")
    Workdir(str(tmp_path))


# Runs


@pytest.fixture
def tiny(lenet5_command, own_digits, tmp_path):
    """Runs 20 steps of a linear classifier in `tmp_path/run`, with further flags."""

    def command(*words):
        return lenet5_command(
            *TINY, f"--dataset={own_digits}", "--num_steps=20", "--eval_every=8",
            "--checkpoint_every=5", "--steps_per_call=3", f"--workdir={tmp_path / 'run'}", *words,
        )  # fmt: skip

    return command


def note_of(run, step):
    return json.loads((run / "checkpoints" / str(step) / "note" / "metadata").read_text())


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_what_it_promises(tiny, tmp_path, own_digits):
    status, out, err = tiny("--valid_size=4")
    assert status == 0, err
    run = tmp_path / "run"
    assert [(row["step"], row["split"]) for row in rows_of(run)] == [
        (step, split) for step in (8, 16, 20) for split in ("train", "test", "valid")
    ]
    result = json.loads((run / "result.json").read_text())
    assert (result["experiment"], result["preset"], result["seed"]) == ("lenet5", "quick", 0)
    assert (result["parameters"], result["steps"], result["paper"]) == (7850, 20, {})
    last = rows_of(run)[-2]
    for name in ("error_percent", "loss"):
        assert result["metrics"][f"test_{name}"] == last[name]
        assert f"valid_{name}" in result["metrics"]
    assert 0 <= result["metrics"]["train_error_percent"] <= 100
    assert result["seconds"] > 0 and result["speed"] > 0
    config = json.loads((run / "config.json").read_text())
    assert config["num_steps"] == 20 and config["dataset"] == str(own_digits)
    assert {"versions", "devices", "command", "commit"} <= set(config)
    assert list(run.glob("events.out.tfevents*"))
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["10", "15", "20"]
    assert "20/20" in out and "7,850" in out

    # the same command has nothing left to do, and a different one is refused
    digest, rows = note_of(run, 20)["sha256"], rows_of(run)
    assert tiny("--valid_size=4")[0] == 0
    assert note_of(run, 20)["sha256"] == digest and rows_of(run) == rows
    assert json.loads((run / "result.json").read_text())["metrics"] == result["metrics"]
    assert_refused(tiny("--valid_size=4", "--batch_size=3"), "batch_size 2 there and 3 here")
    other_seed = tiny("--valid_size=4", "--seed=1")
    assert_refused(other_seed, "another --workdir", "seed 0 there and 1 here")

    # damage to the newest checkpoint is reported, and the run ends as before
    for path in (run / "checkpoints" / "20").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    status, out, err = tiny("--valid_size=4")
    assert status == 0 and "checkpoint of step 20" in err and "is damaged" in err
    assert "resuming at step 15" in out and "Traceback" not in err
    assert note_of(run, 20)["sha256"] == digest and rows_of(run) == rows
    again = json.loads((run / "result.json").read_text())
    assert again["metrics"] == result["metrics"]


@pytest.mark.parametrize(
    "words",
    [
        ["--optimizer=sgd", "--schedule=constant"],
        ["--net=lenet5", "--loss=map", "--optimizer=adam"],
    ],
    ids=["sgd", "adam"],
)
def test_a_diverging_run_stops_and_names_the_last_good_checkpoint(tiny, tmp_path, words):
    status, _, err = tiny("--learning_rate=1e6", *words)
    assert status == 1 and "Traceback" not in err and err.count("\n") == 1
    assert "the run diverged at step " in err and "last good checkpoint is of step 0" in err
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    assert checkpoint.name == "0"
    assert not (tmp_path / "run" / "result.json").exists()


def test_figures_are_published_for_the_presets_own_net_and_data_only():
    paper = lenet5.PRESETS["paper"]
    assert lenet5.published(paper)["test_error_percent"].value == 0.95
    for field, value in (("dataset", "digits"), ("net", "lenet1")):
        other = type(paper)(**{**vars(paper), field: value})
        assert lenet5.published(other) == {}


def test_the_paper_preset_is_the_papers():
    paper = lenet5.PRESETS["paper"]
    assert (paper.net, paper.softmax, paper.loss, paper.optimizer) == (
        "lenet5", False, "map", "sdlm"
    )  # fmt: skip
    assert (paper.batch_size, paper.num_steps, paper.learning_rate) == (1, 20 * 60_000, 5e-4)
    assert (paper.mu, paper.curvature_examples, paper.schedule) == (0.02, 500, "paper")
    assert lenet5.PRESETS["paper-distorted"].distortions and not paper.distortions
    assert np.all([lenet5.PRESETS[n].dataset == "mnist" for n in lenet5.PAPER])
