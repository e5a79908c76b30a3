"""Sampling from a language model, symbol by symbol: on request, and during training."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np

from experiments.runtime.options import option
from experiments.runtime.workdir import Workdir
from experiments.training import metrics
from experiments.training.first_parameters import first_parameters
from experiments.training.trained_net import restore
from nets.language_model import Choice, LanguageModel, generate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """The options of the command `sample`."""

    workdir: str = option("", "the run whose net is sampled", path=True)
    prime: str = option("", "the beginning of the text; empty: a new line")
    length: int = option(500, "symbols to sample", least=0, most=10_000_000)
    temperature: float = option(1.0, "of the softmax; 0: always the likeliest symbol", least=0.0)
    top_k: int = option(0, "sample from the k likeliest symbols; 0: from all", least=0)
    top_p: float = option(1.0, "sample from the fewest symbols that have this probability together",
                          least=1e-6, most=1.0)  # fmt: skip
    seed: int = option(0, "the same seed gives the same text", least=0, most=2**31 - 1)


def sample_codes(options: Sample, model: LanguageModel, params, prime: np.ndarray) -> np.ndarray:
    """The codes sampled after those of `prime`."""
    choice = Choice(options.temperature, options.top_k, options.top_p)
    return make_sampler(model, options.length, choice)(params, prime, jax.random.key(options.seed))


def restore_model(
    workdir: str, experiment: str, symbols: str, make_model: Callable[..., LanguageModel]
) -> tuple:
    """(options, alphabet, model, parameters) of a run's newest sound checkpoint.

    Args:
      workdir: the run's folder.
      experiment: the experiment that the run must be of.
      symbols: the name under which its checkpoints keep the alphabet: `symbols` or `words`.
      make_model: (options, number of symbols) -> the net.

    Raises:
      UserError: there is no such checkpoint.
    """

    def make(config) -> tuple:
        text = getattr(config, symbols)
        alphabet = text if symbols == "symbols" else tuple(text.split(" "))
        return alphabet, make_model(config, len(alphabet))

    parameters = functools.partial(first_parameters, seed=0)
    return restore(workdir, experiment, ("cell", symbols), make, parameters)


@functools.lru_cache(maxsize=4)
def make_sampler(model: LanguageModel, length: int, choice: Choice):
    """A compiled function (params, prime, key) -> codes [length]."""
    return jax.jit(lambda params, prime, key: generate(model, params, prime, key, length, choice))


def add_sample(
    workdir: Workdir,
    seed: int,
    step: int,
    sampler: Callable[[jax.Array], np.ndarray],
    to_text: Callable[[np.ndarray], str],
) -> None:
    """Adds a sample to samples.jsonl, in place of those of the same or later steps.

    Args:
      workdir: the run's folder.
      seed: of the run.
      step: the number of training steps so far.
      sampler: key -> codes.
      to_text: codes -> text.
    """
    text = to_text(sampler(jax.random.fold_in(jax.random.key(seed), step)))
    metrics.add_row(workdir.samples, {"step": step, "text": text})
