"""Text from a word language model: `./launch.sh word_lm sample --workdir=... --prime="the"`."""

import numpy as np

from data.word_corpora import tokens_of
from data.words import END, codes_of_words, text_of_words, words_of
from experiments.language.net import make_word_model
from experiments.language.sample import (
    Sample,
    add_sample,
    make_sampler,
    restore_model,
    sample_codes,
)
from experiments.runtime.workdir import Workdir
from experiments.training.trained_net import tell_step
from nets.language_model import Choice

LENGTH = 60  # of the samples during training, in words
DEFAULT = Sample(workdir="runs/word_lm/quick", length=100)


def sample(options: Sample) -> None:
    """Writes to standard output; raises UserError without a trained net, or an unknown word."""
    config, words, model, params = restore_model(
        options.workdir, "word_lm", "words", make_word_model
    )
    prime = words_of(options.prime, tokens_of(config.dataset, config.tokens))
    codes = codes_of_words([END, *prime[:-1]], words)  # without the END of the primed line
    text = np.append(codes[1:], sample_codes(options, model, params, codes))
    print(text_of_words(text, words), flush=True)
    tell_step(config)


def save_sample(workdir: Workdir, config, model, params, words, step: int) -> None:
    """Samples the net after `step` steps of training, into samples.jsonl."""
    prime = codes_of_words([END], words)
    add_sample(
        workdir, config.seed, step,
        sampler=lambda key: make_sampler(model, LENGTH, Choice())(params, prime, key),
        to_text=lambda codes: text_of_words(codes, words),
    )  # fmt: skip
