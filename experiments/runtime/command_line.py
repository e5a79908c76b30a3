"""From a configuration's fields to absl flags, and from what goes wrong to an exit status.

0 the run is done; 1 it failed; 2 the user must change something; 130 and 143 it was interrupted
and the same command resumes it.
"""

import dataclasses
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from absl import flags
from jax.errors import JaxRuntimeError

from data.errors import UserError
from experiments.runtime.children import end_with_parent
from experiments.runtime.failures import UNWRITABLE, Diverged, Interrupted
from experiments.runtime.options import Shared, check
from experiments.runtime.processes import (
    error_prefix,
    fail,
    is_first,
    is_single_process,
    leave,
    start,
)

C = TypeVar("C", bound=Shared)
Options = TypeVar("Options")

_NOUNS = {int: "a whole number", float: "a number", str: "a word"}


class _Parser(flags.ArgumentParser):
    """Turns text into a number or a word; its error is a sentence and not a traceback's line."""

    def __init__(self, kind: type):
        self._kind = kind
        self.syntactic_help = _NOUNS[kind]

    def parse(self, argument):
        try:
            return self._kind(argument)
        except ValueError:
            raise ValueError(f"give {_NOUNS[self._kind]}.") from None


def _define(values: flags.FlagValues, field: dataclasses.Field) -> None:
    text = field.metadata["help"]
    if isinstance(field.default, bool):
        flags.DEFINE_boolean(field.name, None, text, flag_values=values)
    else:
        kind = _Parser(type(field.default))
        flags.DEFINE(kind, field.name, None, text, flag_values=values)


def configuration(presets: Mapping[str, C], argv: Sequence[str]) -> C | None:
    """The preset that `argv` names, with every flag that is given put over it.

    Args:
      presets: by name; `quick` is the default.
      argv: the command's words, the program's name first.

    Returns:
      The configuration, or None if help was asked for (and printed).

    Raises:
      UserError: an unknown flag, preset or word, or a value that is not acceptable.
    """
    given = given_flags(presets["quick"], argv)
    if given is None:
        print(f"presets: {', '.join(presets)}\n{_help(presets['quick'])}")
        return None
    name = given.get("preset", "quick")
    if name not in presets:
        raise UserError(f"--preset={name}: choose one of {', '.join(presets)}.")
    config = dataclasses.replace(presets[name], **given)
    check(config)
    return config


def options_of(default: Options, argv: Sequence[str]) -> Options | None:
    """The same for a command without presets: `default` with the given flags put over it."""
    given = given_flags(default, argv)
    if given is None:
        print(_help(default))
        return None
    options = dataclasses.replace(default, **given)
    check(options)
    return options


def given_flags(default: Any, argv: Sequence[str]) -> dict[str, Any] | None:
    """The flags in `argv` by name, of those that `default` has as fields; None for --help."""
    values = flags.FlagValues()
    for field in dataclasses.fields(default):
        _define(values, field)
    flags.DEFINE_boolean("help", False, "print this and stop", flag_values=values)
    try:
        words = values(list(argv))[1:]
    except flags.Error as error:
        raise UserError(_sentence(error)) from None
    if words:
        raise UserError(f"{words[0]!r} is not a flag; write --name=value.")
    if values["help"].value:
        return None
    names = [field.name for field in dataclasses.fields(default)]
    return {name: values[name].value for name in names if values[name].present}


def _sentence(error: flags.Error) -> str:
    text = str(error).replace("flag --", "--")
    text = re.sub(r"\('Non-boolean argument.*\)", "give true or false", text)
    return text if text.endswith((".", "?")) else text + "."


def _help(default: Any) -> str:
    lines = ["flags, with the value that each has if it is not given:"]
    for field in dataclasses.fields(default):
        value = getattr(default, field.name)
        lines.append(f"  --{field.name}={value}\n        {field.metadata['help']}")
    return "\n".join(lines)


def main(
    presets: Mapping[str, C],
    run: Callable[[C], object],
    commands: Mapping[str, tuple[Any, Callable]] = MappingProxyType({}),
) -> int:
    """Runs an experiment from the command line; returns the exit status.

    Args:
      presets: by name.
      run: the experiment itself.
      commands: further ones, by the word that stands before their flags: default options, and
        the function that is given them.
    """
    end_with_parent()
    sys.stdout.reconfigure(errors="backslashreplace")  # a path need not be text
    try:
        return leave(_outcome(presets, run, commands))
    except BaseException:
        fail()
        raise


def _outcome(presets, run, commands) -> int:
    try:
        word = sys.argv[1] if len(sys.argv) > 1 else ""
        if word in commands:
            default, command = commands[word]
            config = options_of(default, sys.argv[1:])
        else:
            config, command = configuration(presets, sys.argv), run
            if config is not None:
                start(config)
        if config is not None:
            command(config)
        return 0
    except UserError as error:
        return _stop(str(error), 2)
    except Diverged as error:
        return _stop(str(error), 1, everywhere=True)
    except Interrupted as error:
        return _stop(str(error), 128 + error.signal, everywhere=True)
    except KeyboardInterrupt:
        return _stop("Interrupted outside of training; the same command goes on.", 130)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        cure = f"{UNWRITABLE[error.errno]} and give the same command again"
        where = f"{error.filename}: " if error.filename else ""
        return _stop(f"{where}{os.strerror(error.errno)}; {cure}.", 1)
    except JaxRuntimeError as error:
        if is_single_process():
            raise
        reason = str(error).partition("\n")[0][:120]
        return _stop(f"another process is gone ({reason}); the same command goes on.", 1)


def _stop(sentence: str, status: int, everywhere: bool = False) -> int:
    """Says why; process 0 does for all where it happens in all of them."""
    sentence = "".join(c if c.isprintable() else repr(c)[1:-1] for c in sentence)  # of a file, say
    if is_first() or not everywhere:
        print(error_prefix() + sentence if not everywhere else sentence, file=sys.stderr)
    return status
