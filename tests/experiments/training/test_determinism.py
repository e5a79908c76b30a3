"""The same machine, versions and flags give the same bytes: two processes, each compiling anew."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]

# Tiny runs of a feed-forward and a recurrent net, without evaluation and reports; prints the
# digests of all that the last checkpoints hold: parameters, the optimiser's state, the carry.
COMMAND = """
import pathlib, sys
from experiments import char_rnn, lenet5
from experiments.images import lenet5_report
from experiments.language import char_rnn_report
from experiments.runtime import command_line
from experiments.training.checkpoints import Checkpoints

folder, digits, text, *flags = sys.argv[1:]
lenet5.robustness = lambda *_: {}
lenet5.make_evaluate = lambda *args: lambda *_: {name: {"error_percent": 0} for name in args[2]}
lenet5_report.write = char_rnn_report.write = lambda *_: None
flags += ["--num_steps=6", "--eval_every=6", "--checkpoint_every=6", "--batch_size=4"]
runs = {
    lenet5: [f"--dataset={digits}", "--net=lenet1", "--loss=cross_entropy"],
    char_rnn: [f"--dataset={text}", "--hidden=8", "--cell=rnn", "--unroll=9", "--dropout=0.1"],
}
for experiment, words in runs.items():
    run = pathlib.Path(folder, experiment.__name__)
    sys.argv = ["run", *flags, *words, f"--workdir={run}"]
    assert command_line.main(experiment.PRESETS, experiment.run) == 0
    checkpoints = Checkpoints(run / "checkpoints", read_only=True)
    print("DIGEST", checkpoints._note(checkpoints.newest())["sha256"])
assert "torch" not in sys.modules  # which takes longer to import than all the rest
"""


def digests(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return [line for line in out.splitlines() if line.startswith("DIGEST")]


@pytest.mark.thorough
def test_two_processes_end_with_the_same_bytes(tmp_path, own_digits):
    text = tmp_path / "text.txt"
    text.write_text("To be, or not to be. " * 40)

    # as a user has it, without the flags of these tests
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}

    def started(name, *flags):
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(tmp_path / name), str(own_digits), str(text),
             *flags],
            cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    # --deterministic is for GPUs; here it must change nothing
    one, other = started("one"), started("other", "--deterministic")
    ours, theirs = digests(one), digests(other)
    assert ours == theirs and len(set(ours)) == 2
