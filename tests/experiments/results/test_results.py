"""The tables on the pages say what the committed result files say, and nothing else."""

import dataclasses
import importlib
import json
import re
from types import MappingProxyType

import pytest

from data.errors import UserError
from experiments import lenet5
from experiments.results import __main__ as results
from experiments.results import files, tables

FILES = sorted(files.FOLDER.glob("*.json"))
TEXTS = [page.read_text(encoding="utf-8") for page in results.PAGES]


@pytest.mark.parametrize("page", results.PAGES, ids=str)
def test_the_tables_of_a_page_are_the_result_files(page):
    text = page.read_text(encoding="utf-8")
    assert tables.with_tables(text) == text, "./launch.sh results makes them anew"


@pytest.mark.parametrize("name", tables.TABLES)
def test_each_table_stands_on_one_page(name):
    assert [text.count(f"<!-- {name}: begin -->\n| ") for text in TEXTS].count(1) == 1
    assert sum(text.count(f"<!-- {name}: ") for text in TEXTS) == 2


def test_every_experiment_with_a_result_is_on_the_front_page():
    shown = set(re.findall(r"^\|.*`\./launch\.sh (\w+)", TEXTS[0], re.MULTILINE))
    assert shown == {path.stem.partition("-")[0] for path in FILES}


ONE_PERCENT = MappingProxyType({"test_error_percent": 1.0})
ROW = "| a net | `./launch.sh lenet5{flags}` | here | 1998 | old | 9 | 9 |\n"
HEAD = "| head |\n| --- |\n"


def test_a_row_of_the_front_page_gets_the_figures_of_its_command(add_run):
    add_run(metrics={"test_error_percent": 1.006},
            paper={"test_error_percent": {"value": 0.95, "source": "a page", "kind": "paper"}})
    add_run(metrics={"test_perplexity": 126.686}, num_steps=9, dtype="bfloat16",
            paper={"test_perplexity": {"value": 124.7, "source": "notes", "kind": "quoted"}})
    flags = " --num_steps=9 --dtype=bfloat16"
    made = tables.front_rows(HEAD + ROW.format(flags="") + ROW.format(flags=flags))
    typed = ROW.partition(" old")[0]
    assert made == (
        HEAD
        + typed.format(flags="") + " error (%) | 0.95 | 1.01 |\n"
        + typed.format(flags=flags) + " perplexity | 124.7 \\* | 126.7 |\n"
    )  # fmt: skip


def test_a_row_of_the_front_page_without_a_result_is_refused(add_run):
    add_run()
    for row in (ROW.format(flags=" --preset=paper"), "| a net | no command | here |\n"):
        with pytest.raises(UserError, match="add the run to the results"):
            tables.front_rows(HEAD + row)


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

    def add(metrics=ONE_PERCENT, paper=MappingProxyType({}), **options):
        config = dataclasses.asdict(lenet5.Config(**options))
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        told = {name: config[name] for name in ("preset", "dtype", "seed")}
        run = {"experiment": "lenet5", "metrics": dict(metrics), "paper": dict(paper),
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
    assert results.main(["add", str(finished), str(tmp_path / "none")]) == 2
    old = json.loads((finished / "config.json").read_text())
    del old["mu"]
    (finished / "config.json").write_text(json.dumps(old))
    assert results.main(["add", str(finished)]) == 2
    error = capsys.readouterr().err
    assert "not the folder of a finished run" in error and "run it again" in error
    assert error.count("\n") == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_runs_of_several_seeds_stand_side_by_side(add_run):
    for seed in (3, 1):
        folder = add_run(seed=seed)
    assert list(files.by_seed(folder / "lenet5-quick.json")) == ["1", "3"]
    assert "1.00 (mean of 2 seeds: 1.00, 1.00)" in tables.rows()
