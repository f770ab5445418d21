"""Grids recognised in performances with errors of timing."""

from fractions import Fraction

import numpy as np
import pytest

from adt.beats import Beats
from adt.beats.grid import Swing, late, place
from adt.beats.quantize import divided_by_three, quantize
from adt.beats.tempo import calm, regular_beats
from adt.errors import ConfigError
from adt.transcription import Hit, Transcription

F = Fraction


def performance(pattern, beats=32, tempo=110.0, jitter=0.015, lag=0.0, seed=0, compound=False):
    """What is meant (places in beats) and a transcription of it played with jitter, seconds."""
    rng = np.random.default_rng(seed)
    period = 60 / tempo
    meant = [(b + float(x), piece) for b in range(beats) for x, piece in pattern(b)]
    hits = [Hit(0.5 + x * period + lag + rng.normal(0, jitter), piece, 90) for x, piece in meant]
    found = regular_beats(tempo, 0.5 + (beats + 1) * period, first_beat=0.5, compound=compound,
                          metre=2 if compound else 4)
    order = np.argsort([h.time for h in hits], kind="stable")
    return (np.array([meant[k][0] for k in order]),
            Transcription([hits[k] for k in order], 0.5 + beats * period, beats=found))


def rock(offbeats):
    return lambda b: [(x, "hihat_closed") for x in (0, *offbeats)] + [
        (0, ("kick", "snare")[b % 2])] + ([(offbeats[-1], "kick")] if b % 4 == 2 else [])


def placed(song, **options):
    places = song.beats.position_of([h.time for h in song])
    return place(places, [h.piece for h in song], [h.velocity for h in song],
                 60 / song.beats.tempo, compound=song.beats.compound, **options)


FEELS = {
    "eighths": (rock([1 / 2]), None),
    "sixteenths": (rock([1 / 4, 1 / 2, 3 / 4]), None),
    "triplets": (rock([1 / 3, 2 / 3]), None),
    "swing 58": (rock([0.58]), Swing(8, 0.58)),
    "swing 62": (rock([0.62]), Swing(8, 0.62)),
    "swing 66": (rock([0.66]), Swing(8, 0.66)),
    "swung sixteenths 60": (rock([0.3, 0.5, 0.8]), Swing(16, 0.6)),
    "swung sixteenths 66": (rock([0.33, 0.5, 0.83]), Swing(16, 0.66)),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("feel", FEELS)
def test_feels_are_told_apart(feel, seed):
    pattern, swing = FEELS[feel]
    meant, song = performance(pattern, seed=seed, lag=0.012)
    found = placed(song)
    assert (np.abs(found.sounding - meant) < 1 / 32).mean() > 0.97
    assert (found.swing is None) == (swing is None)
    if swing:
        assert found.swing.level == swing.level
        assert found.swing.ratio == pytest.approx(swing.ratio, abs=0.03)
        even = 2 if swing.level == 8 else 4
        assert np.mean([(x * even).denominator == 1 for x in found.written]) > 0.97


def test_a_fill_of_triplets_in_sixteenths():
    meant, song = performance(lambda b: [(x, "snare") for x in (
        (0, 1 / 3, 2 / 3) if b == 15 else (0, 1 / 4, 1 / 2, 3 / 4))], tempo=90, jitter=0.006)
    np.testing.assert_allclose(placed(song).sounding, meant, atol=0.01)


def test_beats_of_three_eighths():
    meant, song = performance(lambda b: [(F(k, 3), "hihat_closed") for k in range(3)]
                              + [(F(5, 6), "snare")], tempo=60, compound=True)
    found = placed(song)
    np.testing.assert_allclose(found.sounding, meant, atol=0.01)
    assert found.swing is None


def test_swing_that_is_known():
    meant, song = performance(rock([0.6]), beats=3, jitter=0.0)
    assert placed(song).swing is None  # too few beats to be sure
    found = placed(song, swing=0.6)
    np.testing.assert_allclose(found.sounding, meant, atol=1e-6)
    assert set(x % 1 for x in found.written) == {0, F(1, 2)}
    assert placed(performance(rock([0.62]))[1], swing=0.5).swing is None


@pytest.mark.parametrize("played", [0.5, 0.56, 0.6])
def test_eighths_that_are_said_not_to_swing(played):
    _, song = performance(rock([played]), jitter=0.0)
    found = placed(song, swing=0.5)
    assert set(x % 1 for x in found.written) == {0, F(1, 2)} and found.swing is None


def test_eighths_that_are_said_to_swing_all_do():
    _, song = performance(rock([0.58]))
    found = placed(song, swing=0.66)
    assert found.swing == Swing(8, 0.66)
    assert set(np.round(found.sounding % 1, 3)) == {0, 0.66}


def test_triplets_stay_where_nothing_swings():
    meant, song = performance(lambda b: [(F(k, 3), "snare") for k in range(3)] if b % 4 == 3
                              else [(0, "kick"), (F(1, 2), "hihat_closed")], jitter=0.003)
    np.testing.assert_allclose(placed(song, swing=0.5).sounding, meant, atol=0.01)


@pytest.mark.parametrize("tempo", [40, 60, 80, 120])
@pytest.mark.parametrize("strokes", [(5.875, 6), (5, 5.125), (5.625, 6)])
def test_strokes_right_before_a_beat_are_not_lost(tempo, strokes):
    def pattern(beat):
        return [(0, "hihat_closed"), *((x - beat, "snare") for x in strokes if x // 1 == beat)]

    song = performance(pattern, beats=16, tempo=tempo, jitter=0)[1]
    assert sum(h.piece == "snare" for h in quantize(song, "auto")) == 2


def test_slow_strokes_stay_near():
    """However far from a grid they are, another one that is nearer is better."""
    song = performance(lambda b: [(0, "hihat_closed"), *[(0.625, "snare")] * (b == 5)],
                       beats=16, tempo=40, jitter=0)[1]
    played, moved = (next(h.time for h in s if h.piece == "snare")
                     for s in (song, quantize(song, "auto")))
    assert abs(moved - played) < 0.1


def test_no_hits():
    found = place([], [], [], 0.5)
    assert found.written == [] and found.swing is None


def test_late_places():
    even = np.arange(9) / 4
    np.testing.assert_allclose(late(even, Swing(16, 0.6))[:5], [0, 0.3, 0.5, 0.8, 1])
    np.testing.assert_allclose(late(even, Swing(8, 0.6))[::2], [0, 0.6, 1, 1.6, 2])


@pytest.mark.parametrize("grid, swing", [("auto", None), ("1/8", "62"), ("1/8", "auto")])
def test_quantised_notes_are_on_the_swung_grid(grid, swing):
    meant, song = performance(rock([0.62]))
    times = np.array([h.time for h in quantize(song, grid, swing)])
    expected = np.array(sorted(0.5 + meant * 60 / 110))
    assert len(times) == len(expected)
    np.testing.assert_allclose(times, expected, atol=0.02)
    assert len(np.unique(np.round((times - 0.5) / (60 / 110) % 1 % 0.9999, 3))) <= 2


def test_a_grid_in_six_eight():
    meant, song = performance(lambda b: [(F(k, 3), "ride") for k in range(3)], tempo=70,
                              compound=True)
    for grid in ("auto", "1/8"):
        found = quantize(song, grid)
        np.testing.assert_allclose([h.time for h in found], 0.5 + meant * 60 / 70, atol=1e-5)


def test_sixteenths_that_swing_in_six_eight():
    meant, song = performance(lambda b: [(F(k, 6), "ride") for k in range(6)], tempo=70,
                              compound=True)
    found = np.array([h.time for h in quantize(song, "1/16", "60")])
    late_by = np.tile([0, 0.2 / 6], len(meant) // 2)  # of a beat
    np.testing.assert_allclose(found, 0.5 + (meant + late_by) * 60 / 70, atol=1e-5)
    with pytest.raises(ConfigError, match="threes"):
        quantize(song, "1/8", "60")
    assert quantize(song, "1/8", "auto").hits  # nothing swings


@pytest.mark.parametrize("options, words", [
    (("1/8T", "60"), "1/16"), (("1/16", "80"), "50"), (("1/16", "much"), "percent"),
    (("auto", "nan"), "percent")])
def test_swing_that_makes_no_sense(options, words):
    _, song = performance(rock([1 / 2]), beats=2)
    with pytest.raises(ConfigError, match=words):
        quantize(song, *options)


@pytest.mark.parametrize("feel", FEELS)
def test_beats_divided_by_three(feel):
    _, song = performance(FEELS[feel][0])
    assert divided_by_three(song) == (feel in ("triplets", "swing 62", "swing 66"))


@pytest.mark.parametrize("feel", FEELS)
def test_beats_with_the_jitter_of_a_tracker(feel):
    pattern, _ = FEELS[feel]
    meant, song = performance(pattern, beats=64, jitter=0.012)
    rng = np.random.default_rng(5)
    times = song.beats.times + rng.normal(0, 0.015, len(song.beats))
    shaken = Transcription(song.hits, song.duration, beats=Beats(times, song.beats.positions))
    found = quantize(shaken, "auto")
    count = (np.array([h.time for h in found]) - 0.5) / (60 / 110)
    near = np.abs(count[:, None] - np.unique(meant)).min(axis=1)
    assert (near < 1 / 24).mean() > 0.97 and len(found) > 0.97 * len(song)


def test_calm_beats():
    click = 0.3 + 0.5 * np.arange(40)
    shaken = click + np.random.default_rng(0).normal(0, 0.01, 40)
    beats = Beats(shaken, np.arange(40) % 4 + 1)
    assert np.std(calm(beats).times - click) < 0.75 * np.std(shaken - click)
    jump = Beats(np.cumsum(np.repeat([0.5, 0.8], 20)), np.arange(40) % 4 + 1)
    assert np.abs(calm(jump).times - jump.times).max() <= 0.036  # a jump stays where it is


@pytest.mark.parametrize("played, given", [
    (0.64, 58), (0.65, 58), (0.53, 58), (0.55, 66), (0.5, 66), (0.62, 66)])
def test_a_feel_that_is_given_is_that_of_all_beats(played, given):
    _, song = performance(rock([played]), beats=64, tempo=120, jitter=0.008)
    quantised = quantize(song, "auto", given)
    places = quantised.beats.position_of([h.time for h in quantised]) % 1
    off = places[(places > 0.2) & (places < 0.95)]
    assert len(off) > 60
    assert np.isclose(off, given / 100, atol=0.01).mean() > 0.97
