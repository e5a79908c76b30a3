"""What would be sent to SLURM and to a TPU slice, as printed with -n."""

import shlex
import subprocess

import pytest

from experiments.launch import slurm, tpu


def test_a_slurm_script_has_a_task_for_each_gpu_and_is_requeued(capsys, tmp_path):
    words = ["-n", "--nodes=2", "--gpus=8", "lenet5", "--workdir=a b"]
    assert slurm.main(words) == 0
    text = capsys.readouterr().out
    for wanted in ("--nodes=2", "--ntasks-per-node=8", "--gpus-per-node=8", "--signal=TERM@120",
                   "--requeue"):  # fmt: skip
        assert f"#SBATCH {wanted}\n" in text
    assert "./launch.sh lenet5 '--workdir=a b'" in text and "partition" not in text
    script = tmp_path / "job"
    script.write_text(text)
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0


def test_a_tpu_slice_runs_the_same_command_on_all_hosts(capsys):
    assert tpu.main(["-n", "--name=slice", "--zone=z", "lenet5", "--seed=1"]) == 0
    *_, last = map(shlex.split, capsys.readouterr().out.splitlines())
    assert last[:6] == ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "slice"]
    assert "--worker=all" in last and last[-1].endswith("lenet5 --seed=1 --distributed=on")


@pytest.mark.parametrize("words", [["-n"], [], ["-n", "lenet6"], ["--nodes=0", "lenet5"]])
def test_user_errors_get_one_sentence(words, capsys):
    assert slurm.main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_tpu_slice_must_be_named(capsys):
    assert tpu.main(["-n", "--zone=z", "lenet5"]) == 2
    assert "--name=TPU" in capsys.readouterr().err
