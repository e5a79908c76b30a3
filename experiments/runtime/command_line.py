"""Command lines: a configuration's fields become absl flags, and errors become exit statuses.

0: the run finished; 1: it failed; 2: the user must change something; 130 and 143: it was
interrupted, and the same command resumes it.
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
from data.files import user_path
from experiments.runtime import usage
from experiments.runtime.broken_pipe import quiet_if_unread
from experiments.runtime.children import end_with_parent
from experiments.runtime.failures import UNWRITABLE, Diverged, Interrupted, printable
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
    """Parses a number or a word; a value that does not parse is reported in plain words."""

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


def configuration(presets: Mapping[str, C], argv: Sequence[str]) -> C:
    """The preset named in `argv`, overridden by the flags given there.

    Args:
      presets: by name; `quick` is the default.
      argv: the command line, starting with the program's name.

    Raises:
      UserError: an unknown flag, preset or argument, or an invalid value.
    """
    given = given_flags(presets["quick"], argv)
    name = given.get("preset", "quick")
    if name not in presets:
        raise UserError(f"--preset={name}: choose one of {', '.join(presets)}.")
    config = dataclasses.replace(presets[name], **given)
    check(config)
    return config


def options_of(default: Options, argv: Sequence[str]) -> Options:
    """The same for a command without presets: `default` overridden by the flags in `argv`."""
    options = dataclasses.replace(default, **given_flags(default, argv))
    check(options)
    return options


def given_flags(default: Any, argv: Sequence[str]) -> dict[str, Any]:
    """The values of the flags given in `argv`, by name.

    The flags that exist are the fields of the dataclass `default`; `argv` starts with the
    program's name. Raises UserError, also for an argument that is not a flag.
    """
    given, words = flags_and_words(default, argv)
    if words:
        raise UserError(f"{words[0]!r} is not a flag; write --name=value.")
    return given


def flags_and_words(default: Any, argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The same, and the arguments that are not flags."""
    values = flags.FlagValues()
    for field in dataclasses.fields(default):
        _define(values, field)
    try:
        words = values(list(argv))[1:]
    except flags.Error as error:
        raise UserError(_sentence(error)) from None
    given = {field: values[field.name] for field in dataclasses.fields(default)}
    given = {field: flag.value for field, flag in given.items() if flag.present}
    return {field.name: _value(field, value) for field, value in given.items()}, words


def _value(field: dataclasses.Field, value: Any) -> Any:
    """A flag's value, with ~ expanded in a path: no shell does that after `--name=`."""
    return str(user_path(value)) if field.metadata["path"] and value else value


def _sentence(error: flags.Error) -> str:
    text = str(error).replace("flag --", "--")
    text = re.sub(r"\('Non-boolean argument.*\)", "give true or false", text)
    return text if text.endswith((".", "?")) else text + "."


def main(
    presets: Mapping[str, C],
    run: Callable[[C], object],
    commands: Mapping[str, tuple[Any, Callable]] = MappingProxyType({}),
) -> int:
    """Runs an experiment from the command line; returns the exit status.

    Args:
      presets: by name.
      run: trains with a configuration.
      commands: subcommands, such as `sample`, by the word that precedes their flags: the default
        options and the function that takes them.
    """
    end_with_parent()
    sys.stdout.reconfigure(errors="backslashreplace")  # a path need not be valid UTF-8
    try:
        return leave(quiet_if_unread(_outcome, presets, run, commands))
    except BaseException:
        fail()
        raise


def _outcome(presets, run, commands) -> int:
    try:
        word = sys.argv[1] if len(sys.argv) > 1 else ""
        default, command = commands.get(word, (None, run))
        answer = usage.answer(sys.argv[1:], lambda: _usage(presets, default, command))
        if answer is not None:
            print(answer)
        elif word in commands:
            command(options_of(default, sys.argv[1:]))
        else:
            config = configuration(presets, sys.argv)
            start(config)
            run(config)
        return 0
    except UserError as error:
        return _stop(str(error), 2)
    except Diverged as error:
        return _stop(str(error), 1, in_all_processes=True)
    except Interrupted as error:
        return _stop(str(error), 128 + error.signal, in_all_processes=True)
    except KeyboardInterrupt:
        return _stop("Interrupted outside of training; run the same command to continue.", 130)
    except OSError as error:
        if error.errno not in UNWRITABLE:  # a broken pipe, say
            raise
        remedy = f"{UNWRITABLE[error.errno]} and run the same command again"
        where = f"{error.filename}: " if error.filename else ""
        return _stop(f"{where}{os.strerror(error.errno)}; {remedy}.", 1)
    except JaxRuntimeError as error:
        if is_single_process():
            raise
        reason = str(error).partition("\n")[0][:120]
        return _stop(f"another process has died ({reason}); run the same command to continue.", 1)


def _usage(presets, default, command) -> str:
    if default is None:
        return usage.of_experiment(presets, sys.argv[1:])
    return usage.of_command(command.__module__, default)


def _stop(message: str, status: int, in_all_processes: bool = False) -> int:
    """Prints why the run stops; only process 0 does if the error occurs in every process."""
    message = printable(message)
    if not in_all_processes:
        print(error_prefix() + message, file=sys.stderr)
    elif is_first():
        print(message, file=sys.stderr)
    return status
