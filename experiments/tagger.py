"""A deep bidirectional recurrent net labels words or sentences. | Irsoy, Cardie 2014

    ./launch.sh tagger                         generated sentences, under a minute
    ./launch.sh tagger --preset=opinion-dse    opinion expressions (MPQA), 3 layers and 1; also
                                               opinion-ese, and each with -2, -4 or -5 for other
                                               depths, -200k for width, -tuned for Adam
    ./launch.sh tagger --preset=chunking       noun and other phrases (CoNLL-2000), from words and
                                               their parts of speech
    ./launch.sh tagger --preset=pos            parts of speech (UD English EWT)
    ./launch.sh tagger --preset=sst2           the sentiment of a sentence; also sst5
    ./launch.sh tagger --dataset=./mine.txt --token_column=1 --label_column=3
    ./launch.sh tagger vectors                 word vectors from plain text, for the opinions

The opinion presets have the paper's nets and update rule. Instead of its word vectors (Google News,
300 numbers) they read `vectors.txt`, which `tagger vectors` makes from other text; their results
say so. Where the paper is silent they follow the authors' code (github.com/oir/deep-recurrent): a
learning rate of 0.001 (with 0.005, reportedly the paper's, three layers diverge in the fourth pass
on these vectors), weights drawn from U(-0.01, 0.01), a tenth of the rate for the output layer,
gradients summed over the batch. The `-tuned` presets train the same nets with Adam in 6 passes. All
folds are trained together on the same batches, each without the sentences that it is tested on: 80
of a batch of 89, on average.
"""

import dataclasses
import functools
import sys

import jax
import jax.numpy as jnp

from data import mpqa, tagged_corpora
from data.sentences import DIGITS
from data.tagged_files import FORMATS
from experiments.reports.result import Figure, finish
from experiments.runtime.command_line import main
from experiments.runtime.mesh import mesh_for, placed
from experiments.runtime.options import option
from experiments.runtime.workdir import Workdir
from experiments.tagging import report as tagger_report
from experiments.tagging.data import Data, coded_corpus, facts_of
from experiments.tagging.evaluation import Evaluation, prefix
from experiments.tagging.export import tagging_form
from experiments.tagging.net import NET, first_parameters, make_loss, make_nets
from experiments.tagging.optimizer import make_optimizer
from experiments.tagging.paper import PAPER
from experiments.tagging.scores import SCORINGS
from experiments.tagging.vectors import Vectors, make_vectors
from experiments.training.cell_options import LayerOptions
from experiments.training.export_form import Form
from experiments.training.first_parameters import InitOptions
from experiments.training.kept import KeepOptions
from experiments.training.loop import init_state, make_step
from experiments.training.optimizer import ScheduleOptions
from experiments.training.run import train
from experiments.training.trained_net import SavedRun


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(LayerOptions, InitOptions, ScheduleOptions, KeepOptions):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option("grammar", f"{', '.join(tagged_corpora.NAMES)}, or the path of a file "
                          "or folder of your own")
    file_format: str = option("auto", "format of your own files", choices=FORMATS)
    token_column: int = option(0, "column of the words, from 1; 0: the first", least=0, most=1000)
    label_column: int = option(0, "column of the labels, from 1; 0: the last", least=0, most=1000)
    feature_column: int = option(0, "column of a further input of the net; 0: none", least=0,
                                 most=1000)
    scoring: str = option("auto", "overlap (opinions), exact (spans), accuracy", choices=SCORINGS)
    fold: int = option(0, "mpqa: the first fold", least=0, most=mpqa.FOLDS - 1)
    folds: int = option(1, "mpqa: number of folds to train together", least=1,
                        most=mpqa.FOLDS)
    vectors: str = option("", "file of pretrained word vectors: word2vec (text or binary), "
                          "GloVe or fastText (text), plain or .gz")
    freeze: bool = option(True, "keep the pretrained vectors as they are; false: train them "
                          "further, in place of --embedding")
    lowercase: bool = option(True, "look words up in lower case")
    digits: str = option("kept", "kept: words are looked up as written; 0: every digit of a word "
                         "without a pretrained vector becomes 0: 1999 and 2014 are one word",
                         choices=DIGITS, identity=False)
    least_count: int = option(1, "rarer words in the training part become unknown", least=1)
    word_dropout: float = option(0.5, "share of the words occurring once that training reads as "
                                 "unknown", least=0.0, most=1.0)
    embedding: int = option(32, "length of a word's learned vector; 0: none", least=0, most=65_536)
    letter_embedding: int = option(25, "length of a letter's vector", least=1, most=65_536)
    letter_hidden: int = option(0, "units of each LSTM over a word's letters; 0: none",
                                least=0, most=65_536)
    longest_word: int = option(16, "letters read of a word; of a longer one, both ends", least=2,
                               most=1000)
    feature_embedding: int = option(10, "length of a feature's vector", least=1, most=65_536)
    cell: str = option("rnn_relu", "rnn_relu, rnn (tanh), lstm, gru, gru_after",
                       choices=("rnn_relu", "rnn", "lstm", "gru", "gru_after"))
    hidden: int = option(32, "units of a layer in each direction", least=1, most=65_536)
    layers: int = option(2, "number of layers", least=1, most=100)
    directions: str = option("both", "both, or forward only", choices=("both", "forward"))
    beside: str = option("one_directional", "a second net for comparison: none, shallow (one "
                         "layer of --beside_hidden), one_directional",
                         choices=("none", "shallow", "one_directional"))
    beside_hidden: int = option(36, "shallow: units of its layer", least=1, most=65_536)
    dropout: float = option(0.0, "dropout rate of each layer, one mask per sequence",
                            least=0.0, most=0.99)
    input_dropout: float = option(0.0, "the same for the first layer's inputs", least=0.0,
                                  most=0.99)
    init: str = option("default", "first weights: default (orthogonal and LeCun's), uniform "
                       "(biases too)", choices=("default", "uniform"))
    init_scale: float = option(0.01, "uniform: limit", least=0.0)
    optimizer: str = option("adam", "update rule", choices=("sgd", "adam"))
    momentum: float = option(0.7, "sgd: coefficient of momentum", least=0.0, most=0.999)
    output_rate: float = option(1.0, "factor of the output layer's learning rate", least=0.0)
    reduction: str = option("mean", "loss: mean over words, or their sum",
                            choices=("mean", "sum"))
    outside_weight: float = option(1.0, "weight of words labelled O in the loss", least=0.0)
    weight_decay: float = option(0.0, "L2 penalty of the recurrent nets' weights", least=0.0)
    activation_decay: float = option(0.0, "L2 penalty of the hidden units", least=0.0)
    clip_norm: float = option(1.0, "limit of the gradient's norm; 0: none", least=0.0)
    num_steps: int = option(400, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(32, "sentences in a batch, over all devices", least=1, most=65_536)
    learning_rate: float = option(5e-3, "initial learning rate", least=0.0)
    eval_every: int = option(50, "steps between evaluations on the validation part; the best "
                             "parameters are kept", least=1)
    checkpoint_every: int = option(200, "steps between checkpoints", least=1, identity=False)
    steps_per_call: int = option(4, "most training steps in one device call; sentence lengths "
                                 "change every four steps", least=1, most=1000, identity=False)


def _preset(name: str, **changes) -> Config:
    return dataclasses.replace(Config(), preset=name, beside="none", **changes)


# Units of a layer by depth, for about 24,000 and 200,000 parameters with 300 inputs.
BUDGETS = {
    24_000: {1: 36, 2: 29, 3: 25, 4: 22, 5: 21},
    200_000: {1: 200, 2: 125, 3: 100, 4: 86, 5: 77},
}
PASS = 93  # steps: 8,241 sentences, of which each fold leaves out a tenth
_OPINION = dict(
    vectors="vectors.txt", digits="0", folds=3, embedding=0, word_dropout=0.0, init="uniform",
    optimizer="sgd", momentum=0.7, learning_rate=1e-3, output_rate=0.1, reduction="sum",
    outside_weight=0.5, weight_decay=1e-4, activation_decay=1e-4, clip_norm=0.0,
    schedule="constant", batch_size=89,
    num_steps=200 * PASS, eval_every=5 * PASS, checkpoint_every=5 * PASS,
)  # fmt: skip


def _opinion(kind: str, layers: int, budget: int) -> Config:
    name = f"opinion-{kind}{'' if layers == 3 else f'-{layers}'}"
    deep = layers > 3
    config = _preset(
        name + ("-200k" if budget > 24_000 else ""), dataset=f"mpqa-{kind}", layers=layers,
        hidden=BUDGETS[budget][layers], **_OPINION,
    )  # fmt: skip
    if deep:
        return dataclasses.replace(config, activation_decay=1e-5)
    shallow = dict(beside="shallow", beside_hidden=BUDGETS[budget][1])
    return dataclasses.replace(config, **(shallow if layers == 3 else {}))


OPINION = [
    _opinion(kind, layers, budget)
    for budget in BUDGETS
    for kind in ("dse", "ese")
    for layers in (2, 3, 4, 5)
]
# The same nets with another optimiser, which needs 6 passes instead of 200.
_TUNED = dict(
    init="default", optimizer="adam", learning_rate=5e-3, output_rate=1.0, reduction="mean",
    weight_decay=0.0, activation_decay=0.0, clip_norm=1.0, schedule="cosine", batch_size=45,
    dropout=0.2, input_dropout=0.2, num_steps=6 * 184, eval_every=184, checkpoint_every=184,
)  # fmt: skip
TUNED = [
    dataclasses.replace(config, preset=f"{config.preset}-tuned", **_TUNED) for config in OPINION
]
_LSTM = dict(
    digits="0", cell="lstm", hidden=100, layers=1, dropout=0.5, input_dropout=0.25, least_count=2,
    learning_rate=4e-3, clip_norm=5.0,
)  # fmt: skip
_LETTERS = dict(embedding=50, letter_hidden=25, **_LSTM)
_SENTIMENT = dict(
    embedding=64, batch_size=64, num_steps=2 * 1213, eval_every=200, checkpoint_every=400, **_LSTM
)
PRESETS = {
    "quick": Config(),
    **{config.preset: config for config in (*OPINION, *TUNED)},
    "chunking": _preset("chunking", dataset="conll2000", feature_column=2, num_steps=8 * 251,
                        eval_every=251, checkpoint_every=251, **_LETTERS),
    "pos": _preset("pos", dataset="ud_english_ewt", num_steps=5 * 392, eval_every=392,
                   checkpoint_every=392, **_LETTERS),
    "sst2": _preset("sst2", dataset="sst2", **_SENTIMENT),
    "sst5": _preset("sst5", dataset="sst5", **_SENTIMENT),
}  # fmt: skip


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    workdir = Workdir(config.workdir or f"runs/tagger/{config.preset}")
    corpus, coding, table = coded_corpus(config)
    mesh = mesh_for(config.batch_size)
    data = Data(config, corpus, coding, mesh)
    nets = make_nets(config, coding, 0 if table is None else table.shape[1], corpus.whole)

    params = first_parameters(config, nets, table)
    given = jnp.asarray(table) if table is not None and config.freeze else None
    optimizer = make_optimizer(config)
    state = init_state(params, optimizer, variables={} if given is None else {"vectors": table})
    loss = make_loss(config, nets, coding, coding.frequent + 1, data.labels_in_a_step)
    step = make_step(loss, optimizer, jax.random.key(config.seed), dtype=config.dtype)
    evaluation = Evaluation(config, corpus, coding, data, nets, given)
    trained = train(
        config, workdir, placed(mesh, state), step, data.block, evaluation.validate,
        functools.partial(training_figures, config),
        test=evaluation.test, offer=evaluation.offer,
        data=f"{config.dataset}, {len(corpus.train.words):,} sentences for training and "
             f"{len(corpus.test.words):,} for testing",
        facts=facts_of(coding, table), same_shape=data.buckets.steps_of_one_shape,
        unit="words", units_in_a_step=data.words_in_a_step,
    )  # fmt: skip
    kept = evaluation.kept(trained.nets)
    result = finish("tagger", config, trained, metrics={}, paper=published(config),
                    workdir=workdir, params=kept[NET, 0].params)  # fmt: skip
    finished = tagger_report.TaggerRun(evaluation, kept, evaluation.tested)
    tagger_report.write(finished, workdir, trained, result)
    return result


def training_figures(config, means: dict[str, float]) -> dict[str, float]:
    """The mean loss of each net, by the figure's name, and the gradient norm."""
    losses = {
        prefix(config, name.removesuffix("_nats")) + "nats": value
        for name, value in means.items() if name.endswith("_nats")
    }  # fmt: skip
    return losses | {"gradient_norm": means["gradient_norm"]}


_TABLE = "Irsoy and Cardie 2014, Tables 1 and 2, ten folds, other word vectors"


def published(config: Config) -> dict[str, Figure]:
    """The paper's figures for this net, quoted from memory."""
    if not config.dataset.startswith("mpqa-") or config.cell != "rnn_relu":
        return {}
    nets = {"": (config.layers, config.hidden)}
    if config.beside == "shallow":
        nets["shallow_"] = (1, config.beside_hidden)
    found = {}
    for name, size in nets.items():
        for measure, values in PAPER[config.dataset].items():
            if size in values:
                figure = Figure(values[size], _TABLE, "unverified")
                found[f"test_{name}{measure}_f1"] = figure
    return found


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from sentences to label logits, with the best parameters in validation."""
    places = {name: getattr(options, name) or saved.written.get(name, "")
              for name in ("data_dir", "raw_dir", "vectors")}  # fmt: skip
    digits = saved.written.get("digits", "0")  # as in runs made before the option existed
    return tagging_form(saved, saved.config(Config, **places, digits=digits))


if __name__ == "__main__":
    sys.exit(main(PRESETS, run, {"vectors": (Vectors(), make_vectors)}))
