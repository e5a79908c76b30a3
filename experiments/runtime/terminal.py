"""What commands print on a terminal."""

import rich.console


def console(width: int | None = None) -> rich.console.Console:
    """Standard output for rich, which prints text as it is: `[/b]` in a file name is no markup.

    `width` is in columns; None: that of the terminal, or 80.
    """
    return rich.console.Console(width=width, markup=False, emoji=False, highlight=False)
