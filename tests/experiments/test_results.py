"""The README's tables say what the committed result files say, and nothing else."""

import importlib
import json

import pytest

from experiments import results_table

FILES = sorted(results_table.FOLDER.glob("*.json"))


def test_readme_tables_are_the_result_files():
    text = results_table.README.read_text(encoding="utf-8")
    assert results_table.with_tables(text) == text, "./launch.sh results makes them anew"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_result_file_is_a_run_of_what_it_is_named_after(path):
    for seed, run in results_table.by_seed(path).items():
        assert path.stem == results_table.name_of(run)
        assert run["seed"] == int(seed)
        presets = importlib.import_module(f"experiments.{run['experiment']}").PRESETS
        assert run["steps"] == presets[run["preset"]].num_steps
        for name, figure in run["paper"].items():
            assert name in run["metrics"] and figure["kind"] in ("paper", "quoted", "unverified")


def test_mixed_lengths_cost_what_their_words_cost():
    """As the README says of the committed file: each bucket's word, and a pass's beside padding."""
    rows = json.loads((results_table.FOLDER / "speed" / "tagger.json").read_text())
    shares = [row["share"] for row in rows if "share" in row]
    assert shares and all(0.75 <= share <= 1.25 for share in shares)


def test_a_run_in_bfloat16_is_another_row(tmp_path, monkeypatch):
    monkeypatch.setattr(results_table, "FOLDER", tmp_path / "results")
    run = {"experiment": "e", "preset": "quick", "metrics": {"test_error_percent": 1.0},
           "paper": {}, "seconds": 60.0, "seed": 0}  # fmt: skip
    for dtype in ("float32", "bfloat16"):
        folder = tmp_path / dtype
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps(run | {"dtype": dtype}))
        results_table.add([str(folder)])
    found = [line.split("|")[1] for line in results_table.rows().splitlines()]
    assert sorted(found) == [" `./launch.sh e --dtype=bfloat16` ", " `./launch.sh e` "]


def test_runs_of_several_seeds_stand_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(results_table, "FOLDER", tmp_path / "results")
    run = {"experiment": "e", "preset": "p", "metrics": {"test_error_percent": 1.0}, "paper": {},
           "seconds": 60.0}  # fmt: skip
    for seed in (3, 1):
        folder = tmp_path / f"run{seed}"
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps(run | {"seed": seed}))
        results_table.add([str(folder)])
    assert list(results_table.by_seed(tmp_path / "results" / "e-p.json")) == ["1", "3"]
    assert "1.00 (mean of 2 seeds: 1.00, 1.00)" in results_table.rows()
