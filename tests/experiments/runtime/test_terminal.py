"""What is printed on a terminal is text as it is, whatever brackets it holds."""

import pathlib
import re

from experiments.reports.result import print_table
from experiments.runtime import terminal
from experiments.speed.interleaved import print_rows

EXPERIMENTS = pathlib.Path(terminal.__file__).parents[1]


def test_brackets_and_colons_are_printed_as_they_are(capsys):
    print_rows([{"workload": "a[/b] :smile:", "ratio": 1.5}], ["workload", "ratio"])
    published = {"test_loss": {"value": 1, "source": "[/c]", "kind": "paper"}}
    print_table({"experiment": "e", "preset": "p", "metrics": {"test_loss": 1.0}, "seconds": 1,
                 "paper": published, "parameters": 1, "steps": 2, "kept": "last step",
                 "kept_step": 2, "speed": None})  # fmt: skip
    out = capsys.readouterr().out
    assert "a[/b] :smile:" in out and "[/c] (paper)" in out


def test_tables_are_printed_on_this_console_alone():
    consoles = {
        path.name
        for path in EXPERIMENTS.rglob("*.py")
        if re.search(r"\bConsole\(", path.read_text(encoding="utf-8"))
    }
    assert consoles <= {"terminal.py"}
