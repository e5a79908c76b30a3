"""A recurrent net translates sentences. | Sutskever, Vinyals, Le 2014

    ./launch.sh translate                          numbers from words to digits, about a minute
    ./launch.sh translate --preset=cpu             German to English on Multi30k, with attention
    ./launch.sh translate --preset=paper-attention the open baseline's net; paper-lstm, paper-gru
    ./launch.sh translate --preset=reversal        the source reversed and in order: Sutskever's
                                                   finding
    ./launch.sh translate --dataset=./mine.de,./mine.en --source_unit=subwords
    ./launch.sh translate decode --workdir=runs/translate/quick < source.txt > target.txt

`--form` is how the decoder gets the source: `sutskever`, `cho`, `kalchbrenner`, `bahdanau` or
`luong` (`nets/seq2seq.py`). BLEU is sacrebleu's, on detokenised text; its signature is printed.

The `paper-` presets have the sizes, data and schedule of the open baselines on Multi30k (Trevett,
pytorch-seq2seq). What differs: words are split by a rule of our own, not by spaCy, which gives
slightly smaller vocabularies and so slightly fewer parameters; the decoder is trained on reference
words only, where the baseline feeds back its own predictions half of the time; dropout is also
applied before the softmax; and BLEU is computed on detokenised text, not on spaCy's tokens.
"""

import dataclasses
import sys

import jax
import numpy as np

from data import parallel_text
from data.buckets import Buckets
from data.parallel_text import Corpus
from data.vocabulary import UNITS
from experiments.reports.result import Figure, finish, same_options
from experiments.runtime.command_line import main
from experiments.runtime.mesh import local_copy, mesh_for, on_first_device, placed
from experiments.runtime.options import option
from experiments.runtime.workdir import Workdir
from experiments.training.cell_options import LayerOptions
from experiments.training.export_form import Form
from experiments.training.first_parameters import InitOptions, first_parameters
from experiments.training.kept import NET, KeepOptions, lowest
from experiments.training.loop import init_state, make_step
from experiments.training.optimizer import RuleOptions, make_optimizer
from experiments.training.run import train
from experiments.training.trained_net import SavedRun
from experiments.translation import report as translate_report
from experiments.translation.decode import Decode, decode
from experiments.translation.export import translation_form
from experiments.translation.loss import make_loss, make_perplexity
from experiments.translation.net import FORMS, ONE_LAYER, make_model
from experiments.translation.pairs import Sentences, make_batches, make_vocabularies
from experiments.translation.scores import TOKENIZERS, scores, signatures, tokenizer_for
from experiments.translation.translator import Translator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(LayerOptions, InitOptions, RuleOptions, KeepOptions):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option("numbers", "numbers, multi30k, two files of your own with aligned lines, "
                          "SOURCE,TARGET, or one with a tab between the two sides")
    source: str = option("de", "multi30k: the language to translate from, de, en or fr")
    target: str = option("en", "multi30k: the language to translate into")
    valid_percent: float = option(2.0, "your own files: percentage to validate on, before the test",
                                  least=0.0, most=49.0)
    test_percent: float = option(2.0, "your own files: percentage to test on, from the end",
                                 least=0.0, most=49.0)
    valid: str = option("", "pairs to validate on, in files like those of --dataset, in place of "
                        "--valid_percent", identity=False)
    test: str = option("", "pairs to test on, likewise, in place of --test_percent", identity=False)
    lowercase: bool = option(False, "lower-case both sides, in the test part too")
    source_unit: str = option("words", "words, characters or subwords", choices=UNITS)
    target_unit: str = option("characters", "words, characters or subwords", choices=UNITS)
    vocabulary: int = option(4000, "limit of each side's vocabulary: the most frequent words or "
                             "characters, or the number of subwords; 0: none (not for subwords)",
                             least=0, most=1_000_000)
    least_count: int = option(1, "words that occur less often are unknown", least=1)
    longest: int = option(100, "longest side of a training pair, in --source_unit or --target_unit "
                          "units; longer pairs are left out",
                          least=1, most=10_000)
    form: str = option("luong", "; ".join(f"{name}: {text}" for name, text in FORMS.items()),
                       choices=tuple(FORMS))
    reverse: bool = option(False, "read the source from its last word to its first")
    compare: bool = option(False, "also train a net with the source in the opposite order")
    cell: str = option("gru", "rnn (tanh), rnn_sigmoid, lstm, gru (reset before the product), "
                       "gru_after", choices=("rnn", "rnn_sigmoid", "lstm", "gru", "gru_after"))
    hidden: int = option(96, "units of a layer", least=1, most=65_536)
    layers: int = option(1, f"number of layers; {', '.join(ONE_LAYER)} have one",
                         least=1, most=100)
    embedding: int = option(64, "length of a word's vector", least=1, most=65_536)
    bridge: bool = option(True, "cho: the decoder starts from tanh(W v + b); false: from v")
    maxout: int = option(0, "maxout units before the softmax; 0: none", least=0, most=65_536)
    dropout: float = option(0.0, "dropout rate of embeddings and outputs", least=0.0, most=0.99)
    label_smoothing: float = option(0.0, "weight of a uniform distribution in the target",
                                    least=0.0, most=0.99)
    beam: int = option(5, "width of the beam search; 1: greedy search", least=1, most=1000,
                       identity=False)
    length_power: float = option(1.0, "p: log-probabilities are divided by length^p",
                                 least=0.0, most=10.0, identity=False)
    bleu_tokenizer: str = option("auto", "sacrebleu's tokenizer; auto: zh or char for text without "
                                 "spaces, else 13a", choices=TOKENIZERS, identity=False)
    num_steps: int = option(600, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(64, "pairs in a batch, over all devices", least=1, most=65_536)
    learning_rate: float = option(5e-3, "initial learning rate", least=0.0)
    eval_every: int = option(100, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(200, "steps between checkpoints", least=1, identity=False)
    steps_per_call: int = option(4, "training steps in one device call", least=1,
                                 most=100_000, identity=False)


_MULTI30K = dict(dataset="multi30k", source_unit="subwords", target_unit="subwords")
_PASS = 29_000 // 128  # steps
_PAPER = Config(
    preset="paper", dataset="multi30k", lowercase=True, source_unit="words", target_unit="words",
    vocabulary=0, least_count=2, hidden=512, embedding=256, dropout=0.5, schedule="constant",
    batch_size=128, learning_rate=1e-3, num_steps=10 * _PASS, eval_every=_PASS,
    checkpoint_every=_PASS // 2, beam=1, length_power=0.0,
)  # fmt: skip
PRESETS = {
    "quick": Config(),
    "cpu": Config(
        preset="cpu", **_MULTI30K, vocabulary=3000, hidden=192, embedding=192, dropout=0.2,
        label_smoothing=0.1, batch_size=64, learning_rate=3e-3, num_steps=6 * 453, eval_every=453,
        checkpoint_every=453,
    ),
    "paper-lstm": dataclasses.replace(
        _PAPER, preset="paper-lstm", form="sutskever", cell="lstm", layers=2, init="uniform",
        init_scale=0.08,
    ),
    "paper-gru": dataclasses.replace(
        _PAPER, preset="paper-gru", form="cho", cell="gru_after", bridge=False,
        init="normal", init_scale=0.01,
    ),
    "paper-attention": dataclasses.replace(
        _PAPER, preset="paper-attention", form="bahdanau", cell="gru_after", init="normal",
        init_scale=0.01,
    ),
    "reversal": Config(
        preset="reversal", form="sutskever", cell="lstm", reverse=True, compare=True,
    ),
    "kalchbrenner": Config(
        preset="kalchbrenner", form="kalchbrenner", cell="rnn_sigmoid", embedding=128, hidden=192,
        num_steps=3000, eval_every=500, checkpoint_every=500,
    ),
}  # fmt: skip

# The notebooks' perplexities are of words after the net's own, not after the reference's: another
# quantity than ours.
_TREVETT = "Trevett, pytorch-seq2seq, notebook {}, BLEU of lower-cased spaCy tokens"
PAPER = {
    preset: {"test_bleu_lowercased": Figure(bleu, _TREVETT.format(number), "paper")}
    for number, (preset, bleu) in enumerate(
        (("paper-lstm", 13.76), ("paper-gru", 20.61), ("paper-attention", 28.30)),
        1,
    )
}


def published(config: Config) -> dict[str, Figure]:
    """The open baseline's figures, if net, data and languages are still the preset's."""
    names = ("form", "cell", "hidden", "layers", "embedding", "dataset", "source", "target",
             "lowercase", "source_unit", "target_unit", "least_count", "vocabulary", "valid",
             "test")  # fmt: skip
    same = same_options(config, PRESETS[config.preset], names)
    return PAPER.get(config.preset, {}) if same else {}


def corpus_of(config: Config) -> Corpus:
    """The sentences that the options name; raises UserError."""
    corpus = parallel_text.load(
        config.dataset, source=config.source, target=config.target,
        valid_percent=config.valid_percent, test_percent=config.test_percent,
        valid=config.valid, test=config.test,
        data_dir=config.data_dir, raw_dir=config.raw_dir,
    )  # fmt: skip
    return Corpus(*(pairs.lower() for pairs in corpus)) if config.lowercase else corpus


def run(config: Config) -> dict:
    """Trains, translates the test set and reports; returns what result.json holds."""
    workdir = Workdir(config.workdir or f"runs/translate/{config.preset}")
    corpus = corpus_of(config)
    tokenizer = tokenizer_for(config, corpus.test.targets)
    config = dataclasses.replace(config, bleu_tokenizer=tokenizer)
    vocabularies = make_vocabularies(config, corpus.train)
    sentences, corpus = Sentences.of(corpus, vocabularies, config.reverse, config.longest)
    model = make_model(config, *map(len, vocabularies))
    other = other_way_round(config, workdir) if config.compare else {}

    mesh = mesh_for(config.batch_size)
    buckets = Buckets(sentences.train.lengths, sentences.shapes, config.batch_size, config.seed,
                      stretch=config.steps_per_call, multiple=mesh.size)  # fmt: skip
    words = config.batch_size * float(sentences.train.lengths[:, 1].mean())
    optimizer = make_optimizer(config, int(buckets.steps_in_a_pass))
    key = jax.random.key(config.seed)
    step = make_step(make_loss(config, model, words), optimizer, key, dtype=config.dtype)
    params = first_parameters(config, model, config.seed)
    translator = Translator(model, vocabularies, config.reverse, sentences.growth, config.beam,
                            config.length_power)  # fmt: skip
    perplexity = make_perplexity(model, sentences.shapes)
    translations = []

    def validated(state, watch) -> dict:
        """The perplexity of the validation part."""
        params = local_copy(state.params)
        return {"valid": {"perplexity": perplexity(params, sentences.valid, watch, "valid")}}

    def tested(nets, watch) -> dict:
        """The scores of the test part, translated, and its perplexity."""
        params = on_first_device(nets[NET].params)
        best = translator.translate(params, corpus.test.sources, watch)
        translations[:] = [hypotheses[0].text for hypotheses in best]
        return {"test": scores(config, translations, corpus.test.targets) | {
            "perplexity": perplexity(params, sentences.test, watch, "test")
        }}  # fmt: skip

    trained = train(
        config, workdir, placed(mesh, init_state(params, optimizer)), step,
        make_batches(config, sentences, buckets, mesh), validated,
        lambda means: {"perplexity": float(np.exp(means["nats"])),
                       "gradient_norm": means["gradient_norm"]},
        test=tested, offer=lowest("perplexity"),
        data=f"{config.dataset}, {len(corpus.train.sources):,} pairs for training and "
             f"{len(corpus.test.sources):,} for testing",
        facts=facts(corpus, vocabularies, sentences), same_shape=buckets.steps_of_one_shape,
        unit=f"target {config.target_unit}", units_in_a_step=words,
    )  # fmt: skip
    parts = {"valid": sentences.valid, "test": sentences.test}
    unknown = {f"{n}_unknown_percent": 100 * part.unknown_share for n, part in parts.items()}
    result = finish("translate", config, trained, workdir=workdir, metrics=unknown | other,
                    paper=published(config))  # fmt: skip
    for signature in signatures(config):
        print(f"BLEU signature: {signature}")
    translate_report.write(config, workdir, trained, result, translator, corpus, translations)
    print(f"translate: ./launch.sh translate decode --workdir={workdir.path} "
          "< source.txt > target.txt")  # fmt: skip
    return result


def facts(corpus: Corpus, vocabularies, sentences: Sentences) -> dict[str, str]:
    """What determines a run's figures besides its options, and what decoding needs."""
    return {
        "sentences": corpus.fingerprint,
        "source_vocabulary": vocabularies.source.to_json(),
        "target_vocabulary": vocabularies.target.to_json(),
        "growth": f"{sentences.growth:.6f}",
    }


def other_way_round(config: Config, workdir: Workdir) -> dict[str, float]:
    """The figures of the same run with the source in the opposite order."""
    name = "forward" if config.reverse else "reversed"
    other = dataclasses.replace(
        config, reverse=not config.reverse, compare=False, workdir=str(workdir.path / name)
    )
    metrics = run(other)["metrics"]
    return {f"{key}_{name}_source": metrics[key] for key in ("test_perplexity", "valid_perplexity")}


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from a source and the target so far to the logits of its next words."""
    return translation_form(saved, saved.config(Config))


if __name__ == "__main__":
    sys.exit(main(PRESETS, run, {"decode": (Decode(), decode)}))
