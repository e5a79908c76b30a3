"""Help and version, asked for in every usual way, of every experiment and command."""

import dataclasses
import importlib
import pathlib
import re
import runpy

import pytest

from experiments.__main__ import COMMANDS, experiments
from experiments.export.__main__ import Export
from experiments.faults.__main__ import Options as FaultOptions
from experiments.launch.slurm import Job
from experiments.launch.sweep import Options as SweepOptions
from experiments.launch.tpu import Slice
from experiments.runtime import usage
from experiments.runtime.options import Shared, option
from experiments.speed.__main__ import BENCHMARKS
from experiments.speed.__main__ import Options as SpeedOptions

HELP = ["--help", "--helpshort", "--helpfull", "-h", "-help", "-?"]
EXPERIMENTS = list(experiments(pathlib.Path(__file__).parents[3] / "experiments"))
SUBCOMMANDS = [("char_rnn", "sample"), ("word_lm", "sample"), ("word_lm", "ngrams"),
               ("tagger", "vectors"), ("translate", "decode")]  # fmt: skip
OPTIONS = {"multi": None, "slurm": Job, "tpu": Slice, "sweep": SweepOptions, "export": Export,
           "doctor": None, "speed": SpeedOptions, "faults": FaultOptions,
           "results": None}  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group(Shared):
    """A group of options."""

    heading = "A group"

    cell: str = option("lstm", "which cell")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Larger(Group):
    """The same with one more."""

    layers: int = option(1, "how many layers")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Toy(Larger):
    """An experiment."""

    unit: str = option("words", "what is read " * 20)
    num_steps: int = option(5, "steps of the toy")


TOYS = {"quick": Toy(), "paper": Toy(preset="paper", dataset="x", num_steps=70_000, batch_size=8)}


def flags_of(text: str) -> list[str]:
    return re.findall(r"^  --(\w+)=", text, re.MULTILINE)


def test_flags_stand_under_the_heading_of_the_class_that_introduces_them():
    text = usage.of_experiment(TOYS, [])
    own, group, shared = re.split(r"\n\n(?:A group|Every experiment)\n", text)
    assert flags_of(own) == ["unit"] and flags_of(group) == ["layers", "cell"]
    assert flags_of(shared) == [field.name for field in dataclasses.fields(Shared)]
    assert "--num_steps=5\n        steps of the toy\n" in shared
    assert max(map(len, text.splitlines())) <= 100


def test_presets_have_their_cost_and_the_one_named_shows_its_values():
    text = usage.of_experiment(TOYS, ["--preset=paper", "--help"])
    assert "\n  quick     5 steps, batch size 1\n  paper  x  70,000 steps, batch size 8\n" in text
    assert "values in the preset paper" in text and "--num_steps=70000\n" in text
    for words in ([], ["--preset=none"]):
        assert "--num_steps=5\n" in usage.of_experiment(TOYS, words)


def outcome(name: str, words: list[str], monkeypatch, capfd) -> tuple[int, str, str]:
    """(status, standard output, standard error) of `python -m experiments.NAME WORDS`."""
    monkeypatch.setattr("sys.argv", [name, *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
    return ended.value.code, *capfd.readouterr()


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_explains_itself(name, monkeypatch, capfd):
    status, out, err = outcome(name, ["--help"], monkeypatch, capfd)
    module = importlib.import_module(f"experiments.{name}")
    title, paper = map(str.strip, module.__doc__.partition("\n")[0].split("|"))
    assert (status, err) == (0, "") and out.startswith(f"{title} ({paper})\n")
    assert out.count(f"    ./launch.sh {name}") >= 2  # examples
    for preset in module.PRESETS.values():
        steps = f"{preset.num_steps:,} steps, " if preset.num_steps else ""
        cost = f"{steps}batch size {preset.batch_size:,}\n"
        assert re.search(rf"^  {preset.preset} +{preset.dataset} +{cost}", out, re.MULTILINE)
    fields = dataclasses.fields(module.Config)
    assert sorted(flags_of(out)) == sorted(field.name for field in fields)
    words = " ".join(out.split())
    assert all(" ".join(field.metadata["help"].split()) in words for field in fields)
    assert outcome(name, ["--seed=1", "-h"], monkeypatch, capfd) == (0, out, "")


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize(("name", "command"), SUBCOMMANDS)
def test_a_subcommand_explains_itself(name, command, monkeypatch, capfd):
    status, out, err = outcome(name, [command, "--help"], monkeypatch, capfd)
    assert (status, err) == (0, "") and f"./launch.sh {name} {command}" in out
    assert {"workdir", "out"} & {*flags_of(out)} and " | " not in out.partition("\n")[0]


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_help_has_several_spellings(monkeypatch, capfd):
    found = {word: outcome("lenet5", [word], monkeypatch, capfd) for word in HELP}
    assert len(set(found.values())) == 1 and found["--help"][0] == 0
    assert outcome("lenet5", ["--version"], monkeypatch, capfd) == (0, "Unfold 0.1.0\n", "")


def module_of(command: str):
    launched = command in ("multi", "slurm", "tpu", "sweep", "doctor")
    name = f"launch.{command}" if launched else f"{command}.__main__"
    return importlib.import_module(f"experiments.{name}")


def test_these_are_all_commands():
    names = set(re.findall(r"^\./launch\.sh ([a-z]+)", COMMANDS, re.MULTILINE))
    assert names == {*OPTIONS, "test", "setup"}


@pytest.mark.parametrize("command", OPTIONS)
@pytest.mark.parametrize("word", [*HELP, "--version"])
def test_a_command_explains_itself(command, word, capsys):
    assert module_of(command).main([word]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    if word == "--version":
        assert out == "Unfold 0.1.0\n"
        return
    assert f"    ./launch.sh {command}" in out
    fields = dataclasses.fields(OPTIONS[command]) if OPTIONS[command] else ()
    assert flags_of(out) == [field.name for field in fields]


@pytest.mark.parametrize("command", ["slurm", "tpu", "sweep", "multi"])
def test_help_after_an_experiment_submits_nothing(command, capsys):
    assert module_of(command).main(["2", "lenet5", "--help"]) == 0
    assert f"    ./launch.sh {command}" in capsys.readouterr().out


def test_speed_names_its_benchmarks(capsys):
    module_of("speed").main(["--help"])
    listed = re.search(r"NAME is one of (.*)\.", capsys.readouterr().out)[1]
    assert re.split(", | and ", listed) == sorted(BENCHMARKS)
