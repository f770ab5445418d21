"""Compound metres: 6/8, 9/8 and 12/8."""

import numpy as np
import pytest

from adt.beats import Beats
from adt.beats.compound import in_compound, track_compound
from adt.beats.tracking import BeatTracker
from adt.errors import ConfigError
from adt.transcription import Hit, Transcription


def blues(eighth, bars=12, metre=4):
    """Kick, snare and hats of a 12/8 (or 6/8) with eighths of that many seconds."""
    hits = []
    for k in range(3 * metre * bars):
        time = 0.5 + k * eighth
        hits.append(Hit(time, "hihat_closed", 90 if k % 3 == 0 else 60))
        if k % 6 == 0:
            hits.append(Hit(time, "kick", 110))
        if k % 6 == 3:
            hits.append(Hit(time, "snare", 110))
    return Transcription(hits, 0.5 + 3 * metre * bars * eighth + 1.0)


def a_tracker(seconds_of):
    """A tracker that finds beats this far apart, by the metre that it is asked for."""
    asked = []

    def track(metre):
        asked.append(metre)
        step = seconds_of[metre]
        n = int(20 / step)
        return Beats(0.5 + step * np.arange(n), np.arange(n) % metre + 1)
    return track, asked


def test_beats_of_three_eighths_are_kept():
    song = blues(0.2)
    track, asked = a_tracker({4: 0.6})
    found = track_compound(track, song, 4)
    assert asked == [4] and found.compound and found.metre == 4
    np.testing.assert_allclose(np.diff(found.times), 0.6, atol=1e-5)


def test_eighths_become_beats_of_three():
    song = blues(0.25)  # 240 eighths a minute, 80 beats
    track, asked = a_tracker({4: 0.25, 12: 0.25})
    found = track_compound(track, song, 4)
    assert asked == [4, 12] and found.compound and found.metre == 4
    np.testing.assert_allclose(np.diff(found.times), 0.75, atol=1e-5)


def test_fast_beats_that_are_divided_by_three_are_no_eighths():
    song = blues(0.13)  # 154 beats a minute of three eighths
    track, asked = a_tracker({4: 0.39})
    found = track_compound(track, song, 4)
    assert asked == [4] and round(found.tempo) == 154


def test_bars_of_another_length_are_refused():
    beats = Beats(np.arange(20) * 0.5, np.arange(20) % 4 + 1)
    with pytest.raises(ConfigError, match="6/8 needs 2"):
        in_compound(beats, 2)
    with pytest.raises(ConfigError, match="two beats of three"):
        in_compound(Beats([0.0, 0.2, 0.4], [1, 2, 3], bar=6), 2)


def test_too_little_to_track_in_a_compound_metre():
    assert len(track_compound(lambda metre: Beats([], []), blues(0.2), 2)) == 0


@pytest.mark.parametrize("eighth", [0.17, 0.2, 0.25])
def test_the_tracker_finds_twelve_eight(eighth):
    song = blues(eighth)
    beats = BeatTracker()(song, metre=4, compound=True)
    assert beats.compound and beats.metre == 4
    assert beats.tempo == pytest.approx(60 / (3 * eighth), rel=0.02)
    with pytest.raises(ConfigError, match="metre"):
        BeatTracker()(song, compound=True)
