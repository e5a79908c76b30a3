"""Whole numbers in English words and in digits: sentence pairs with a known correct translation.

    three hundred and five thousand two hundred and seven    305207
"""

import numpy as np

BELOW = 1_000_000
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(number: int) -> str:
    """A number from 0 to 999,999 in words, with the British "and" and without hyphens."""
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return " ".join([_TENS[tens - 2], *([_SMALL[rest]] if rest else [])])
    unit, word = (1000, "thousand") if number >= 1000 else (100, "hundred")
    many, rest = divmod(number, unit)
    joined = ["and"] if rest and (rest < 100) else []
    return " ".join([in_words(many), word, *joined, *([in_words(rest)] if rest else [])])


def random_numbers(count: int, seed: int) -> np.ndarray:
    """Distinct random numbers below a million, of all lengths about equally often: int [count]."""
    random = np.random.default_rng(seed)
    numbers = (10.0 ** random.uniform(0, 6, 4 * count)).astype(int) - 1
    numbers = np.append(numbers, random.integers(0, BELOW, count))
    _, first = np.unique(numbers, return_index=True)
    return numbers[np.sort(first)][:count]
