"""Sentences of a small grammar whose labels depend on both the left and the right context.

    the waits fears a storm .                        D N V D N .
    the old sailor who fears the ships waits ?       D A N W VQ D N VQ ?

`waits`, `fears`, `ships` and others can be nouns or verbs; what comes before decides. A verb is
labelled V in a statement and VQ in a question, and only the mark at the end of the sentence tells
which it is.
"""

import numpy as np

from data.sentences import Corpus, Sentences

BOTH = ("waits", "fears", "ships", "storms", "sails", "watches", "calls", "plays", "turns",
        "answers", "charges", "holds")  # fmt: skip
NOUNS = ("sailor", "captain", "harbour", "lantern", "island", "letter", "gull", "widow")
VERBS = ("sees", "follows", "forgets", "brings", "hears", "writes")
ADJECTIVES = ("old", "quiet", "distant", "golden", "lost", "early")
DETERMINERS = ("the", "a", "this", "every")


def _noun_phrase(random: np.random.Generator, depth: int) -> list[tuple[str, str]]:
    phrase = [(random.choice(DETERMINERS), "D")]
    phrase += [(random.choice(ADJECTIVES), "A") for _ in range(random.integers(0, 3))]
    phrase.append((random.choice(BOTH if random.random() < 0.6 else NOUNS), "N"))
    if depth < 2 and random.random() < 0.2:
        phrase += [("who", "W"), *_verb_phrase(random, depth + 1)]
    return phrase


def _verb_phrase(random: np.random.Generator, depth: int) -> list[tuple[str, str]]:
    verb = [(random.choice(BOTH if random.random() < 0.6 else VERBS), "V")]
    return verb + (_noun_phrase(random, depth) if random.random() < 0.6 else [])


def sentence(random: np.random.Generator) -> list[tuple[str, str]]:
    """Draws a sentence: a list of pairs (word, label)."""
    pairs = _noun_phrase(random, 0) + _verb_phrase(random, 0)
    if random.random() < 0.5:
        pairs = [(word, "VQ" if label == "V" else label) for word, label in pairs]
        return [*pairs, ("?", "?")]
    return [*pairs, (".", ".")]


def corpus(seed: int, train: int = 2000, valid: int = 300, test: int = 500) -> Corpus:
    """Generates a corpus with the given number of sentences in each part."""
    random = np.random.default_rng([seed, 2014])

    def part(count: int) -> Sentences:
        pairs = [sentence(random) for _ in range(count)]
        return Sentences(*([[str(pair[side]) for pair in s] for s in pairs] for side in (0, 1)))

    return Corpus(part(train), part(valid), part(test))
