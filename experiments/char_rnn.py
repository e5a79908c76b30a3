"""A recurrent net writes text, character by character. | Karpathy, Johnson, Li 2015

    ./launch.sh char_rnn                        an LSTM on Python's own documentation, a minute
    ./launch.sh char_rnn --preset=lecture       84 -> tanh 100 -> 84 on Shakespeare, 200,000 steps
    ./launch.sh char_rnn --preset=karpathy-lstm War and Peace; also -gru and -rnn, and each with
                                                -128, -256 or -512 for larger budgets and
                                                -batch-25 for four times as many updates
    ./launch.sh char_rnn --preset=ptb-char      the Penn Treebank in characters
    ./launch.sh char_rnn --dataset=./my.txt     any text
    ./launch.sh char_rnn sample --workdir=runs/char_rnn/quick --prime="The " --length=500

Where the papers are silent: the forget bias of Karpathy's LSTM is initialised to 1 and gradients
are clipped elementwise at 5, as in his published code; his GRU and RNN are the largest with no more
parameters than the LSTM. The lecture's net is that of min-char-rnn; it trains for less than one
pass over its text, and the last 8 % is held out for testing.
"""

import dataclasses
import sys

import jax
import numpy as np

from data import corpora
from data.batches import windows_in_a_pass
from data.errors import UserError
from data.ngrams import bigram_nats, unigram_nats
from experiments.language import char_rnn_report
from experiments.language.char_rnn_sample import DEFAULT, sample, save_sample
from experiments.language.export import language_form
from experiments.language.net import LanguageOptions, limit_figures, make_model
from experiments.language.running_text import (
    character_figures,
    make_batches,
    make_loss,
    make_surprisals,
)
from experiments.reports.result import Figure, finish, same_options
from experiments.runtime.command_line import main
from experiments.runtime.mesh import local_copy, mesh_for, on_first_device, placed
from experiments.runtime.options import option
from experiments.runtime.workdir import Workdir
from experiments.training.export_form import Form
from experiments.training.first_parameters import first_parameters
from experiments.training.kept import NET, lowest
from experiments.training.loop import init_state, make_step
from experiments.training.optimizer import make_optimizer
from experiments.training.run import train
from experiments.training.trained_net import SavedRun


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(LanguageOptions):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option("python", f"{', '.join(corpora.NAMES)}, or the path of a text file")
    unit: str = option("characters", "what a symbol is: a character or a byte",
                       choices=("characters", "bytes"))
    num_steps: int = option(2000, "updates of the parameters", least=1, most=2**31 - 1)
    eval_every: int = option(500, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(500, "steps between checkpoints", least=1, identity=False)


_LECTURE = Config(
    preset="lecture", dataset="shakespeare", valid_percent=0.0, test_percent=8.0, cell="rnn",
    hidden=100, init="normal", init_scale=0.01, unroll=25, batch_size=1, optimizer="adagrad",
    learning_rate=0.1, clip_value=5.0, clip_norm=0.0, schedule="constant", num_steps=200_000,
    eval_every=2000, checkpoint_every=20_000, steps_per_call=1000,
)  # fmt: skip
_KARPATHY = Config(
    dataset="war_and_peace", unit="bytes", init="uniform", init_scale=0.08, unroll=100,
    batch_size=100, optimizer="rmsprop", learning_rate=2e-3, clip_value=5.0, clip_norm=0.0,
    schedule="decay", decay=0.95, decay_after=10, num_steps=50 * 260, eval_every=5 * 260,
    checkpoint_every=260, steps_per_call=20,
)  # fmt: skip
# Hidden units with which one layer of each cell has the parameters of an LSTM of the given size.
BUDGETS = {
    64: {"lstm": 64, "gru": 76, "rnn": 140},
    128: {"lstm": 128, "gru": 151, "rnn": 272},
    256: {"lstm": 256, "gru": 299, "rnn": 530},
    512: {"lstm": 512, "gru": 595, "rnn": 1044},
}
KARPATHY = {
    f"karpathy-{cell}" + ("" if budget == 64 else f"-{budget}"): dataclasses.replace(
        _KARPATHY,
        preset=f"karpathy-{cell}" + ("" if budget == 64 else f"-{budget}"),
        cell=cell,
        hidden=hidden,
    )
    for budget, sizes in BUDGETS.items()
    for cell, hidden in sizes.items()
}
# Measured on two cores (`./launch.sh speed devices`): two devices with half of the rows each are
# faster than one here, but slower for smaller nets or larger vocabularies.
_LARGEST = "karpathy-lstm-512"
KARPATHY[_LARGEST] = dataclasses.replace(KARPATHY[_LARGEST], num_cpu_devices=2)
# The published schedule ends before the nets have converged. A quarter of the batch gives four
# times the updates in as many passes.
SMALL_BATCHES = {
    f"{name}-batch-25": dataclasses.replace(
        config,
        preset=f"{name}-batch-25",
        batch_size=25,
        num_steps=50 * 1042,
        eval_every=5 * 1042,
        checkpoint_every=1042,
    )
    for name, config in KARPATHY.items()
}
_PTB = Config(
    preset="ptb-char", dataset="ptb_char", hidden=1000, unroll=100, batch_size=64,
    learning_rate=2e-3, clip_norm=1.0, schedule="constant", num_steps=20 * 783, eval_every=783,
    checkpoint_every=783, steps_per_call=5, num_cpu_devices=2,  # as above
)  # fmt: skip
PRESETS = {"quick": Config(), "lecture": _LECTURE, **KARPATHY, **SMALL_BATCHES, "ptb-char": _PTB}

_TABLE = "Karpathy, Johnson, Li 2015, Table 1, one layer"
_NATS = {  # quoted from memory
    "lstm": (1.449, 1.277, 1.189, 1.161),
    "rnn": (1.446, 1.417, 1.342),
    "gru": (1.398, 1.230, 1.198, 1.170),
}
PAPER = {
    preset: {"test_nats_per_character": Figure(nats, _TABLE, "unverified")}
    for cell, row in _NATS.items()
    for preset, nats in zip(
        [name for name in KARPATHY if name.split("-")[1] == cell], row, strict=False
    )
} | {
    "ptb-char": {
        "test_bits_per_character": Figure(1.38, "Cooijmans et al. 2016, LSTM of 1,000", "quoted")
    }
}


def published(config: Config) -> dict[str, Figure]:
    """The paper's figure for this preset, if the net and the text are still the preset's."""
    names = ("cell", "hidden", "layers", "peepholes", "dataset", "valid", "test", "unit")
    same = same_options(config, PRESETS[config.preset], names)
    return PAPER.get(config.preset.removesuffix("-batch-25"), {}) if same else {}


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    workdir = Workdir(config.workdir or f"runs/char_rnn/{config.preset}")
    text = corpora.load(
        config.dataset, unit=config.unit, valid_percent=config.valid_percent,
        test_percent=config.test_percent, valid=config.valid, test=config.test,
        data_dir=config.data_dir, raw_dir=config.raw_dir,
    ).limited(config.eval_symbols)  # fmt: skip
    pass_steps = windows_in_a_pass(len(text.train), config.batch_size, config.unroll)
    if len(text.test) < 2:
        raise UserError(
            f"The test part has {len(text.test)} of the text's symbols and needs 2: give a longer "
            "text or a larger --test_percent."
        )
    model = make_model(config, len(text.symbols))
    params = first_parameters(config, model, config.seed)

    optimizer = make_optimizer(config, pass_steps)
    key = jax.random.key(config.seed)
    loss = make_loss(model, recompute=config.recompute)
    step = make_step(loss, optimizer, key, dtype=config.dtype)
    mesh = mesh_for(config.batch_size)
    state = init_state(params, optimizer, carry=model.carry(config.batch_size))
    nats = make_surprisals(model)
    untrained = jax.device_get(params)  # a copy: the loop gives the first state's memory up

    def validated(state, watch) -> dict:
        """The figures of the validation part; a sample too."""
        params = local_copy(state.params)
        if not workdir.samples.exists():
            save_sample(workdir, config, model, untrained, text, 0)
        save_sample(workdir, config, model, params, text, int(state.step))
        if len(text.valid) < 2:
            return {}
        return {"valid": character_figures(nats(params, text.valid, watch, "validation").mean())}

    def tested(nets, watch) -> dict:
        """The figures of the test part."""
        params = on_first_device(nets[NET].params)
        return {"test": character_figures(nats(params, text.test, watch, "test").mean())}

    batches = make_batches(config, text.train, mesh)
    trained = train(
        config, workdir, placed(mesh, state), step, batches, validated,
        lambda means: character_figures(means["nats"]) | {"gradient_norm": means["gradient_norm"]},
        test=tested, offer=lowest("nats_per_character"),
        data=f"{config.dataset}, {len(text.train):,} {config.unit} for training and "
             f"{len(text.test):,} for testing",
        facts=text.facts, unit=config.unit,
        units_in_a_step=config.batch_size * config.unroll,
    )  # fmt: skip

    result = finish(
        "char_rnn", config, trained,
        metrics=limit_figures(config) | {
            "test_unigram_nats_per_character": unigram_nats(text),
            "test_bigram_nats_per_character": bigram_nats(text),
            "uniform_nats_per_character": float(np.log(len(text.symbols))),
        },
        paper=published(config),
        workdir=workdir,
    )  # fmt: skip
    char_rnn_report.write(config, workdir, trained, result, model, text)
    print(f"sample: ./launch.sh char_rnn sample --workdir={workdir.path}")
    return result


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from characters to the logits of the next ones."""
    symbols = list(saved.identity["symbols"])
    return language_form(saved, make_model(saved.config(Config), len(symbols)), symbols)


if __name__ == "__main__":
    sys.exit(main(PRESETS, run, {"sample": (DEFAULT, sample)}))
