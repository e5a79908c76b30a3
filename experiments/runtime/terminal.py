"""What commands print on a terminal."""

import rich.console


class _Console(rich.console.Console):
    def on_broken_pipe(self) -> None:
        raise  # the command's own way to end, not rich's


def console(width: int | None = None, stderr: bool = False) -> rich.console.Console:
    """Standard output or error for rich, which prints text as it is: `[/b]` is no markup.

    `width` is in columns; None: that of the terminal, or 80.
    """
    return _Console(width=width, stderr=stderr, markup=False, emoji=False, highlight=False)
