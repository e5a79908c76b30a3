"""A trained character RNN writes: `./launch.sh char_rnn sample --workdir=... --prime="..."`."""

import dataclasses
import functools
import json
import pathlib
import sys
import types

import jax

from data.errors import UserError
from data.text import codes_of, decoded, encoded, text_of
from experiments import metrics
from experiments.char_rnn_net import first_parameters, make_model
from experiments.checkpoints import Checkpoints
from experiments.config import option
from experiments.sequence_optimizer import make_optimizer
from experiments.train import init_state
from experiments.workdir import Workdir, write_whole
from nets.language_model import Choice, generate

LENGTH = 300  # of the samples that a training run writes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """What is asked of the net."""

    workdir: str = option("runs/char_rnn/quick", "the run whose newest checkpoint writes")
    prime: str = option("", "what the text begins with; empty: a new line")
    length: int = option(500, "symbols to write after it", least=0, most=10_000_000)
    temperature: float = option(1.0, "of the softmax; 0 takes the likeliest symbol", least=0.0)
    top_k: int = option(0, "choose among so many likeliest symbols; 0: all", least=0)
    top_p: float = option(1.0, "choose among the fewest that have this probability together",
                          least=1e-6, most=1.0)  # fmt: skip
    seed: int = option(0, "the same seed gives the same text", least=0, most=2**31 - 1)


def sample(options: Sample) -> None:
    """Writes to standard output; raises UserError where there is no net or an unknown symbol."""
    config, symbols, model, params = trained(options.workdir)
    prime = decoded(options.prime.encode("utf-8", "surrogateescape"), config.unit, "--prime")
    codes = codes_of(prime or opening(symbols), symbols)
    choice = Choice(options.temperature, options.top_k, options.top_p)
    key = jax.random.key(options.seed)
    written = writer(model, options.length, choice)(params, codes, key)
    sys.stdout.flush()
    sys.stdout.buffer.write(encoded(prime + text_of(written, symbols) + "\n", config.unit))
    sys.stdout.buffer.flush()


def trained(workdir: str):
    """(options, symbols, model, parameters) of a run's newest sound checkpoint."""
    folder = pathlib.Path(workdir) / "checkpoints"
    checkpoints = Checkpoints(folder, read_only=True) if folder.is_dir() else None
    identity = checkpoints and checkpoints.identity()
    if not identity or "symbols" not in identity or "cell" not in identity:
        raise UserError(
            f"--workdir={workdir}: there is no checkpoint of a char_rnn run; train one there "
            "first, or name the folder of one."
        )
    config = types.SimpleNamespace(**identity)  # all that decided the run
    model = make_model(config, len(identity["symbols"]))
    params = first_parameters(config, model, seed=0)
    like = init_state(params, make_optimizer(config, 1), carry=model.carry(config.batch_size))
    found = checkpoints.restore(like, identity)
    if found is None:
        raise UserError(f"{folder} holds no sound checkpoint: run the training again.")
    return config, identity["symbols"], model, found[0].params


def opening(symbols: str) -> str:
    """What a text begins with that has no beginning."""
    return "\n" if "\n" in symbols else symbols[0]


@functools.lru_cache(maxsize=4)
def writer(model, length: int, choice: Choice):
    """(params, prime, key) -> codes, compiled."""
    return jax.jit(lambda params, prime, key: generate(model, params, prime, key, length, choice))


def write_sample(workdir: Workdir, config, model, params, text, step: int) -> None:
    """Puts a sample beside those of earlier steps in samples.jsonl, in place of later ones."""
    key = jax.random.fold_in(jax.random.key(config.seed), step)
    prime = codes_of(opening(text.symbols), text.symbols)
    written = text_of(writer(model, LENGTH, Choice())(params, prime, key), text.symbols)
    rows = [row for row in metrics.read(workdir.samples) if row["step"] < step]
    rows.append({"step": step, "text": written})
    write_whole(workdir.samples, "".join(json.dumps(row) + "\n" for row in rows))
