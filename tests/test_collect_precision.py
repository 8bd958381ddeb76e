"""float32 is float32: TF32 and autocast are off inside, and the process has its settings back after."""

import subprocess
import sys
import threading

import pytest
import torch

from ttscale.collecting.precision import computing_in

CUDA, CPU = torch.device("cuda"), torch.device("cpu")

# The flags are the process's, on any build: each way of setting them is tried in a process of its own.
CODE = """
import torch
from ttscale.collecting.precision import computing_in
b = torch.backends
SETUP
def state():
    return [b.cudnn.deterministic, b.cudnn.benchmark, b.cudnn.enabled, b.cudnn.conv.fp32_precision,
            b.cudnn.rnn.fp32_precision, b.cuda.matmul.fp32_precision, old(lambda: b.cudnn.allow_tf32),
            old(torch.get_float32_matmul_precision)]
def old(read):
    try:
        return read()
    except RuntimeError:
        return "set by the new names"
before = state()
with computing_in(torch.float32, torch.device("cuda")):
    inside = state()
    with computing_in(torch.float32, torch.device("cuda")):
        pass
    assert state() == inside
assert state() == before, (before, state())
assert inside[:3] == before[:3] and inside[3] == inside[5] == "ieee", inside
assert NEW_NAMES or inside[6] is False and inside[7] == "highest", inside
"""


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch before 2.9 has the old names alone")
@pytest.mark.parametrize(
    ("setup", "new_names"),
    [
        ("b.cudnn.deterministic = b.cudnn.benchmark = True; torch.set_float32_matmul_precision('high')", False),
        ("b.cudnn.conv.fp32_precision = 'ieee'", True),
        ("b.fp32_precision = 'tf32'", True),
    ],
)
def test_tf32_is_off_inside_and_as_it_was_after(setup, new_names):
    code = CODE.replace("SETUP", setup).replace("NEW_NAMES", str(new_names))
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_last_thread_to_leave_gives_tf32_back():
    before = torch.backends.cudnn.allow_tf32
    inside, leave = threading.Event(), threading.Event()

    def work():
        with computing_in(torch.float32, CUDA):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=work)
    with computing_in(torch.float32, CUDA):
        thread.start()
        inside.wait(10)
    assert torch.backends.cudnn.allow_tf32 is False
    leave.set()
    thread.join()
    assert torch.backends.cudnn.allow_tf32 is before is True


def test_an_outer_autocast_does_not_reach_inside():
    x = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        with computing_in(torch.float32, CPU):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
    with computing_in(torch.bfloat16, CPU):
        assert (x @ x).dtype == torch.bfloat16
