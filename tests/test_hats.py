"""Open and closed hats told within a song."""

import numpy as np
import pytest

from adt import hats
from adt.vocabulary import PIECES

CLOSED, OPEN = PIECES.index("hihat_closed"), PIECES.index("hihat_open")


def odds(rng, centre, count, spread=0.8):
    return centre + spread * rng.standard_normal(count)


@pytest.mark.parametrize("closed, opened", [(-3.5, 2.5), (-5.5, -0.5), (-2.5, 3.5), (-4.5, 0.0)])
@pytest.mark.parametrize("count", [8, 60])
def test_two_kinds_of_hats_are_told_apart_wherever_they_are(closed, opened, count):
    rng = np.random.default_rng(0)
    song = np.concatenate([odds(rng, closed, 100, 0.6), odds(rng, opened, count, 0.6)])
    assert np.array_equal(song >= hats.border(song), np.arange(len(song)) >= 100)


@pytest.mark.parametrize("centre", [-5.0, -3.0, -1.5])
def test_one_kind_of_hats_stays_closed(centre):
    song = odds(np.random.default_rng(1), centre, 200, 0.7)
    border = hats.border(song)
    assert border is None or (song >= border).mean() < 0.02


def test_songs_of_open_hats():
    song = odds(np.random.default_rng(2), 2.5, 100)
    assert (song >= hats.border(song)).mean() > 0.97


def test_few_hats_are_those_of_most_songs():
    assert -0.7 < hats.border(np.zeros(0)) < 0.3
    assert hats.border(np.array([-4.0])) == pytest.approx(hats.border(np.zeros(0)), abs=0.5)


def test_the_border_does_not_depend_on_the_order():
    song = odds(np.random.default_rng(3), -1.0, 50, 2.5)
    assert hats.border(song) == pytest.approx(hats.border(song[::-1]), abs=1e-9)


def test_hats_of_an_unknown_machine_are_renamed():
    """Its open hats are never more likely open than closed, but unlike the closed ones."""
    onset, picked = np.zeros((4000, 9), np.float32), [(0.055, 0, 0.9, 0.8)]
    for k in range(60):
        frame, opened = 20 + 50 * k, k % 4 == 3
        share = 0.3 if opened else 0.005
        onset[frame, [CLOSED, OPEN]] = 0.9 * (1 - share), 0.9 * share
        picked.append((frame / 100 + 0.004, CLOSED, 0.5 + k / 200, 0.7))
    before = list(picked)
    named = hats.by_song(onset, picked)
    assert picked == before
    assert [h[1] for h in named[1:]] == [OPEN if k % 4 == 3 else CLOSED for k in range(60)]
    assert [(h[0], *h[2:]) for h in named] == [(h[0], *h[2:]) for h in picked]
    assert named[0] == picked[0]


def test_songs_without_hats():
    picked = [(0.5, 0, 0.9, 0.8)]
    assert hats.by_song(np.zeros((100, 9), np.float32), picked) == picked
    assert hats.by_song(np.zeros((100, 9), np.float32), []) == []
