"""A dataclass becomes flags; an error becomes a sentence and an exit status."""

import dataclasses
import errno
import importlib
import pathlib
import signal

import pytest

from data.errors import UserError
from experiments import lenet5
from experiments.__main__ import experiments
from experiments.export.__main__ import Export as ExportOptions
from experiments.faults.__main__ import Options as FaultOptions
from experiments.language.sample import Sample as SampleOptions
from experiments.launch.sweep import Options as SweepOptions
from experiments.runtime.command_line import configuration, given_flags, main
from experiments.runtime.failures import Diverged, Interrupted
from experiments.runtime.options import Shared, check, identity, option, whole_numbers
from experiments.speed.__main__ import Options as SpeedOptions
from experiments.tagging.vectors import Vectors as VectorOptions
from experiments.translation.decode import Decode as DecodeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Toy(Shared):
    """An experiment with an option of each type."""

    units: int = option(3, "how many", least=1, most=9)
    rate: float = option(0.5, "how fast", least=0.0)
    cell: str = option("lstm", "which", choices=("lstm", "gru"))
    text: str = option("python", "which, or a path")
    peepholes: bool = option(False, "whether")
    verbose: bool = option(True, "whether to print more", identity=False)


EXPERIMENTS = list(experiments(pathlib.Path(lenet5.__file__).parent))
PRESETS = {"quick": Toy(), "paper": Toy(preset="paper", units=7, peepholes=True, rate=0.1)}


def parsed(*words, presets=PRESETS):
    return configuration(presets, ["program", *words])


def test_no_flag_is_the_quick_preset():
    assert parsed() == Toy()


def test_a_preset_is_taken_whole():
    assert parsed("--preset=paper") == PRESETS["paper"]


@pytest.mark.parametrize(
    ("word", "field", "value"),
    [
        ("--units=4", "units", 4),
        ("--rate=1e-3", "rate", 1e-3),
        ("--cell=gru", "cell", "gru"),
        ("--nopeepholes", "peepholes", False),
        ("--peepholes=false", "peepholes", False),
        ("--noverbose", "verbose", False),
        ("--workdir=a b", "workdir", "a b"),
        ("--workdir=", "workdir", ""),
        ("--rate=0", "rate", 0.0),
    ],
)
def test_any_flag_wins_over_the_preset_wherever_it_stands(word, field, value):
    expected = dataclasses.replace(PRESETS["paper"], **{field: value})
    assert parsed("--preset=paper", word) == parsed(word, "--preset=paper") == expected


def test_a_flag_that_repeats_the_default_wins_too():
    assert parsed("--preset=paper", "--units=3").units == 3


def test_two_experiments_are_parsed_in_one_process():
    assert parsed("--units=2").units == 2
    assert parsed("--net=lenet1", presets=lenet5.PRESETS).net == "lenet1"
    assert parsed("--units=2") == Toy(units=2)


@pytest.mark.parametrize(
    ("word", "path"),
    [("--workdir=~/x", "{home}/x"), ("--workdir=~", "{home}"), ("--workdir=a~/b", "a~/b"),
     ("--workdir=", ""), ("--cell=~/x", "~/x")],
)  # fmt: skip
def test_a_path_may_begin_with_the_home_folder(word, path, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    given = given_flags(Toy(), ["program", word])
    assert list(given.values()) == [path.format(home=tmp_path)]


def test_every_path_that_a_command_reads_or_writes_itself_is_expanded():
    """What `data` alone reads it expands itself: a data set, and the folders of data."""
    commands = (Shared, DecodeOptions, ExportOptions, FaultOptions, SampleOptions, SpeedOptions,
                SweepOptions, VectorOptions)  # fmt: skip
    for kind in commands:
        for field in dataclasses.fields(kind):
            assert field.metadata["path"] == (field.name in ("workdir", "out")), (kind, field.name)


BAD = [
    ("--no_such_flag=1", "no_such_flag"),
    ("--unit=1", "unit"),
    ("extra", "'extra' is not a flag"),
    ("--preset=best", "choose one of quick, paper"),
    ("--workdir=~nobody-of-this-name/x", "give the full path"),
    ("--text=", "--text=: give a value, or leave the flag out"),
    ("--text= ", "--text= : give a value, or leave the flag out"),
    ("--preset", "Missing value for --preset"),
    ("--batch_size=0", "--batch_size=0: give 1 or more"),
    ("--batch_size=-5", "--batch_size=-5: give 1 or more"),
    ("--batch_size=abc", "--batch_size=abc: give a whole number"),
    ("--batch_size=1e9", "--batch_size=1e9: give a whole number"),
    ("--batch_size=1000000000", "--batch_size=1000000000: give 65536 or less"),
    ("--batch_size=1.5", "give a whole number"),
    ("--batch_size=", "give a whole number"),
    ("--learning_rate=nan", "--learning_rate=nan: give a finite number"),
    ("--learning_rate=inf", "give a finite number"),
    ("--learning_rate=-1", "give 0.0 or more"),
    ("--learning_rate=fast", "--learning_rate=fast: give a number"),
    ("--seed=-1", "--seed=-1: give 0 or more"),
    ("--num_steps=99999999999999999999", "or less"),
    ("--eval_every=0", "--eval_every=0: give 1 or more"),
    ("--checkpoint_every=0", "--checkpoint_every=0: give 1 or more"),
    ("--steps_per_call=0", "--steps_per_call=0: give 1 or more"),
    ("--units=10", "--units=10: give 9 or less"),
    ("--cell=rnn", "--cell=rnn: choose one of lstm, gru"),
    ("--peepholes=perhaps", "--peepholes=perhaps: give true or false"),
    ("--flagfile=/nowhere", "/nowhere"),
]


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_no_experiment_takes_a_blank_for_the_name_of_a_file(name, value):
    presets = importlib.import_module(f"experiments.{name}").PRESETS
    for preset in presets:
        with pytest.raises(UserError, match="give a value|choose one of"):
            parsed(f"--preset={preset}", f"--dataset={value}", presets=presets)


@pytest.mark.parametrize(("word", "message"), BAD, ids=[word for word, _ in BAD])
def test_an_invalid_argument_gets_one_sentence_and_status_2(word, message, monkeypatch, capfd):
    monkeypatch.setattr("sys.argv", ["program", word])
    assert main(PRESETS, lambda config: pytest.fail("it ran")) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and err.endswith((".\n", "?\n"))
    assert message in err and "Traceback" not in err


ENDS = [
    (None, 0, ""),
    (UserError("Name another folder."), 2, "Name another folder.\n"),
    (Diverged("The run diverged at step 3."), 1, "The run diverged at step 3.\n"),
    (Interrupted("Saved.", signal.SIGTERM), 143, "Saved.\n"),
    (Interrupted("Saved.", signal.SIGINT), 130, "Saved.\n"),
    (KeyboardInterrupt(), 130, "Interrupted outside of training"),
    (OSError(errno.ENOSPC, "full"), 1, "No space left on device; free some space"),
]


@pytest.mark.parametrize(("error", "status", "message"), ENDS, ids=[repr(e) for e, _, _ in ENDS])
def test_each_error_has_its_status(error, status, message, monkeypatch, capfd):
    def run(config):
        assert config == Toy()
        if error is not None:
            raise error

    monkeypatch.setattr("sys.argv", ["program"])
    assert main(PRESETS, run) == status
    err = capfd.readouterr().err
    assert err.startswith(message) and err.count("\n") <= 1


def test_an_error_of_the_program_keeps_its_traceback(monkeypatch):
    def run(config):
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr("sys.argv", ["program"])
    with pytest.raises(OSError, match="broken"):
        main(PRESETS, run)


# Configurations


@pytest.mark.parametrize("kind", [Shared, lenet5.Config])
def test_every_option_says_what_it_means(kind):
    for field in dataclasses.fields(kind):
        assert len(field.metadata["help"]) > 5, field.name
        assert type(field.default) in (bool, int, float, str), field.name


def test_every_preset_is_valid_and_has_its_name():
    for name, preset in lenet5.PRESETS.items():
        check(preset)
        assert preset.preset == name


def test_identity_is_what_determines_the_figures():
    free = {"workdir", "data_dir", "raw_dir", "eval_every", "checkpoint_every", "steps_per_call",
            "num_cpu_devices", "keep", "patience", "distributed", "coordinator", "num_processes",
            "process_id"}  # fmt: skip
    fields = {field.name for field in dataclasses.fields(lenet5.Config)}
    assert set(identity(lenet5.Config())) == fields - free
    assert identity(Toy(verbose=False, workdir="there")) == identity(Toy())
    assert identity(Toy(units=4)) != identity(Toy())


def test_whole_numbers_with_commas():
    assert whole_numbers("hidden", "300,100", "give some") == (300, 100)
    assert whole_numbers("hidden", "", "give some") == ()
    for text in ("3,x", "0", "3,,4", "65537", "-1", "1e3"):
        with pytest.raises(UserError, match=f"--hidden={text}: give some"):
            whole_numbers("hidden", text, "give some")
