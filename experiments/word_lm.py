"""A recurrent net predicts the next word. | Zaremba, Sutskever, Vinyals 2014

    ./launch.sh word_lm                           an LSTM on Python's own documentation, a minute
    ./launch.sh word_lm --preset=zaremba-small    the Penn Treebank, 2 x 200; -medium and -large
    ./launch.sh word_lm --preset=mikolov          a simple recurrent net of 300 sigmoid units
    ./launch.sh word_lm --preset=variational      2 x 1500, dropout by Gal and Ghahramani, tied
    ./launch.sh word_lm --dataset=./my.txt --vocabulary=5000
    ./launch.sh word_lm ngrams --dataset=penn_treebank      n-gram models without a net, in seconds
    ./launch.sh word_lm sample --workdir=runs/word_lm/zaremba-small --prime="the company said"

Next to the net's perplexity, a run reports those of a unigram model, of a Kneser-Ney 5-gram model,
and of the mixture of net and 5-grams with the best weight on the validation part. Every word of
the test part counts, <eos> included; the state is carried through the whole part.

Where the papers are silent: forget biases are drawn like all other weights, around 0. Each gate has
one bias; Zaremba's program has two, which only ever act as their sum. Mikolov's net learns from one
word at a time, ours from ten rows at once at ten times the learning rate. Gal's program draws the
dropout masks of the recurrence and the vocabulary for each row and gate; ours are shared by the
rows of a batch, and his weight decay of 1e-7 is left out.
"""

import dataclasses
import sys

import jax
import rich.table

from data import word_corpora
from data.batches import windows_in_a_pass
from data.errors import UserError
from data.text import Text
from data.words import unknown_share
from experiments.language import word_lm_report
from experiments.language.dynamic_evaluation import dynamic_surprisals
from experiments.language.export import language_form
from experiments.language.net import LanguageOptions, limit_figures, make_word_model
from experiments.language.running_text import make_batches, make_loss, make_surprisals
from experiments.language.scores import (
    Surprisals,
    best_weight,
    kneser_ney,
    perplexity,
    unigram_perplexity,
)
from experiments.language.word_lm_sample import DEFAULT, sample, save_sample
from experiments.reports.result import Figure, finish, same_options
from experiments.runtime.command_line import main
from experiments.runtime.mesh import local_copy, mesh_for, on_first_device, placed
from experiments.runtime.options import option
from experiments.runtime.terminal import console
from experiments.runtime.workdir import Workdir
from experiments.training.export_form import Form
from experiments.training.first_parameters import first_parameters
from experiments.training.kept import NET
from experiments.training.loop import init_state, make_step
from experiments.training.optimizer import make_optimizer
from experiments.training.run import train
from experiments.training.trained_net import SavedRun
from experiments.training.validated_rate import make_offer, make_rescale


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(LanguageOptions):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option("python", f"{', '.join(word_corpora.NAMES)}, or the path of a text file")
    tokens: str = option("marks", "blanks: words are separated by spaces; marks: punctuation marks "
                         "are words too; published texts are always split at spaces",
                         choices=("marks", "blanks"))
    vocabulary: int = option(2000, "number of known words, the most frequent; 0: all, or those "
                             "that occur twice if the text has no <unk>", least=0, most=1_000_000)
    embedding: int = option(128, "length of a word's vector; 0: one-hot", least=0, most=65_536)
    tied: bool = option(False, "use the word vectors as the output weights too")
    dropout: float = option(0.4, "dropout rate of word vectors and of layer outputs",
                            least=0.0, most=0.99)
    same_mask: bool = option(False, "dropout: one mask for all steps of a window")
    recurrent_dropout: float = option(0.0, "dropout rate of the recurrent connections; one mask "
                                      "per window", least=0.0, most=0.99)
    word_dropout: float = option(0.0, "share of the vocabulary whose vectors are dropped; one mask "
                                 "per window", least=0.0, most=0.99)
    unroll: int = option(20, "time steps of truncated backpropagation", least=1, most=1_000_000)
    sum_over_time: bool = option(False, "the loss is summed over the steps of a window")
    schedule: str = option("cosine", "of the learning rate: constant, cosine, decay (by pass), "
                           "validation (decay once an evaluation improves little)",
                           choices=("constant", "cosine", "decay", "validation"))
    dynamic_rate: float = option(0.0, "learning rate of dynamic evaluation; 0: no such figure",
                                 least=0.0, identity=False)
    num_steps: int = option(1000, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(20, "texts read in parallel, over all devices", least=1, most=65_536)
    eval_every: int = option(200, "steps between evaluations, which --schedule=validation "
                             "follows", least=1)
    checkpoint_every: int = option(200, "steps between checkpoints", least=1, identity=False)


_PTB = Config(
    dataset="penn_treebank", tokens="blanks", vocabulary=0, dropout=0.0, forget_bias=0.0,
    batch_size=20, optimizer="sgd", learning_rate=1.0, schedule="decay", sum_over_time=True,
)  # fmt: skip


def _zaremba(preset: str, units: int, passes: int, pass_steps: int, **changes) -> Config:
    """Two layers of LSTM on the Penn Treebank."""
    return dataclasses.replace(
        _PTB, preset=preset, hidden=units, embedding=units, layers=2, init="uniform",
        num_steps=passes * pass_steps, eval_every=pass_steps, checkpoint_every=pass_steps,
        **{"clip_norm": 5.0} | changes,
    )  # fmt: skip


_LARGE = dict(units=1500, passes=55, pass_steps=1327, unroll=35, init_scale=0.04, decay=1 / 1.15,
              clip_norm=10.0, steps_per_call=5)  # fmt: skip
PRESETS = {
    "quick": Config(),
    "mikolov": dataclasses.replace(
        _PTB, preset="mikolov", cell="rnn_sigmoid", hidden=300, embedding=0, init="normal",
        init_scale=0.1, unroll=10, batch_size=10, clip_norm=5.0, schedule="validation", decay=0.5,
        num_steps=16 * 9295, eval_every=9295, checkpoint_every=9295, steps_per_call=50,
        dynamic_rate=0.1, patience=1,
    ),
    "zaremba-small": _zaremba(
        "zaremba-small", 200, 13, 2323, unroll=20, init_scale=0.1, decay=0.5, decay_after=4,
        steps_per_call=20,
    ),
    "zaremba-medium": _zaremba(
        "zaremba-medium", 650, 39, 1327, unroll=35, init_scale=0.05, dropout=0.5, decay=1 / 1.2,
        decay_after=6, steps_per_call=5,
    ),
    "zaremba-large": _zaremba("zaremba-large", dropout=0.65, decay_after=14, **_LARGE),
    "variational": _zaremba(
        "variational", dropout=0.5, same_mask=True, recurrent_dropout=0.3, word_dropout=0.3,
        tied=True, decay_after=10, **_LARGE,
    ),
}  # fmt: skip

_MIKOLOV = "Mikolov et al. 2011"
_ZAREMBA = "Zaremba et al. 2014, Table 1"
PAPER = {  # the test perplexity first
    "mikolov": {
        "test_perplexity": Figure(124.7, _MIKOLOV, "quoted"),
        "test_mixture_perplexity": Figure(105.7, _MIKOLOV, "quoted"),
        "test_dynamic_perplexity": Figure(123.2, _MIKOLOV, "quoted"),
    },
    "zaremba-small": {
        "test_perplexity": Figure(114.5, _ZAREMBA, "quoted"),
        "valid_perplexity": Figure(120.7, _ZAREMBA, "quoted"),
    },
    "zaremba-medium": {
        "test_perplexity": Figure(82.7, _ZAREMBA, "quoted"),
        "valid_perplexity": Figure(86.2, _ZAREMBA, "quoted"),
    },
    "zaremba-large": {
        "test_perplexity": Figure(78.4, _ZAREMBA, "quoted"),
        "valid_perplexity": Figure(82.2, _ZAREMBA, "quoted"),
    },
    "variational": {"test_perplexity": Figure(75.0, "Gal and Ghahramani 2016, tied", "quoted")},
}
KN5 = Figure(141.2, "Mikolov's thesis, Table 4.1", "quoted")


def published(config: Config) -> dict[str, Figure]:
    """The papers' figures, if the net and the text are still the preset's."""
    names = ("cell", "hidden", "layers", "embedding", "peepholes", "tied", "dataset", "valid",
             "test", "vocabulary")  # fmt: skip
    same = same_options(config, PRESETS[config.preset], names)
    found = dict(PAPER.get(config.preset, {})) if same else {}
    if not config.dynamic_rate:
        found.pop("test_dynamic_perplexity", None)
    if config.dataset == "penn_treebank" and not (config.vocabulary or config.test):
        found["test_kn5_perplexity"] = KN5
    return found


def read_text(config: Config) -> Text:
    """The text in words that the options describe; raises UserError, also without a test part."""
    text = word_corpora.load(
        config.dataset, tokens=config.tokens, vocabulary=config.vocabulary,
        valid_percent=config.valid_percent, test_percent=config.test_percent,
        valid=config.valid, test=config.test,
        data_dir=config.data_dir, raw_dir=config.raw_dir,
    ).limited(config.eval_symbols)  # fmt: skip
    if len(text.test) < 2:
        raise UserError("The test part has no words: give more text or a larger --test_percent.")
    return text


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    workdir = Workdir(config.workdir or f"runs/word_lm/{config.preset}")
    text = read_text(config)
    pass_steps = windows_in_a_pass(len(text.train), config.batch_size, config.unroll)
    if config.schedule == "validation" and len(text.valid) < 2:
        raise UserError(
            "--schedule=validation needs a validation part: give --valid_percent, or another "
            "--schedule."
        )
    model = make_word_model(config, len(text.symbols))
    params = first_parameters(config, model, config.seed)

    optimizer = make_optimizer(config, pass_steps)
    loss = make_loss(model, config.sum_over_time, config.recompute)
    key = jax.random.key(config.seed)
    step = make_step(loss, optimizer, key, dtype=config.dtype)
    mesh = mesh_for(config.batch_size)
    state = init_state(params, optimizer, carry=model.carry(config.batch_size))
    surprisals = make_surprisals(model)
    splits = {"test": text.test} | ({"valid": text.valid} if len(text.valid) > 1 else {})
    untrained = jax.device_get(params)  # a copy: the loop gives the first state's memory up
    nats = {}  # of the words of a part: by its name and the step, of the best net and the latest

    def read(params, name: str, step: int, watch) -> dict:
        if (name, step) not in nats:
            best = min((key for key in nats if key[0] == name), key=lambda key: nats[key].mean(),
                       default=None)  # fmt: skip
            for other in [key for key in nats if key[0] == name and key != best]:
                del nats[other]
            nats[name, step] = surprisals(params, splits[name], watch, name)
        return {name: {"perplexity": perplexity(nats[name, step])}}

    def validated(state, watch) -> dict:
        """The perplexity of the validation part; a sample too."""
        now, params = int(state.step), local_copy(state.params)
        if not workdir.samples.exists():
            save_sample(workdir, config, model, untrained, text.symbols, 0)
        save_sample(workdir, config, model, params, text.symbols, now)
        return read(params, "valid", now, watch) if "valid" in splits else {}

    def tested(nets, watch) -> dict:
        """The perplexity of the test part, and what the mixture needs of the validation part."""
        params, step = on_first_device(nets[NET].params), nets[NET].step
        if "valid" in splits:
            read(params, "valid", step, watch)
        return read(params, "test", step, watch)

    trained = train(
        config, workdir, placed(mesh, state), step, make_batches(config, text.train, mesh),
        validated,
        lambda means: {
            "perplexity": perplexity(means["nats"]), "gradient_norm": means["gradient_norm"],
        },
        test=tested, offer=make_offer(config),
        data=f"{config.dataset}, {len(text.train):,} words for training and {len(text.test):,} for "
             "testing",
        facts=text.facts, after_evaluation=make_rescale(config),
        unit="words", units_in_a_step=config.batch_size * config.unroll,
    )  # fmt: skip

    params, step = on_first_device(trained.net.params), trained.net.step
    ngrams = kneser_ney(text, splits)
    scored = {name: Surprisals(nats[name, step], ngrams[name]) for name in splits}
    result = finish(
        "word_lm", config, trained,
        metrics=further_figures(config, model, params, text, scored),
        paper=published(config),
        workdir=workdir,
    )  # fmt: skip
    word_lm_report.write(config, workdir, trained, result, text, scored)
    print(word_lm_report.beside_ngrams(result["metrics"]))
    print(f"sample: ./launch.sh word_lm sample --workdir={workdir.path}")
    return result


def further_figures(
    config: Config, model, params, text: Text, scored: dict[str, Surprisals]
) -> dict[str, float]:
    """The figures of n-grams, of the mixture with them, and of dynamic evaluation."""
    test = scored["test"]
    found = limit_figures(config) | {
        f"{name}_unknown_percent": 100 * unknown_share(getattr(text, name), text.symbols)
        for name in scored
    } | {
        "test_unigram_perplexity": unigram_perplexity(text),
        "test_kn5_perplexity": perplexity(test.ngrams),
    }
    if "valid" in scored:
        weight = best_weight(scored["valid"])
        found["test_mixture_perplexity"] = perplexity(test.mixture(weight))
        found["mixture_weight_of_the_net"] = weight
    if config.dynamic_rate:
        nats = dynamic_surprisals(
            model, params, text.test, config.unroll, config.dynamic_rate, config.clip_norm
        )
        found["test_dynamic_perplexity"] = perplexity(nats)
    return found


def ngrams(config: Config) -> None:
    """Prints the perplexities of the unigram and 5-gram models, which need no net."""
    text = read_text(config)
    table = rich.table.Table(title=f"{config.dataset}, {len(text.symbols):,} words")
    table.add_column("model")
    table.add_column("test perplexity", justify="right")
    table.add_row("unigram", f"{unigram_perplexity(text):.1f}")
    five_grams = perplexity(kneser_ney(text, {"test": text.test})["test"])
    table.add_row("Kneser-Ney 5-gram", f"{five_grams:.1f}")
    console().print(table)


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from words to the logits of the next ones."""
    symbols = saved.identity["words"].split(" ")
    return language_form(saved, make_word_model(saved.config(Config), len(symbols)), symbols)


COMMANDS = {"sample": (DEFAULT, sample), "ngrams": (Config(vocabulary=0), ngrams)}

if __name__ == "__main__":
    sys.exit(main(PRESETS, run, COMMANDS))
