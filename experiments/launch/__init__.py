"""What launch.sh does with an experiment besides running it once in one process."""

import sys
from collections.abc import Callable, Sequence

from data.errors import UserError


def main_of(run: Callable[[Sequence[str]], int]) -> Callable[[Sequence[str]], int]:
    """`run`, words to exit status, with a user's mistake told in its sentence: status 2."""

    def main(words: Sequence[str]) -> int:
        try:
            return run(words)
        except UserError as error:
            print(error, file=sys.stderr)
            return 2

    return main
