"""What is one number, and which amounts are one, by hand."""

import math

import numpy as np
import pytest

from ttscale.errors import TtscaleError
from ttscale.scaling.numbers import levels, positive


def test_amounts_that_differ_by_less_than_one_per_cent_are_one():
    assert levels([300.0, 100.0, 100.5, 99.8, 299.0]).tolist() == [1, 0, 0, 0, 1]
    assert levels([100.0, 102.0]).tolist() == [0, 1]
    assert levels([5.0, math.nan, 5.0, 0.0]).tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("bad", [0, -1.0, math.inf, math.nan, True, "1", None])
def test_a_finite_number_above_0(bad):
    with pytest.raises(TtscaleError, match="rate: expected a finite number above 0"):
        positive("rate", bad)
    assert positive("rate", np.int64(3)) == 3.0
    with pytest.raises(TtscaleError, match="of at least 1"):
        positive("rate", 0.5, least=1.0)
