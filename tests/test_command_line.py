"""``python -m boostloss``."""

import subprocess
import sys

import pytest

import boostloss as bl
from boostloss.__main__ import main
from boostloss.losses.persistence import known_losses


def test_list_has_every_loss_once(capsys):
    """A line per loss: its name and its first sentence, without markup."""
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
    assert sorted(name for name, _ in rows) == sorted(known_losses())
    assert all(sentence.endswith(".") for _, sentence in rows)
    assert not [line for line in lines if "\\" in line or ":math:" in line]
    assert lines.index("Losses of numbers") > 20


@pytest.mark.parametrize("name", known_losses())
def test_show_tells_the_parameters(name, capsys):
    """Name, defaults and documentation."""
    assert main(["show", name]) == 0
    first, _, *rest = capsys.readouterr().out.splitlines()
    params = known_losses()[name]().get_params(deep=False)
    assert first.startswith(f"{name}(")
    assert first.count("=") == len(params)
    assert all(f"{parameter}={value!r}" in first for parameter, value in params.items())
    assert "Parameters" in rest


def test_check_prints_the_table_of_verify(capsys):
    """The report of the loss with these parameters, whatever way they are written."""
    arguments = ["check", "poly1", "--epsilon", "-0.5", "--class_weight=[1, 3]", "--curvature", "exact"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    loss = bl.Poly1(epsilon=-0.5, class_weight=[1, 3], curvature="exact")
    assert out.strip() == str(bl.verify.check(loss)).strip()


def test_a_check_that_fails_is_exit_status_1(capsys):
    """A tolerance that no float32 kernel meets."""
    assert main(["check", "Focal", "--ulp", "0.01"]) == 1
    assert "NO" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "{list,show,check}"),
        (["frobnicate"], "frobnicate"),
        (["show"], "LOSS"),
        (["check"], "the following arguments are required: LOSS\n"),
        (["show", "Focl"], "loss == 'Focl', must be Focal."),
        (["show", "os.system"], "loss == 'os.system', must be one of those of 'python -m boostloss list'."),
        (["show", "ClassificationLoss"], "loss == 'ClassificationLoss', must be"),
        (["check", "Focal", "--gamma", "-1"], "gamma == -1, must be >= 0."),
        (["check", "Focal", "--gamma", "two"], "gamma == 'two', must be a number >= 0."),
        (["check", "Focal", "--gamma", "__import__('os')"], "gamma == \"__import__('os')\", must be a number >= 0."),
        (["check", "Focal", "--gamma", "(" * 3000], "must be a number >= 0."),
        (["check", "Focal", "--gama", "1"], "argument == '--gama=1', must be one of --ulp, --gamma, --alpha"),
        (["check", "Focal", "--gam", "1"], "argument == '--gam=1', must be one of --ulp, --gamma"),
        (["check", "Focal", "--gamma", "1", "2"], "argument == '2', must be one of --ulp, --gamma"),
        (["check", "Focal", "--gamma"], "argument --gamma: expected one argument"),
        (["check", "Focal", "--ulp", "-1"], "ulp == -1.0, must be >= 0."),
        (["check", "Focal", "--ulp", "nan"], "ulp == nan, must be >= 0."),
        (["check", "Focal", "--alpha", ".2", "--pos_weight", "3"], "alpha == 0.2 and pos_weight == 3, must not be"),
        (["check", "MultiLabel"], "MultiLabel() is a sum over labels: check the losses of its labels."),
        (["check", "Quantile", "--quantile", "[0.1, 0.9]"], "is a sum over levels: check the losses of its levels."),
        (["check", "Dice"], "cannot judge them"),
    ],
)
def test_wrong_command_lines_are_exit_status_2(arguments, words, capsys):
    """With the name, the value and the constraint, on stderr."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert not captured.out


def test_it_runs_as_a_module():
    """As a user types it."""
    run = subprocess.run([sys.executable, "-m", "boostloss", "check", "SquaredError"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "curvature > 0" in run.stdout
    run = subprocess.run([sys.executable, "-m", "boostloss", "--version"], capture_output=True, text=True)
    assert run.stdout.strip() == bl.__version__


def test_a_reader_that_stops_reading_is_no_error():
    """``python -m boostloss show ... | head -1`` prints no traceback."""
    run = subprocess.Popen([sys.executable, "-m", "boostloss", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run.stdout.close()
    assert run.stderr.read() == b""
    assert run.wait() == 1
    run.stderr.close()
