"""The table at the end of a run."""

import pytest

from experiments.reports import result as module
from experiments.reports.result import kept_net, print_table
from experiments.runtime.terminal import console

FIGURES = {"test_perplexity": 18.2249, "mixture_weight_of_the_net": 0.0390625,
           "valid_shallow_proportional_precision": 97.0}  # fmt: skip
TABLE = {"value": 124.7, "kind": "paper", "source": "Mikolov and others 2010, Table 2"}
MEMORY = {"value": 0.25, "kind": "unverified", "source": "as quoted elsewhere"}
RESULT = {"experiment": "word_lm", "preset": "quick", "parameters": 645584, "seconds": 27.84,
          "speed": 1234.5, "speed_unit": "words per second", "metrics": FIGURES, "steps": 1000,
          "kept_step": 800, "kept": "best on the validation part"}  # fmt: skip


def printed(monkeypatch, capsys, width, paper):
    monkeypatch.setattr(module, "console", lambda: console(width=width))
    print_table(RESULT | {"paper": paper})
    return capsys.readouterr().out


def test_the_steps_of_a_few_nets_are_told_and_the_range_of_many():
    few = {"kept_step": {"a": 400, "b": 800}}
    assert "steps 400 (a), 800 (b) of 1,000, the best" in kept_net(RESULT | few)
    many = {"kept_step": {f"seed{n}": 100 * n for n in range(1, 8)}}
    assert kept_net(RESULT | many) == (
        "steps 100 to 700 of 1,000, the best on the validation part for each of 7 nets"
    )


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("paper", [{"test_perplexity": TABLE}, {}])
def test_no_name_and_no_figure_is_cut(monkeypatch, capsys, width, paper):
    out = printed(monkeypatch, capsys, width, paper)
    rows = [line.split() for line in out.splitlines()]
    assert ["test_perplexity", "18.22", *(["124.7"] if paper else [])] in rows
    for row in (["mixture_weight_of_the_net", "0.03906"], ["parameters", "645,584"],
                ["valid_shallow_proportional_precision", "97"], ["seconds", "27.84"]):  # fmt: skip
        assert row in rows
    assert ("published" in out) == bool(paper)
    assert max(map(len, out.splitlines())) <= width


def test_a_name_wider_than_the_terminal_goes_on_in_the_next_line(monkeypatch, capsys):
    out = printed(monkeypatch, capsys, 40, {"test_perplexity": TABLE})
    names = "".join(line[:20].strip().partition(" ")[0] for line in out.splitlines())
    assert "valid_shallow_proportional_precision" in names


def test_a_source_is_named_once_and_says_what_it_published(monkeypatch, capsys):
    name, other, third = FIGURES
    out = printed(monkeypatch, capsys, 200, {name: TABLE, other: TABLE})
    assert out.count("\npublished: Mikolov and others 2010, Table 2 (paper)\n") == 1
    out = printed(monkeypatch, capsys, 200, {name: TABLE, other: MEMORY, third: TABLE})
    assert f"\npublished {name}, {third}: Mikolov and others 2010, Table 2 (paper)\n" in out
    assert f"\npublished {other}: as quoted elsewhere (unverified)\n" in out
