"""What launch.sh can do with an experiment besides running it once in one process."""

import sys
from collections.abc import Callable, Sequence

from data.errors import UserError


def main_of(run: Callable[[Sequence[str]], int]) -> Callable[[Sequence[str]], int]:
    """`run` (arguments to exit status), with user errors and Ctrl-C reported in one sentence."""

    def main(words: Sequence[str]) -> int:
        try:
            return run(words)
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("Interrupted; run the same command to continue.", file=sys.stderr)
            return 130

    return main
