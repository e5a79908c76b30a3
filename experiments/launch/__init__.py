"""What launch.sh does with experiments besides running one in a single process."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from data.errors import UserError
from experiments.runtime import usage
from experiments.runtime.broken_pipe import quiet_if_unread
from experiments.runtime.failures import printable


def main_of(
    run: Callable[[Sequence[str]], int], options: Any = None
) -> Callable[[Sequence[str]], int]:
    """`run` (arguments -> exit status), with help, and with errors reported in one sentence.

    Args:
      run: the command; the docstring of its module is the help.
      options: a dataclass with its flags' default values; None if it has no flags.
    """

    def outcome(words: Sequence[str]) -> int:
        answer = usage.answer(words, lambda: usage.of_command(run.__module__, options))
        if answer is not None:
            print(answer)
            return 0
        try:
            return run(words)
        except UserError as error:
            print(printable(str(error)), file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("Interrupted; run the same command again.", file=sys.stderr)
            return 130

    return lambda words: quiet_if_unread(outcome, words)
