"""The eight symmetries of the square: flips and quarter turns in a row are one of them, which has one name.

A symmetry is (mirrored, turns): left and right exchanged where the first is 1, then quarter turns counter-clockwise.
Mirroring reverses turns, so that (a, s) followed by (b, t) is (a + b, t + s) where b is 0 and (a + b, t − s) where b is
1 (the dihedral group of order 8).
"""

from __future__ import annotations

Symmetry = tuple[int, int]
NONE: Symmetry = (0, 0)
VERTICAL: Symmetry = (1, 2)  # mirrored, then turned by half: top and bottom exchanged


def symmetry_of(transform: str, values: tuple[float, ...]) -> Symmetry | None:
    """What a transform does, where it is a flip or quarter turns."""
    match transform:
        case "hflip":
            return 1, 0
        case "vflip":
            return VERTICAL
        case "rotate90":
            return 0, int(values[0]) % 4
    return None


def followed_by(first: Symmetry, second: Symmetry) -> Symmetry:
    (mirrored, turns), (again, more) = first, second
    return (mirrored + again) % 2, (more - turns if again else more + turns) % 4


def transforms_of(symmetry: Symmetry) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """The transforms, at most two, that are this symmetry."""
    if symmetry == VERTICAL:
        return (("vflip", ()),)
    mirrored, turns = symmetry
    flip = (("hflip", ()),) if mirrored else ()
    return (*flip, ("rotate90", (turns,))) if turns else flip
