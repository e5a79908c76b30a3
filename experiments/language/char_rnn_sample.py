"""A trained character RNN writes: `./launch.sh char_rnn sample --workdir=... --prime="..."`."""

import sys

from data.text import codes_of, decoded, encoded, text_of
from experiments.language.net import make_model
from experiments.language.sample import Sample, trained_writer, write_sample, writer, written
from experiments.runtime.workdir import Workdir
from nets.language_model import Choice

LENGTH = 300  # of the samples that a training run writes
DEFAULT = Sample(workdir="runs/char_rnn/quick")


def sample(options: Sample) -> None:
    """Writes to standard output; raises UserError where there is no net or an unknown symbol."""
    config, symbols, model, params = trained_writer(
        options.workdir, "char_rnn", "symbols", make_model
    )
    prime = decoded(options.prime.encode("utf-8", "surrogateescape"), config.unit, "--prime")
    codes = codes_of(prime or opening(symbols), symbols)
    text = prime + text_of(written(options, model, params, codes), symbols)
    sys.stdout.flush()
    sys.stdout.buffer.write(encoded(text + "\n", config.unit))
    sys.stdout.buffer.flush()


def opening(symbols: str) -> str:
    """What a text begins with that has no beginning."""
    return "\n" if "\n" in symbols else symbols[0]


def write_characters(workdir: Workdir, config, model, params, text, step: int) -> None:
    """A sample of the net as it is after so many steps, into samples.jsonl."""
    prime = codes_of(opening(text.symbols), text.symbols)
    write_sample(
        workdir, config.seed, step,
        write=lambda key: writer(model, LENGTH, Choice())(params, prime, key),
        spell=lambda codes: text_of(codes, text.symbols),
    )  # fmt: skip
