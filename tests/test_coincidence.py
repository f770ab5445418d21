"""Strokes of two stems at once: which of them are counted twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from adt.activations import Activations
from adt.coincidence import discount
from adt.frames import FRAME_RATE
from adt.hits import pick_hits
from adt.peaks import all_thresholds
from adt.vocabulary import PIECES

HALVES = all_thresholds()


def hit(time, piece, chance):
    return time, PIECES.index(piece), 0.5, chance


@pytest.mark.parametrize("weak, strong, left", [
    (("hihat_closed", 0.7), ("ride", 0.9), None), (("hihat_open", 0.8), ("crash", 0.9), 4 / 7),
    (("ride", 0.7), ("hihat_closed", 0.9), 0.7 / 1.15),
    (("crash", 0.55), ("hihat_open", 0.9), None), (("snare", 0.7), ("tom_floor", 0.9), None),
    (("tom_floor", 0.6), ("snare", 0.9), 0.6),
    (("kick", 0.6), ("tom_floor", 0.9), 0.6), (("hihat_closed", 0.6), ("snare", 0.9), 0.6)])
def test_the_weaker_of_two_that_are_taken_for_one_another_counts_less(weak, strong, left):
    picked = [hit(1.0, *weak), hit(1.02, *strong)]
    found = discount(picked, HALVES)
    assert found[-1] == picked[1]
    assert [h[:3] for h in found[:-1]] == ([] if left is None else [picked[0][:3]])
    if left is not None:
        assert found[0][3] == pytest.approx(left)


def test_strokes_apart_and_the_stronger_stay():
    picked = [hit(1.0, "hihat_closed", 0.6), hit(1.06, "ride", 0.9), hit(2.0, "hihat_closed", 0.9),
              hit(2.0, "hihat_open", 0.8), hit(3.0, "ride", 0.6)]
    assert discount(picked, HALVES) == picked
    assert discount([], HALVES) == []


def test_the_threshold_is_that_of_the_stem():
    picked = [hit(1.0, "hihat_closed", 0.6), hit(1.0, "ride", 0.9)]
    assert len(discount(picked, HALVES)) == 1
    assert len(discount(picked, {**HALVES, "hihat": 0.3})) == 2
    assert len(discount(picked, {**HALVES, "hihat": 0.0})) == 2


def test_only_chances_are_discounted():
    """Activations that no decoder has judged are no chances."""
    onset = np.zeros((200, len(PIECES)), np.float32)
    onset[100, PIECES.index("hihat_closed")], onset[100, PIECES.index("ride")] = 0.6, 0.9
    raw = Activations(onset, onset, 0 * onset, 200 / FRAME_RATE)
    assert len(pick_hits(raw).hits) == 2
    judged = dataclasses.replace(raw, chance=onset)
    assert [PIECES[h[1]] for h in pick_hits(judged).hits] == ["ride"]
    assert len(pick_hits(judged, {"hihat": 0.3}).hits) == 2
