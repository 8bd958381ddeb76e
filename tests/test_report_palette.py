"""Colours: contrast by the WCAG formula, distance under colour-vision deficiencies by Machado et al. 2009."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from ttscale.reporting.palette import DARK, LIGHT, roles, scale, stylesheet, themed

# Machado, Oliveira and Fernandes 2009, severity 1.0, for linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> np.ndarray:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of linear RGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = np.clip(to_xyz @ np.clip(rgb, 0, 1), 0, None) / [0.9505, 1.0, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(("theme", "dark"), [(LIGHT, False), (DARK, True)])
@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_letters_can_be_read(theme: dict[str, str], dark: bool, n: int) -> None:
    for colour in (*scale(n, dark=dark), theme["ink"], theme["muted"], theme["whole"]):
        assert contrast(colour, theme["surface"]) >= 4.5, colour


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_sizes_differ_for_every_eye(dark: bool, deficiency: str) -> None:
    shown = [*scale(4, dark=dark), (DARK if dark else LIGHT)["whole"]]
    seen = [lab(DEFICIENCIES[deficiency] @ linear(colour)) for colour in shown]
    nearest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
    assert nearest >= 20, nearest


def test_a_themed_svg_has_no_light_colour_left() -> None:
    colours = roles(5)
    assert len(set(colours.values())) == len(colours)
    svg = "".join(f'<path style="fill: {c}; stroke:{c}"/>' for c in colours.values()) + '<use xlink:href="#a56700"/>'
    out = themed(svg, 5)
    assert re.findall(r"#[0-9a-f]{6}", out) == ["#a56700"]  # an id, not a colour
    names = set(re.findall(r"var\(--(\w+)\)", out))
    assert names == set(colours)
    for name in names:
        assert stylesheet(5).count(f"--{name}:") == 2  # light and dark
