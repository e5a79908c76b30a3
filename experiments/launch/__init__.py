"""What launch.sh does with an experiment besides running it once in one process."""

import sys
from collections.abc import Callable, Sequence

from data.errors import UserError


def main_of(run: Callable[[Sequence[str]], int]) -> Callable[[Sequence[str]], int]:
    """`run`, words to exit status, with a sentence for a user's mistake, status 2, or a Ctrl-C."""

    def main(words: Sequence[str]) -> int:
        try:
            return run(words)
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("Interrupted; the same command goes on.", file=sys.stderr)
            return 130

    return main
