"""The Makefile and CI: what they refuse, and that CI runs the whole suite."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=60)


def test_an_old_python_is_refused_in_words(tmp_path: Path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for target in ("demo", "test", "bench", "lint"):
        done = make(target, f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
        assert done.returncode == 2 and "needs Python 3.11 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_plain_make_lists_the_targets():
    shown = make("--no-print-directory").stdout
    assert all(f"make {target}" in shown for target in ("demo", "test", "bench", "lint"))


def test_ci_runs_make_test_and_nothing_weaker():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', "exec make test"]
