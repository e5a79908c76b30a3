"""Text from a character RNN: `./launch.sh char_rnn sample --workdir=... --prime="..."`."""

import sys

from data.text import codes_of, decoded, encoded, text_of
from experiments.language.net import make_model
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

LENGTH = 300  # of the samples during training, in characters
DEFAULT = Sample(workdir="runs/char_rnn/quick")


def sample(options: Sample) -> None:
    """Writes to standard output; raises UserError without a trained net, or an unknown symbol."""
    config, symbols, model, params = restore_model(
        options.workdir, "char_rnn", "symbols", make_model
    )
    prime = decoded(options.prime.encode("utf-8", "surrogateescape"), config.unit, "--prime")
    codes = codes_of(prime or first_symbol(symbols), symbols)
    text = prime + text_of(sample_codes(options, model, params, codes), symbols)
    sys.stdout.flush()
    sys.stdout.buffer.write(encoded(text + "\n", config.unit))
    sys.stdout.buffer.flush()
    tell_step(config)


def first_symbol(symbols: str) -> str:
    """The symbol that is given to the net before an unprimed sample."""
    return "\n" if "\n" in symbols else symbols[0]


def save_sample(workdir: Workdir, config, model, params, text, step: int) -> None:
    """Samples the net after `step` steps of training, into samples.jsonl."""
    prime = codes_of(first_symbol(text.symbols), text.symbols)
    add_sample(
        workdir, config.seed, step,
        sampler=lambda key: make_sampler(model, LENGTH, Choice())(params, prime, key),
        to_text=lambda codes: text_of(codes, text.symbols),
    )  # fmt: skip
