"""Translating with a trained net: `./launch.sh translate decode --workdir=... < source.txt`."""

import dataclasses
import functools
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from data import vocabulary
from data.errors import UserError
from data.lines import lines_of
from data.vocabulary import UNKNOWN, Vocabulary, split
from experiments.runtime.failures import printable
from experiments.runtime.options import option
from experiments.training.first_parameters import first_parameters
from experiments.training.trained_net import restore, tell_step
from experiments.translation.net import make_model
from experiments.translation.pairs import Vocabularies
from experiments.translation.translator import Hypothesis, Translator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decode:
    """The options of the command `decode`."""

    workdir: str = option("runs/translate/quick", "the run whose net is used",
                          path=True)  # fmt: skip
    beam: int = option(5, "width of the beam search; 1: greedy search", least=1, most=1000)
    nbest: int = option(0, "translations to write for each line, each as "
                        "number ||| translation ||| score; 0: only the best, as it is", least=0)
    length_power: float = option(1.0, "p: log-probabilities are divided by length^p",
                                 least=0.0, most=10.0)  # fmt: skip


class Restored(NamedTuple):
    """The options and the net of a run, ready to translate."""

    config: Any
    params: Any
    translator: Translator


def decode(options: Decode) -> None:
    """Translates standard input to standard output, line by line.

    The translation of an empty line is empty. Words that the net does not know are named on
    standard error.

    Raises:
      UserError: there is no trained net, the input is not UTF-8, or `nbest` exceeds `beam`;
        nothing has been written.
    """
    if options.nbest > options.beam:
        raise UserError(
            f"--nbest={options.nbest}: a beam of {options.beam} finds at most {options.beam} "
            "translations; give a larger --beam."
        )
    net = restore_translator(options.workdir)
    translator = net.translator._replace(beam=options.beam, power=options.length_power)
    lines = lines_of(sys.stdin.buffer.read(), "the input")
    if net.config.lowercase:
        lines = [line.lower() for line in lines]
    for line, words in unknown_words(translator.vocabularies.source, lines):
        named = printable(" ".join(words))
        print(f"line {line}: not in the vocabulary, and read as <unk>: {named}", file=sys.stderr)
    translations = translator.translate(net.params, lines)
    text = "".join(_output(n, best, options.nbest) for n, best in enumerate(translations))
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))
    sys.stdout.buffer.flush()
    tell_step(net.config)


def unknown_words(source: Vocabulary, lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """(line number from 1, what the vocabulary lacks of that line), each word once in all.

    If the units are characters, it is characters, and if they are subwords, words with characters
    that are in no subword.
    """
    named = set()
    for number, line in enumerate(lines, 1):
        if source.unit == "subwords":
            found = (word for word in line.split() if UNKNOWN in source.codes(word))
        else:
            coded = zip(split(line, source.unit), source.codes(line), strict=True)
            found = (piece.strip() or piece for piece, code in coded if code == UNKNOWN)
        new = [word for word in dict.fromkeys(found) if word not in named]
        named.update(new)
        if new:
            yield number, new


def _output(number: int, hypotheses: list[Hypothesis], nbest: int) -> str:
    if not nbest:
        return one_line(hypotheses[0].text) + "\n"
    return "".join(
        f"{number} ||| {one_line(text)} ||| {score:.6f}\n" for text, score in hypotheses[:nbest]
    )


def one_line(text: str) -> str:
    """`text` without line ends, which a vocabulary of characters may contain."""
    return " ".join(text.split("\n"))


def restore_translator(workdir: str) -> Restored:
    """The net of a run's newest sound checkpoint; raises UserError if there is none."""

    def make(config) -> tuple:
        sides = config.source_vocabulary, config.target_vocabulary
        vocabularies = Vocabularies(*map(vocabulary.from_json, sides))
        return vocabularies, float(config.growth), make_model(config, *map(len, vocabularies))

    facts = ("form", "source_vocabulary", "target_vocabulary")
    config, vocabularies, growth, model, params = restore(
        workdir, "translate", facts, make, functools.partial(first_parameters, seed=0)
    )
    return Restored(config, params, Translator(model, vocabularies, config.reverse, growth))
