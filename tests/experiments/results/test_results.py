"""The README's tables say what the committed result files say, and nothing else."""

import dataclasses
import importlib
import json

import pytest

from experiments import lenet5
from experiments.results import __main__ as tables
from experiments.results import files

FILES = sorted(files.FOLDER.glob("*.json"))


def test_readme_tables_are_the_result_files():
    text = tables.README.read_text(encoding="utf-8")
    assert tables.with_tables(text) == text, "./launch.sh results makes them anew"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_result_file_is_a_run_of_what_it_is_named_after(path):
    for seed, run in files.by_seed(path).items():
        assert path.stem == files.name_of(run)
        assert run["seed"] == int(seed)
        presets = importlib.import_module(f"experiments.{run['experiment']}").PRESETS
        preset = presets[run["preset"]]
        assert run["steps"] == run.get("flags", {}).get("num_steps", preset.num_steps)
        for name, figure in run["paper"].items():
            assert name in run["metrics"] and figure["kind"] in ("paper", "quoted", "unverified")


def test_mixed_lengths_cost_what_their_words_cost():
    """As the README says of the committed file: each bucket's word, and a pass's beside padding."""
    rows = json.loads((files.FOLDER / "speed" / "tagger.json").read_text())
    shares = [row["share"] for row in rows if "share" in row]
    assert shares and all(0.75 <= share <= 1.25 for share in shares)


@pytest.fixture
def add_run(tmp_path, monkeypatch):
    """Takes a run of LeNet-5 with these options over into a folder of results, which it gives."""
    monkeypatch.setattr(files, "FOLDER", tmp_path / "results")

    def add(**options):
        config = dataclasses.asdict(lenet5.Config(**options))
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        told = {name: config[name] for name in ("preset", "dtype", "seed")}
        run = {"experiment": "lenet5", "metrics": {"test_error_percent": 1.0}, "paper": {},
               "seconds": 60.0, **told}  # fmt: skip
        (folder / "result.json").write_text(json.dumps(run))
        (folder / "config.json").write_text(json.dumps(config))
        files.add([str(folder)])
        return tmp_path / "results"

    return add


def test_a_run_with_other_options_is_another_row(add_run):
    for options in ({"dtype": "float32"}, {"dtype": "bfloat16"}, {"num_steps": 9, "mu": 0.5},
                    {"data_dir": "elsewhere", "dataset": "./mine", "eval_every": 7}):  # fmt: skip
        add_run(**options)
    found = {line.split("|")[1] for line in tables.rows().splitlines()}
    flags = ("", " --dtype=bfloat16", " --num_steps=9 --mu=0.5")
    assert found == {f" `./launch.sh lenet5{words}` " for words in flags}


def test_what_is_no_finished_run_is_not_taken_over(add_run, capsys, tmp_path):
    folder = add_run(seed=3)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    finished = next(path.parent for path in tmp_path.glob("*/config.json"))
    assert tables.main(["add", str(finished), str(tmp_path / "none")]) == 2
    old = json.loads((finished / "config.json").read_text())
    del old["mu"]
    (finished / "config.json").write_text(json.dumps(old))
    assert tables.main(["add", str(finished)]) == 2
    error = capsys.readouterr().err
    assert "not the folder of a finished run" in error and "run it again" in error
    assert error.count("\n") == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_runs_of_several_seeds_stand_side_by_side(add_run):
    for seed in (3, 1):
        folder = add_run(seed=seed)
    assert list(files.by_seed(folder / "lenet5-quick.json")) == ["1", "3"]
    assert "1.00 (mean of 2 seeds: 1.00, 1.00)" in tables.rows()
