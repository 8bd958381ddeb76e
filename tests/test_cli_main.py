"""The entry point: quick answers, verbs, exit statuses."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from ttscale.cli.main import main
from ttscale.cli.verb import VERBS

ISSUE_VERBS = ["sweep", "collect", "analyze", "tradeoff", "plan", "report", "train", "fetch", "demo"]


def test_help_lists_the_verbs_with_one_line_each(capsys):
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in ISSUE_VERBS:
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert VERBS[name].summary in line and len(line) < 120
    start = lines.index("Examples")
    assert all(line.startswith("  ttscale ") for line in lines[start + 1 : start + 4])


def test_help_and_version_need_neither_torch_nor_hydra():
    code = (
        "import sys; sys.modules['torch'] = sys.modules['hydra'] = sys.modules['numpy'] = None; "
        "from ttscale.cli.main import main; sys.exit(main(['--help']) or main(['--version']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"ttscale {version('ttscale')}\n")


def test_help_verb_is_verb_help(capsys):
    assert main(["help", "plan"]) == 0
    assert capsys.readouterr().out.startswith("ttscale plan: ")
    assert main(["help", "plann"]) == 2


def test_no_verb_shows_the_help_and_is_an_error(capsys):
    assert main([]) == 2
    assert "Usage: ttscale VERB" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("swep", "Did you mean sweep?"),
        ("analyse", "Did you mean analyze?"),
        ("models=zoo:*", "expected one of sweep, collect,"),
        ("--multirun", "expected one of sweep, collect,"),
        ("xyz", "Known: analyze, collect,"),
    ],
)
def test_unknown_verb_exits_2_with_the_nearest(given, said, capsys):
    assert main([given]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.out == "" and "Traceback" not in captured.err


def test_closed_pipe_is_quiet():
    done = subprocess.run(
        f"{sys.executable} -m ttscale.cli.main sweep --help | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
