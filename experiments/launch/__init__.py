"""What launch.sh does with experiments besides running one in a single process."""

import sys
from collections.abc import Callable, Sequence

from data.errors import UserError
from experiments.runtime.broken_pipe import quiet_if_unread


def main_of(run: Callable[[Sequence[str]], int]) -> Callable[[Sequence[str]], int]:
    """`run` (arguments -> exit status), with user errors and Ctrl-C reported in one sentence."""

    def outcome(words: Sequence[str]) -> int:
        try:
            return run(words)
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("Interrupted; run the same command again.", file=sys.stderr)
            return 130

    return lambda words: quiet_if_unread(outcome, words)
