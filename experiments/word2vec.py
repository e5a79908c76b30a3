"""Word vectors learned by predicting a word from its neighbours. | Mikolov et al. 2013

    ./launch.sh word2vec                              on sentences of a small grammar, half a minute
    ./launch.sh word2vec --preset=python              on Python's own documentation
    ./launch.sh word2vec --preset=text8               the program's example: CBOW, 1.17 M words
    ./launch.sh word2vec --preset=text8-skipgram      skip-gram with the program's defaults
    ./launch.sh word2vec --preset=text8 --dataset=./my.txt.xz --negative=5 --iter=3
    ./launch.sh word2vec neighbours --workdir=runs/word2vec/text8 --words="king paris"
    ./launch.sh word2vec analogy --workdir=runs/word2vec/text8 --words="man king woman"
    ./launch.sh word2vec vectors --workdir=runs/word2vec/text8 --out=vectors.txt

The options are those of the authors' program word2vec, by its names where they differ from the
papers'; its alpha is --learning_rate. What the program does and the papers do not say: a word's
vector begins within 1 / (2 size) of 0, the output vectors at 0; the mean of CBOW gives each word
around the whole error; frequent words are kept with probability (sqrt(f / t) + 1) t / f; a sentence
has 1,000 words at most; a drawn word that is the target does not count.

Where this program differs. Threads of the authors' program overwrite one another's work, and no two
runs are alike; here a step adds up the updates of a block of words, and the same command gives the
same bytes. The words of a block share the drawn words, which weigh less in turn
(`nets/word2vec.py`). The logistic function is exact, and not a table that ends at 6. A line's end
is no word.
"""

import dataclasses
import functools
import sys

import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding, PartitionSpec

from data import vector_texts, word_similarity
from data.errors import UserError
from data.text_stream import WordStream
from data.word_windows import Windows
from experiments.language import word2vec_report
from experiments.language.vector_scores import Vectors, published_scores, same_class_percent
from experiments.language.word2vec_commands import COMMANDS
from experiments.language.word2vec_net import make_model, make_step
from experiments.reports.result import Figure, finish, same_options
from experiments.runtime.command_line import main
from experiments.runtime.mesh import block_of_batches, local_copy, mesh_for, own_rows, placed
from experiments.runtime.options import Shared, option
from experiments.runtime.workdir import Workdir
from experiments.runtime.xla import call_once
from experiments.training.export_form import INTS, KEY, Form, Size
from experiments.training.loop import init_state
from experiments.training.run import train
from experiments.training.trained_net import SavedRun

EVALUATIONS = 5  # in a run, unless --eval_every says otherwise


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Shared):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option("grammar", f"{', '.join(vector_texts.NAMES)}, or the path of a text "
                          "file, plain, .gz or .xz")  # fmt: skip
    tokens: str = option("marks", "blanks: words are separated by spaces; marks: punctuation marks "
                         "are words too; texts by name but python are split at spaces",
                         choices=("marks", "blanks"))  # fmt: skip
    lowercase: bool = option(True, "read words in lower case")
    min_count: int = option(5, "words that occur less often are left out", least=1)
    cbow: bool = option(False, "predict a word from the mean of its neighbours; otherwise "
                        "skip-gram, from each one")  # fmt: skip
    size: int = option(20, "length of a vector", least=1, most=10_000)
    window: int = option(3, "most neighbours on either side; each word has 1 to this many",
                         least=1, most=1000)  # fmt: skip
    negative: int = option(5, "K, drawn words that each prediction is told from; 0: none", least=0,
                           most=10_000)  # fmt: skip
    hs: bool = option(False, "hierarchical softmax")
    sample: float = option(0.0, "t, the share of a word in the text from which on it is left out "
                           "at times; 0: none is", least=0.0, most=1.0)  # fmt: skip
    iter: int = option(5, "passes through the text", least=1, most=100_000)
    block: int = option(8, "words of a row, which share the drawn words; 1: as in the "
                        "authors' program, but slower", least=1, most=65_536)
    shared: int = option(32, "drawn words of a row, each of weight K / shared", least=1,
                         most=65_536)  # fmt: skip
    published_scores: bool = option(False, "score by the published analogies, WordSim-353 and "
                                    "SimLex-999", identity=False)  # fmt: skip
    num_steps: int = option(0, "updates of the parameters; 0: those of --iter passes", least=0,
                            most=2**31 - 1)  # fmt: skip
    batch_size: int = option(1, "rows of words in a step, over all devices", least=1, most=65_536)
    learning_rate: float = option(0.0, "alpha, the step size of the first step, which falls "
                                  "linearly; 0: 0.05 for CBOW, 0.025 for skip-gram", least=0.0)
    eval_every: int = option(0, f"steps between evaluations; 0: {EVALUATIONS} in a run", least=0,
                             identity=False)  # fmt: skip
    checkpoint_every: int = option(0, "steps between checkpoints; 0: at evaluations", least=0,
                                   identity=False)  # fmt: skip
    steps_per_call: int = option(1000, "training steps in one device call", least=1, most=100_000,
                                 identity=False)  # fmt: skip


def _preset(name: str, **changes) -> Config:
    return dataclasses.replace(Config(), preset=name, **changes)


_TEXT8 = dict(dataset="text8", tokens="blanks", published_scores=True)
PRESETS = {
    "quick": Config(),
    "python": _preset("python", dataset="python", size=100, window=5, sample=1e-3, iter=20),
    "text8": _preset("text8", **_TEXT8, cbow=True, size=200, window=8, negative=25, sample=1e-4,
                     iter=15, block=1, shared=25),
    "text8-skipgram": _preset("text8-skipgram", **_TEXT8, size=100, window=5, sample=1e-3),
    "text8-hs": _preset("text8-hs", **_TEXT8, size=100, window=5, sample=1e-3, negative=0, hs=True),
}  # fmt: skip

# Measured with word2vec.c 0.1c (github.com/tmikolov/word2vec) and two threads.
_PROGRAM = "word2vec.c 0.1c with these options, run on the same 1.17 M words"
PAPER = {
    "text8": {
        "test_analogies_percent": Figure(10.77, _PROGRAM, "quoted"),
        "test_analogies_of_meaning_percent": Figure(16.43, _PROGRAM, "quoted"),
        "test_analogies_of_grammar_percent": Figure(9.40, _PROGRAM, "quoted"),
        "test_wordsim_correlation": Figure(0.631, _PROGRAM, "quoted"),
        "test_simlex_correlation": Figure(0.194, _PROGRAM, "quoted"),
    },
    "text8-skipgram": {
        "test_analogies_percent": Figure(5.42, _PROGRAM, "quoted"),
        "test_analogies_of_meaning_percent": Figure(10.12, _PROGRAM, "quoted"),
        "test_analogies_of_grammar_percent": Figure(4.27, _PROGRAM, "quoted"),
        "test_wordsim_correlation": Figure(0.414, _PROGRAM, "quoted"),
        "test_simlex_correlation": Figure(0.188, _PROGRAM, "quoted"),
    },
}


def published(config: Config) -> dict[str, Figure]:
    """The figures of the authors' program, if text, net and schedule are still the preset's."""
    names = ("dataset", "min_count", "cbow", "size", "window", "negative", "hs", "sample", "iter",
             "num_steps", "learning_rate")  # fmt: skip
    same = same_options(config, PRESETS[config.preset], names) and config.published_scores
    return PAPER.get(config.preset, {}) if same else {}


def checked(config: Config) -> Config:
    """The options with the program's default for the rate; raises UserError for a net that
    predicts nothing."""
    if not (config.negative or config.hs):
        raise UserError("--negative=0 leaves nothing to learn: give --negative=5, or --hs.")
    rate = config.learning_rate or (0.05 if config.cbow else 0.025)
    return dataclasses.replace(config, learning_rate=rate)


def with_steps(config: Config, steps_in_a_pass: int) -> Config:
    """The options with the numbers of steps that depend on the text."""
    num_steps = config.num_steps or config.iter * steps_in_a_pass
    every = config.eval_every or -(-num_steps // EVALUATIONS)
    return dataclasses.replace(config, num_steps=num_steps, eval_every=every,
                               checkpoint_every=config.checkpoint_every or every)  # fmt: skip


def read_text(config: Config) -> WordStream:
    """The text that the options describe."""
    return vector_texts.load(
        config.dataset, tokens=config.tokens, lowercase=config.lowercase, least=config.min_count,
        data_dir=config.data_dir, raw_dir=config.raw_dir,
    )  # fmt: skip


def make_windows(config: Config, text: WordStream) -> Windows:
    """What each step reads."""
    return Windows(
        text, window=config.window, sample=config.sample, block=config.block,
        rows=config.batch_size, shared=config.shared if config.negative else 0, tree=config.hs,
        seed=config.seed,
    )  # fmt: skip


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    paper, config = published(config), checked(config)
    workdir = Workdir(config.workdir or f"runs/word2vec/{config.preset}")
    tests = None
    if config.published_scores:
        tests = word_similarity.load(config.data_dir, config.raw_dir)
    text = read_text(config)
    windows = make_windows(config, text)
    config = with_steps(config, windows.steps_in_a_pass)

    model, mesh = make_model(config, len(text.words)), mesh_for(config.batch_size)
    params = call_once(model.init, jax.random.key(config.seed))
    whole = NamedSharding(mesh, PartitionSpec())
    replicate = functools.partial(jax.lax.with_sharding_constraint, shardings=whole)
    step = make_step(model, config.learning_rate, config.num_steps, config.dtype, replicate)
    own = own_rows(config.batch_size)

    def batches(first: int, count: int):
        block = jax.tree.map(lambda xs: xs[:, own], windows.blocks(first, count))
        return block_of_batches(mesh, block, config.steps_per_call)

    def figures_of(vectors: Vectors) -> tuple[dict, list]:
        figures, sections = published_scores(vectors, tests) if tests else ({}, [])
        if config.dataset == "grammar":
            figures["same_class_percent"] = same_class_percent(vectors, vector_texts.CLASSES)
        return figures, sections

    def evaluated(state, watch) -> dict:
        figures, _ = figures_of(Vectors(text.words, local_copy(state.params)["words"]))
        return {"test": figures} if figures else {}

    trained = train(
        config, workdir, placed(mesh, init_state(params, optax.identity())), step, batches,
        evaluated, lambda means: {"loss": means["loss"]},
        data=f"{config.dataset}, {text.read:,} words, {len(text.words):,} distinct ones that occur "
             f"{config.min_count:,} times or more",
        facts=text.facts, unit="words",
        units_in_a_step=len(text.codes) / windows.steps_in_a_pass,
    )  # fmt: skip
    vectors = Vectors(text.words, trained.net.params["words"])
    result = finish("word2vec", config, trained, workdir, metrics={}, paper=paper)
    word2vec_report.write(config, workdir, trained, result, text, vectors, figures_of(vectors)[1],
                          config.num_steps / windows.steps_in_a_pass)  # fmt: skip
    print(f"nearest words: ./launch.sh word2vec neighbours --workdir={workdir.path} "
          f"--words={vectors.words[min(10, len(vectors.words) - 1)]!r}")
    return result


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from words to their vectors."""
    words = saved.identity["words"].split(" ")
    model = make_model(saved.config(Config), len(words))
    return Form(
        lambda params, inputs: {"vectors": jnp.take(params["words"], inputs["words"], axis=0)},
        saved.parameters(jax.eval_shape(model.init, KEY)),
        {"words": Size(INTS, "batch")},
        {"words": words},
    )


if __name__ == "__main__":
    sys.exit(main(PRESETS, run, COMMANDS))
