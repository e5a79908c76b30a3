"""A trained net translates: `./launch.sh translate decode --workdir=... < source.txt`."""

import dataclasses
import functools
import sys
from typing import Any, NamedTuple

from data import vocabulary
from data.errors import UserError
from data.lines import lines_of
from experiments.runtime.options import option
from experiments.training.first_parameters import first_parameters
from experiments.training.trained_net import restore
from experiments.translation.net import make_model
from experiments.translation.pairs import Vocabularies
from experiments.translation.translator import Hypothesis, Translator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decode:
    """What is asked of the net."""

    workdir: str = option("runs/translate/quick", "the run whose newest checkpoint translates",
                         path=True)  # fmt: skip
    beam: int = option(5, "sequences that the search keeps; 1: greedy", least=1, most=1000)
    nbest: int = option(0, "write so many translations of each line, with scores: "
                        "number ||| translation ||| score; 0: the best one alone", least=0)
    length_power: float = option(1.0, "of the length, by which log-probabilities are divided",
                                 least=0.0, most=10.0)  # fmt: skip


class Restored(NamedTuple):
    """A run's net, ready to translate."""

    config: Any
    params: Any
    translator: Translator


def decode(options: Decode) -> None:
    """Standard input to standard output, one line for each line.

    An empty line is translated by an empty line.

    Raises:
      UserError: there is no trained net, the input is not UTF-8, or more translations are asked
        for than the beam has; nothing is written then.
    """
    if options.nbest > options.beam:
        raise UserError(
            f"--nbest={options.nbest}: a beam of {options.beam} has no more than {options.beam}; "
            "give a larger --beam."
        )
    net = restored(options.workdir)
    translator = net.translator._replace(beam=options.beam, power=options.length_power)
    lines = lines_of(sys.stdin.buffer.read(), "the input")
    if net.config.lowercase:
        lines = [line.lower() for line in lines]
    found = translator.translate(net.params, lines)
    text = "".join(_written(n, hypotheses, options.nbest) for n, hypotheses in enumerate(found))
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))
    sys.stdout.buffer.flush()


def _written(number: int, hypotheses: list[Hypothesis], nbest: int) -> str:
    if not nbest:
        return one_line(hypotheses[0].text) + "\n"
    return "".join(
        f"{number} ||| {one_line(text)} ||| {score:.6f}\n" for text, score in hypotheses[:nbest]
    )


def one_line(text: str) -> str:
    """`text` without line ends, which a vocabulary of characters might hold."""
    return " ".join(text.split("\n"))


def restored(workdir: str) -> Restored:
    """A run's newest sound checkpoint; raises UserError where there is none."""

    def make(config) -> tuple:
        sides = config.source_vocabulary, config.target_vocabulary
        vocabularies = Vocabularies(*map(vocabulary.from_json, sides))
        return vocabularies, float(config.growth), make_model(config, *map(len, vocabularies))

    facts = ("form", "source_vocabulary", "target_vocabulary")
    config, vocabularies, growth, model, params = restore(
        workdir, "translate", facts, make, functools.partial(first_parameters, seed=0)
    )
    return Restored(config, params, Translator(model, vocabularies, config.reverse, growth))
