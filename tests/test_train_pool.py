"""Trainings in processes of their own: they end with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ttscale.training.pool import train_all


def write_and_wait(folder, tell):
    """A training of a minute that writes down its process, and tells ten times a second that it goes on."""
    (folder / f"{os.getpid()}.pid").write_text(str(os.getppid()))
    for step in range(600):
        tell(step)
        time.sleep(0.1)
    return {}


def fail_or_wait(task, tell):
    folder, fails = task
    while fails and len(list(folder.iterdir())) < 1:
        time.sleep(0.05)
    return {}["no such key"] if fails else write_and_wait(folder, tell)


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


def in_session(session):
    """Processes of a session that are no zombies: (field 3 of /proc/PID/stat is the state, field 6 the session)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of, *_ = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(of) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are told from /proc")
def test_no_process_outlives_a_run_that_is_killed(tmp_path):
    code = (
        "from pathlib import Path; from test_train_pool import write_and_wait; "
        "from ttscale.training.pool import train_all\n"
        f"if __name__ == '__main__': train_all(write_and_wait, dict.fromkeys('ab', Path({str(tmp_path)!r})), 2, "
        "lambda *told: None, print)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    run = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, env=environment)
    try:
        assert wait_for(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
        assert len(in_session(run.pid)) >= 4  # itself, two that train, one that passes on what they tell
        run.kill()
        run.wait()
        assert wait_for(lambda: not in_session(run.pid), 15.0), in_session(run.pid)
    finally:
        for process in in_session(run.pid):
            os.kill(process, signal.SIGKILL)


def test_where_one_training_fails_the_others_stop(tmp_path):
    began = time.monotonic()
    with pytest.raises(KeyError, match="no such key"):
        train_all(fail_or_wait, {"a": (tmp_path, True), "b": (tmp_path, False)}, 2, lambda *told: None, print)
    assert time.monotonic() - began < 50  # and not after the minute of the other
    assert len(list(tmp_path.iterdir())) == 1
