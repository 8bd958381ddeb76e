"""The README's examples really run: the first block under each of their headings, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from language_example import tiny_language_model

README = (Path(__file__).parents[1] / "README.md").read_text()


def example(heading: str, language: str) -> str:
    """The first fenced block of a language after a heading, before the next heading."""
    section = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert section, f"the README has no heading '## {heading}'"
    block = re.search(rf"^```{language}\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    assert block, f"no ```{language} block under '## {heading}'"
    return block[1]


def lines_of_code(block: str) -> int:
    return sum(1 for line in block.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def run(command: list[str], folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=400, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_python_example(tmp_path: Path):
    code = example("In Python", "python")
    assert lines_of_code(code) <= 10
    run([sys.executable, "-c", code], tmp_path)


def test_views_example(tmp_path: Path):
    code = example("Views, ensembles and policies", "python")
    assert lines_of_code(code) <= 10
    run([sys.executable, "-c", code], tmp_path)


def test_tradeoff_example(tmp_path: Path):
    code = example(r"Train a bigger model, or spend more at test time\?", "python")
    assert lines_of_code(code) <= 10
    said = run([sys.executable, "-c", code], tmp_path)
    assert "257.75" in said and (tmp_path / "runs/grid/tradeoff/report.html").exists()


def test_language_example(tmp_path: Path):
    """With a tiny model of random weights in place of the fetched one."""
    tiny = tiny_language_model()
    tiny.module.save_pretrained(tmp_path / "tiny")
    tiny.tokenizer.save_pretrained(tmp_path / "tiny")
    code = example("Language models", "python")
    assert lines_of_code(code) <= 10 and '"pip:smollm2-135m"' in code
    for there, here in (("pip:smollm2-135m", "hf:tiny"), ("n=40", "n=4"), ("sampling(16", "sampling(3")):
        assert there in code
        code = code.replace(there, here)
    run([sys.executable, "-c", code], tmp_path)
    assert (tmp_path / "runs" / "sums" / "report" / "report.html").is_file()


def test_records_of_others_example(tmp_path: Path):
    code = example("Anybody's records", "python")
    assert lines_of_code(code) <= 10
    assert "exact over all subsets" in run([sys.executable, "-c", code], tmp_path)


def test_command_line_example(tmp_path: Path):
    commands = example("On the command line", "bash")
    assert lines_of_code(commands) == 4
    said = run(["bash", "-eu", "-o", "pipefail", "-c", commands], tmp_path)
    assert "Results in " in said
