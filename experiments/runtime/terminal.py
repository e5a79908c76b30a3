"""Printing on a terminal with rich."""

import rich.console


class _Console(rich.console.Console):
    def on_broken_pipe(self) -> None:
        raise  # the command handles it, not rich


def console(width: int | None = None, stderr: bool = False) -> rich.console.Console:
    """A rich console on standard output or error, without markup: `[/b]` is printed as it is.

    `width` is in columns; None: the terminal's, or 80.
    """
    return _Console(width=width, stderr=stderr, markup=False, emoji=False, highlight=False)
