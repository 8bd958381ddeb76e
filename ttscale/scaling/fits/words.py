"""What a ranking of laws says, in plain sentences."""

from __future__ import annotations

from collections import Counter

from ttscale.scaling.fits.fit_law import STACKED
from ttscale.scaling.fits.ranking import LEAST_ERROR, LawRanking, LawScore
from ttscale.scaling.summaries.words import count_words


def ranking_words(found: LawRanking) -> list[str]:
    """The first law of each kind, how it stands to the constant, which laws seldom say what their parameters are, and
    what was left out."""
    out = [_what(found)]
    for of in ("accuracy", "coverage"):
        scores = [score for score in found.of(of) if score.n_curves]
        if scores:
            out += _best(scores)
    unclear = _unclear(found)
    if unclear:
        out.append(unclear)
    if found.n_left_out:
        verb = "has" if found.n_left_out == 1 else "have"
        out.append(f"{count_words(found.n_left_out, 'curve')} with too few budgets {verb} no place in this.")
    if found.n_alike:
        verb = "tells" if found.n_alike == 1 else "tell"
        out.append(
            f"{count_words(found.n_alike, 'curve')} {verb} no law from another: the errors are the same, those below "
            f"{100 * LEAST_ERROR:g} points counted as equal, as where more draws change nothing."
        )
    return out


def _what(found: LawRanking) -> str:
    kinds = Counter(curve.of for curve in found.curves)
    listed = " and ".join(f"{count_words(n, 'curve')} of {of}" for of, n in kinds.items())
    runs = len({curve.run for curve in found.curves})
    names = {law for curve in found.curves for law in curve.errors}
    laws = count_words(len(names - {STACKED}), "law") + (" and their average" if STACKED in names else "")
    return f"{laws} were fitted to {listed} from {count_words(runs, 'run')} and ranked by back-test."


def _best(scores: list[LawScore]) -> list[str]:
    first = scores[0]
    n = first.n_curves + first.n_without
    where = "" if not first.n_without else f" on {first.n_curves} of {count_words(n, 'curve')}"
    out = [
        f"Of {first.of}, {first.law} predicts best: it beats {100 * first.beats:.0f}% of its rivals{where}, its median "
        f"error is {100 * first.median_error:.2f} percentage points, {first.over_best:.2f} × that of each curve's best "
        "law."
    ]
    constant = next((score for score in scores if score.law == "constant" and score is not first), None)
    if constant is not None:
        out.append(
            f"To predict that more draws change nothing of the {first.of} errs by {100 * constant.median_error:.2f} "
            f"points (median), and is best on {constant.n_first} of {count_words(constant.n_curves, 'curve')}."
        )
    return out


def _unclear(found: LawRanking) -> str:
    """The laws whose parameters more than half of the curves do not identify."""
    named = []
    for law in dict.fromkeys(score.law for score in found.scores):
        statuses = sum((Counter(score.statuses) for score in found.scores if score.law == law), Counter[str]())
        if statuses["not_identified"] > statuses.total() / 2:
            named.append(law)
    if not named:
        return ""
    listed = ", ".join(named)
    return f"Most curves do not identify the parameters of {listed}: predict with these, and read nothing off them."
