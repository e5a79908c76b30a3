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


def batch_options(capsys, *words) -> list[str]:
    """What sbatch is given in the script, parsed as it parses it."""
    assert slurm.main(["-n", *words, "lenet5", "--seed=1"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("#SBATCH")]
    return [option for line in lines for option in shlex.split(line.removeprefix("#SBATCH"))]


def test_slurm_has_flags_for_what_clusters_ask_for(capsys):
    plain = batch_options(capsys)
    assert "--time=24:00:00" in plain
    asked = batch_options(capsys, "--account=me", "--partition=long", "--qos=high", "--memory=64G",
                          "--minutes=30", "--cpus=2")  # fmt: skip
    assert {*asked} - {*plain} == {"--account=me", "--partition=long", "--qos=high", "--mem=64G",
                                   "--time=30", "--cpus-per-task=2"}  # fmt: skip


def test_slurm_passes_other_options_on_and_they_replace_its_own(capsys):
    plain = batch_options(capsys)
    others = ["--constraint=a100|h100", "--exclusive", "--comment=it's mine", "--mem-per-cpu=4G",
              "--time=1-12", "--output=logs/%x.out"]  # fmt: skip
    passed = batch_options(capsys, "--nodes=3", *others)
    assert passed[-len(others) :] == others
    replaced = {"--time=24:00:00", "--output=unfold-%j.log", "--nodes=1"}
    assert {*plain} - {*passed} == replaced and "--nodes=3" in passed
    assert len({option.partition("=")[0] for option in passed}) == len(passed)


def test_slurm_submits_the_script_it_prints(capsys, monkeypatch, tmp_path):
    words = ["--qos=high", "--exclusive", "lenet5"]
    assert slurm.main(["-n", *words]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "sbatch").write_text("#!/bin/sh\n/bin/cat > submitted\nexit 3\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert slurm.main(words) == 3
    assert (tmp_path / "submitted").read_text() == printed


def test_a_tpu_slice_runs_the_same_command_on_all_hosts(capsys):
    assert tpu.main(["-n", "--name=slice", "--zone=z", "lenet5", "--seed=1"]) == 0
    *_, last = map(shlex.split, capsys.readouterr().out.splitlines())
    assert last[:6] == ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "slice"]
    assert "--worker=all" in last and last[-1].endswith("lenet5 --seed=1 --distributed=on")


@pytest.mark.parametrize(
    "words",
    [["-n"], [], ["-n", "lenet6"], ["--nodes=0", "lenet5"], ["-N2", "lenet5"],
     ["--account", "me", "lenet5"], ["--comment=a\nb", "lenet5"], ["--minutes=x", "lenet5"]],
)  # fmt: skip
def test_user_errors_get_one_sentence(words, capsys):
    assert slurm.main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_tpu_slice_must_be_named(capsys):
    assert tpu.main(["-n", "--zone=z", "lenet5"]) == 2
    assert "--name=TPU" in capsys.readouterr().err
