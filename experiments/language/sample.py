"""What a trained language model writes, symbol by symbol: on request, and beside its training."""

import dataclasses
import functools
import json
from collections.abc import Callable

import jax
import numpy as np

from experiments.runtime.options import option
from experiments.runtime.workdir import Workdir, write_atomically
from experiments.training import metrics
from experiments.training.first_parameters import first_parameters
from experiments.training.trained_net import restore
from nets.language_model import Choice, LanguageModel, generate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """What is asked of the net; `workdir` is a run of the experiment that is asked."""

    workdir: str = option("", "the run whose newest checkpoint writes")
    prime: str = option("", "what the text begins with; empty: a new line")
    length: int = option(500, "symbols to write after it", least=0, most=10_000_000)
    temperature: float = option(1.0, "of the softmax; 0 takes the likeliest symbol", least=0.0)
    top_k: int = option(0, "choose among so many likeliest symbols; 0: all", least=0)
    top_p: float = option(1.0, "choose among the fewest that have this probability together",
                          least=1e-6, most=1.0)  # fmt: skip
    seed: int = option(0, "the same seed gives the same text", least=0, most=2**31 - 1)


def written(options: Sample, model: LanguageModel, params, prime: np.ndarray) -> np.ndarray:
    """The codes that the net writes after those of `prime`, as the options want them chosen."""
    choice = Choice(options.temperature, options.top_k, options.top_p)
    return writer(model, options.length, choice)(params, prime, jax.random.key(options.seed))


def trained_writer(
    workdir: str, experiment: str, symbols: str, make_model: Callable[..., LanguageModel]
) -> tuple:
    """(options, symbols, model, parameters) of a run's newest sound checkpoint.

    Args:
      workdir: the run's folder.
      experiment: whose run it must be.
      symbols: the fact by which such a run is known, its symbols.
      make_model: (options, number of symbols) -> the net.

    Raises:
      UserError: there is none.
    """

    def make(config) -> tuple:
        written = getattr(config, symbols)
        found = written if symbols == "symbols" else tuple(written.split(" "))
        return found, make_model(config, len(found))

    first = functools.partial(first_parameters, seed=0)
    return restore(workdir, experiment, ("cell", symbols), make, first)


@functools.lru_cache(maxsize=4)
def writer(model: LanguageModel, length: int, choice: Choice):
    """(params, prime, key) -> codes, compiled."""
    return jax.jit(lambda params, prime, key: generate(model, params, prime, key, length, choice))


def write_sample(
    workdir: Workdir,
    seed: int,
    step: int,
    write: Callable[[jax.Array], np.ndarray],
    spell: Callable[[np.ndarray], str],
) -> None:
    """Puts a sample beside those of earlier steps in samples.jsonl, in place of later ones.

    Args:
      workdir: the run's folder.
      seed: of the run.
      step: the number of steps that the net was trained for.
      write: what the net writes with a key.
      spell: codes to text.
    """
    text = spell(write(jax.random.fold_in(jax.random.key(seed), step)))
    rows = [row for row in metrics.read(workdir.samples) if row["step"] < step]
    rows.append({"step": step, "text": text})
    write_atomically(workdir.samples, "".join(json.dumps(row) + "\n" for row in rows))
