"""Peak picking: what a list of hits may and may not be, whatever the activations."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adt.errors import ConfigError
from adt.frames import HOP, SAMPLE_RATE
from adt.peaks import (
    DEFAULT_THRESHOLD,
    EXCLUSIVE,
    SECOND_THRESHOLD,
    STEM_THRESHOLDS,
    all_thresholds,
    local_maxima,
    pick_peaks,
)
from adt.vocabulary import MIN_HIT_DISTANCE, PIECE_TO_STEM, PIECES, STEM_TO_PIECES, STEMS

CLOSED, OPEN = PIECES.index("hihat_closed"), PIECES.index("hihat_open")
FRAME = HOP / SAMPLE_RATE


@st.composite
def activations(draw):
    shape = (draw(st.integers(0, 40)), len(PIECES))
    # few distinct values: plateaus and ties are common
    grid = st.sampled_from([0.0, 0.125, 0.375, 0.5, 0.875, 1.0])
    onset = draw(arrays(np.float32, shape, elements=grid))
    free = st.floats(-3, 3, width=32)
    return onset, *(draw(arrays(np.float32, shape, elements=free, fill=st.just(0.0)))
                    for _ in range(2))


def quiet(frames=50):
    """Activations of nothing: onset, velocity, offset."""
    return [np.zeros((frames, len(PIECES)), np.float32) for _ in range(3)]


@settings(deadline=None, max_examples=150)
@given(activations(), st.one_of(
    st.floats(0, 1), st.dictionaries(st.sampled_from(STEMS), st.floats(0, 1))))
def test_hits_keep_the_rules(arrays, thresholds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hits = pick_peaks(*arrays, thresholds)
    assert hits == pick_peaks(*[a.copy() for a in arrays], thresholds)
    assert hits == sorted(hits, key=lambda h: (h[0], h[1]))
    if not isinstance(thresholds, dict):
        thresholds = dict.fromkeys(STEMS, thresholds)
    last = max(0, len(arrays[0]) - 1) * FRAME
    for time, piece, velocity, confidence in hits:
        assert 0 <= time <= last + 1e-9
        assert 0 <= velocity <= 1 and 0 < confidence <= 1
        limit = thresholds.get(PIECE_TO_STEM[PIECES[piece]], DEFAULT_THRESHOLD)
        assert confidence >= min(limit, SECOND_THRESHOLD) - 1e-6
        nearby = arrays[0][max(0, int(time / FRAME) - 2): int(time / FRAME) + 4, piece]
        assert nearby.max() > 0
    groups = [[p] for p in range(len(PIECES))]
    groups += [[PIECES.index(p) for p in STEM_TO_PIECES[stem]] for stem in EXCLUSIVE]
    for group in groups:
        times = [h[0] for h in hits if h[1] in group]
        assert all(b - a >= MIN_HIT_DISTANCE - 1e-6 for a, b in zip(times, times[1:]))


def test_the_hats_exclude_each_other():
    assert EXCLUSIVE == ("hihat",)


@pytest.mark.parametrize("frame", [0, 1, 20, 48, 49])
def test_any_frame_can_be_a_hit(frame):
    onset, velocity, offset = quiet()
    onset[frame, 1], velocity[frame, 1] = 0.8, 0.5
    [(time, piece, loud, confidence)] = pick_peaks(onset, velocity, offset)
    assert time == pytest.approx(frame * FRAME)
    assert (piece, loud, confidence) == (1, 0.5, pytest.approx(0.8))


@pytest.mark.parametrize("shift, moved", [(0.4, 0.4), (-0.4, -0.4), (1.0, 1.0), (7.0, 1.0),
                                          (-7.0, -1.0)])
def test_offset_moves_the_time(shift, moved):
    onset, velocity, offset = quiet()
    onset[20, 0], offset[20, 0] = 0.9, shift
    assert pick_peaks(onset, velocity, offset)[0][0] == pytest.approx((20 + moved) * FRAME)


def test_thresholds_decide_by_stem():
    onset, velocity, offset = quiet()
    onset[10, [0, 1, 4]], onset[30, [0, 1, 4]] = 0.55, 0.6
    hits = pick_peaks(onset, velocity, offset, {"kick": 0.7})
    assert [p for _, p, _, _ in hits] == [1, 4, 1, 4]
    assert pick_peaks(onset, velocity, offset, 0.61) == []
    assert len(pick_peaks(onset, velocity, offset, 0.5625)) == 3
    onset[10, 0] = 0.5625  # a peak on the threshold is a hit
    assert len(pick_peaks(onset, velocity, offset, 0.5625)) == 4
    assert len(pick_peaks(onset, velocity, offset)) == 6
    onset[10, 1] = DEFAULT_THRESHOLD - 0.01
    assert len(pick_peaks(onset, velocity, offset)) == 5


def test_pieces_of_a_stem_are_sure_of_a_stroke_together():
    onset, velocity, offset = quiet()
    onset[20, [CLOSED, OPEN]] = 0.3, 0.25
    [(time, piece, _, confidence)] = pick_peaks(onset, velocity, offset, 0.5)
    assert (piece, confidence) == (CLOSED, pytest.approx(0.55))
    assert time == pytest.approx(0.2)


def test_a_second_tom_needs_certainty_of_its_own():
    onset, velocity, offset = quiet()
    onset[20, [2, 3]] = 0.9, 0.45
    assert [h[1] for h in pick_peaks(onset, velocity, offset)] == [2]
    onset[20, 3] = 0.55
    assert [h[1] for h in pick_peaks(onset, velocity, offset)] == [2, 3]


def test_the_stronger_of_two_near_peaks_stays():
    onset, velocity, offset = quiet()
    onset[[10, 12, 15], 0] = 0.6, 0.9, 0.7  # 20 ms and 30 ms apart
    assert [h[0] for h in pick_peaks(onset, velocity, offset)] == pytest.approx([0.12, 0.15])


@pytest.mark.parametrize("first", range(30))
def test_thirty_milliseconds_apart_are_two_hits_everywhere(first):
    onset, velocity, offset = quiet()
    onset[[first, first + 3], 4] = 0.9
    assert len(pick_peaks(onset, velocity, offset)) == 2


def test_hats_are_never_struck_open_and_closed_at_once():
    onset, velocity, offset = quiet()
    onset[20, CLOSED], onset[20, OPEN], onset[21, 0] = 0.8, 0.7, 0.5
    assert [p for _, p, _, _ in pick_peaks(onset, velocity, offset)] == [CLOSED, 0]
    onset[20, OPEN] = 0.9
    assert [p for _, p, _, _ in pick_peaks(onset, velocity, offset)] == [OPEN, 0]


@pytest.mark.parametrize("thresholds", [{"gong": 0.2}, float("nan"), 2.0, {"kick": -1}])
def test_thresholds_that_cannot_be(thresholds):
    with pytest.raises(ConfigError):
        pick_peaks(*quiet(), thresholds)


def test_nothing_gives_nothing():
    assert pick_peaks(*quiet(0)) == pick_peaks(*quiet(1)) == pick_peaks(*quiet()) == []
    assert pick_peaks(*quiet(), 0.0) == []


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 30), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])))
def test_maxima_are_those_of_scipy(x):
    from scipy.signal import find_peaks
    np.testing.assert_array_equal(local_maxima(x), find_peaks(x)[0])


def test_thresholds_of_stems_and_of_the_mixture():
    assert all_thresholds() == dict.fromkeys(STEMS, DEFAULT_THRESHOLD)
    assert all_thresholds({"kick": 0.1}, True) == {**STEM_THRESHOLDS, "kick": 0.1}
    assert STEM_THRESHOLDS["kick"] < DEFAULT_THRESHOLD == STEM_THRESHOLDS["hihat"]
