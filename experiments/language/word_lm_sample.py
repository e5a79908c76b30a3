"""A trained word model writes: `./launch.sh word_lm sample --workdir=... --prime="the"`."""

import numpy as np

from data.word_corpora import tokens_of
from data.words import END, codes_of_words, text_of_words, words_of
from experiments.language.net import make_word_model
from experiments.language.sample import Sample, trained_writer, write_sample, writer, written
from experiments.runtime.workdir import Workdir
from nets.language_model import Choice

LENGTH = 60  # of the samples that a training run writes, in words
DEFAULT = Sample(workdir="runs/word_lm/quick", length=100)


def sample(options: Sample) -> None:
    """Writes to standard output; raises UserError where there is no net or an unknown word."""
    config, words, model, params = trained_writer(
        options.workdir, "word_lm", "words", make_word_model
    )
    prime = words_of(options.prime, tokens_of(config.dataset, config.tokens))
    codes = codes_of_words([END, *prime[:-1]], words)  # the line goes on
    text = np.append(codes[1:], written(options, model, params, codes))
    print(text_of_words(text, words), flush=True)


def write_words(workdir: Workdir, config, model, params, words, step: int) -> None:
    """A sample of the net as it is after so many steps, into samples.jsonl."""
    prime = codes_of_words([END], words)
    write_sample(
        workdir, config.seed, step,
        write=lambda key: writer(model, LENGTH, Choice())(params, prime, key),
        spell=lambda codes: text_of_words(codes, words),
    )  # fmt: skip
