"""Votes over answers against counting by hand and by dictionaries, on numpy and torch."""

import math

import numpy as np
import pytest
import torch

from ttscale.errors import TtscaleError
from ttscale.voting.answers import decide, prefix_credits
from ttscale.voting.merges import VOTES
from ttscale.voting.votes import AnswerVote, get_vote, vote_names


def counted(answers, right, weights, best):
    """Credit after each draw, one row, by a dictionary of totals."""
    totals, out = {}, []
    for answer, weight in zip(answers, weights, strict=True):
        if answer >= 0 and weight > 0:
            old = totals.get(answer, 0.0)
            totals[answer] = max(old, weight) if best else old + weight
        top = max(totals.values(), default=0.0)
        tied = [answer for answer, total in totals.items() if total >= top * (1 - 1e-9)]
        out.append(sum(answer in right for answer in tied) / len(tied) if tied else 0.0)
    return out


def log(x):
    return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), -np.inf)


@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize("kind", ["alike", "few", "many"])
def test_every_prefix_equals_counting(kind, best):
    rng = np.random.default_rng(0)
    answers = rng.integers(-1, 6, (17, 200))
    weights = {"alike": np.ones, "few": lambda s: rng.integers(0, 4, s) / 4, "many": rng.random}[kind]((17, 200))
    right = answers % 3 == 1
    got = prefix_credits(answers, right, log(weights), best=best)
    expected = [counted(answers[:, row], {1, 4}, weights[:, row], best) for row in range(200)]
    np.testing.assert_allclose(got.T, expected, atol=1e-12)


def test_plurality_by_hand():
    answers = np.array([[7, -1, 5], [5, -1, 5], [5, 2, 7], [-1, 2, 7], [7, 1, 1]])
    credit = prefix_credits(answers, answers == 7, np.zeros((5, 3)))
    assert credit[:, 0].tolist() == [1, 1 / 2, 0, 0, 1 / 2]
    assert credit[:, 1].tolist() == [0, 0, 0, 0, 0]  # nobody votes, then never the right answer
    assert credit[:, 2].tolist() == [0, 0, 0, 1 / 2, 1 / 2]


@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize("ties", ["strict", "first_seen"])
def test_tie_rules_of_every_prefix_equal_counting(ties, best):
    """Draws in any order of their places; few weights, so that most votes are tied."""
    rng = np.random.default_rng(3)
    answers, weights = rng.integers(-1, 4, (6, 300)), rng.integers(0, 3, (6, 300)) / 2
    places = np.argsort(rng.random((6, 300)), axis=0)
    got = prefix_credits(answers, answers == 1, log(weights), best=best, ties=ties, places=places)
    for row in range(300):
        for k in range(1, 7):
            voting = [j for j in range(k) if answers[j, row] >= 0 and weights[j, row] > 0]
            totals: dict[int, float] = {}
            for j in voting:
                old = totals.get(answers[j, row], 0.0)
                totals[answers[j, row]] = max(old, weights[j, row]) if best else old + weights[j, row]
            top = max(totals.values(), default=0.0)
            seen = [j for j in voting if (weights[j, row] if best else totals[answers[j, row]]) == top]
            first = min(seen, key=lambda j: places[j, row], default=None)
            tied = [answer for answer, total in totals.items() if total == top]
            expected = tied == [1] if ties == "strict" else first is not None and answers[first, row] == 1
            assert got[k - 1, row] == expected


def test_first_seen_follows_the_draws_where_no_places_are_given():
    answers = np.array([[1, 0], [0, 1], [0, 2], [1, 0]])
    assert prefix_credits(answers, answers == 0, np.zeros((4, 2)), ties="first_seen").T.tolist() == [
        [0, 0, 1, 0], [1, 1, 1, 1],
    ]  # fmt: skip


def test_weights_far_below_the_smallest_number_still_count():
    """Probabilities of whole texts: e^-900 is 0 in float64, yet twice it beats once it, and e^-100 beats both."""
    answers = np.array([[0], [1], [1], [2]])
    log_weights = np.array([[-900.0], [-900.0], [-900.0], [-100.0]])
    credit = [prefix_credits(answers, answers == one, log_weights)[:, 0].tolist() for one in (0, 1, 2)]
    assert credit == [[1, 1 / 2, 0, 0], [0, 1 / 2, 1, 0], [0, 0, 0, 1]]


def test_two_right_answers_share_as_two():
    answers = np.array([[0], [1], [2]])
    assert prefix_credits(answers, answers < 2, np.zeros((3, 1)))[:, 0].tolist() == [1, 1, pytest.approx(2 / 3)]


@pytest.mark.parametrize("best", [False, True])
def test_decisions_average_to_the_credit(best):
    rng = np.random.default_rng(1)
    answers, weights = rng.integers(-1, 5, (7, 60)), log(rng.integers(0, 3, (7, 60)) / 2)
    credit = prefix_credits(answers, answers == 2, weights, best=best)[-1]
    uniforms = (np.arange(60) + 0.5) / 60  # multiples of 1/60 meet ties of 2 to 5 exactly
    picked = np.stack([decide(answers, weights, np.full(60, u), best=best) for u in uniforms])
    np.testing.assert_allclose((picked == 2).mean(axis=0), credit, atol=1e-12)


def test_ties_are_ranked_by_first_appearance_whatever_the_numbers():
    answers = np.array([[9, 3], [4, 8], [4, 8], [9, 3], [6, 6]])
    for u, expected in ((0.0, [9, 3]), (0.49, [9, 3]), (0.5, [4, 8]), (0.999999, [4, 8])):
        assert decide(answers, np.zeros((5, 2)), np.full(2, u)).tolist() == expected
    none = decide(np.full((3, 1), -1), np.zeros((3, 1)), np.array([0.3]))
    assert none.tolist() == [-1]
    weightless = decide(np.array([[1], [2]]), np.array([[-np.inf], [-np.inf]]), np.array([0.3]))
    assert weightless.tolist() == [-1]


@pytest.mark.parametrize("best", [False, True])
def test_torch_gives_the_same(best):
    rng = np.random.default_rng(2)
    answers, weights, uniforms = rng.integers(-1, 9, (20, 50)), rng.normal(size=(20, 50)), rng.random(50)
    right = answers == 0
    given = [torch.from_numpy(x) for x in (answers, right, weights, uniforms)]
    np.testing.assert_allclose(
        prefix_credits(*given[:3], best=best).numpy(), prefix_credits(answers, right, weights, best=best), atol=1e-12
    )
    assert (
        decide(given[0], given[2], given[3], best=best).tolist()
        == decide(answers, weights, uniforms, best=best).tolist()
    )


def test_what_a_draw_weighs():
    answers = np.array([[0, 1, -1]])
    scores = {"mean_logprob": np.array([[-1.0, -2.0, np.nan]]), "judge": np.array([[0.25, 0.0, np.nan]])}
    weights = lambda name: get_vote(name, "text").log_weights(answers, scores)[0, :2].tolist()  # noqa: E731
    assert weights("plurality") == [0, 0]
    assert weights("weighted:mean_logprob") == [-1, -2] == weights("best:mean_logprob")  # a weight e^-1 and e^-2
    assert weights("weighted:judge") == [pytest.approx(math.log(0.25)), -math.inf]
    assert weights("best:judge") == [0.25, 0.0]


@pytest.mark.parametrize(
    ("name", "scores", "message"),
    [
        ("weighted:judge", {"jugde": 1.0}, "Did you mean weighted:jugde"),
        ("weighted:judge", {"judge": np.nan}, "known score 'judge' of every draw that answers, got 3 draws"),
        ("best:judge", {"judge": np.inf}, "got 3 draws without one"),
        ("weighted:judge", {"judge": -0.5}, "never negative, as a weight, got -0.5. Use best:judge"),
    ],
)
def test_scores_that_cannot_be_used(name, scores, message):
    scores = {key: np.full((1, 3), value) for key, value in scores.items()}
    with pytest.raises(TtscaleError, match=message):
        get_vote(name, "text").log_weights(np.zeros((1, 3), int), scores)


def test_one_lookup_for_all_votes():
    assert all(get_vote(name, "log_probs") is VOTES[name] for name in VOTES)
    assert get_vote("auto", "log_probs").name == "mean" and get_vote("auto", "text") == AnswerVote("plurality")
    assert get_vote("best:judge", "text") == AnswerVote("best:judge", "judge", best=True) == get_vote("best:judge")
    assert get_vote("log_mean") is VOTES["log_mean"]
    assert "best:self_certainty" in vote_names("text") and "mean" not in vote_names("text")
    for name, outcome, message in (
        ("mean", "text", "vote: expected a known name, got 'mean'"),
        ("weighted:judge", "log_probs", "got 'weighted:judge'"),
        ("weighted:", "text", "Did you mean weighted"),
        ("plurallity", None, "Did you mean plurality"),
        (None, "text", "got None"),
        ([], None, r"got \[\]"),
    ):
        with pytest.raises(TtscaleError, match=message):
            get_vote(name, outcome)


def test_votes_at_hand_are_named():
    """A score that is not there, or not of every draw, does not send to another one that would fail as well."""
    answers = np.array([[0, 1, -1]])
    scores = {"sum_logprob": np.full((1, 3), np.nan), "judge": np.array([[0.5, 0.1, np.nan]])}
    with pytest.raises(TtscaleError, match=r"vote.*Did you mean weighted:judge\?") as error:
        AnswerVote("weighted:foo", "foo").log_weights(answers, scores)
    assert "logprob" not in error.value.fix
    scores["sum_logprob"][0, 0] = -1.0
    with pytest.raises(TtscaleError, match=r"1 draw without one.*Known: plurality, best:judge"):
        AnswerVote("best:sum_logprob", "sum_logprob", best=True).log_weights(answers, scores)
