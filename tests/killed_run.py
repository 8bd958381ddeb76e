"""A run that is killed in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path


def kill_after_a_shard(script: Path, folder: Path, pause: str) -> None:
    """Run ``script folder pause`` and kill it when its manifest lists a shard; it must not be complete by then."""
    process = subprocess.Popen([sys.executable, script, folder, pause])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not _read(folder).get("shards"):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not _read(folder)["complete"]


def _read(folder: Path) -> dict:
    file = folder / "manifest.json"
    return json.loads(file.read_text()) if file.exists() else {}
