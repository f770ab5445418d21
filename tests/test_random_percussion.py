"""Hand percussion drawn at random: what it sounds like, and how often training plays it."""

import numpy as np
import pytest

from adt.data.random_percussion import FORCES, INSTRUMENTS, random_percussion
from adt.features import N_BANDS
from adt.frames import SAMPLE_RATE
from adt.training.material import load_percussion
from adt.training.oneshots import POSITIONS


@pytest.fixture(scope="module")
def drawn():
    """Name → loudest stroke of each that was drawn."""
    found = {name: [] for name in INSTRUMENTS}
    for seed in range(120):
        name, strokes = random_percussion(seed)
        assert len(strokes) == len(FORCES)
        for stroke in strokes:
            assert stroke.dtype == np.float32 and np.isfinite(stroke).all()
        peaks = [np.abs(x).max() for x in strokes]
        assert 0 < peaks[0] < peaks[1] < peaks[2] < 1, seed
        found[name].append(strokes[-1])
    return found


def _share(x, low, high):
    """Of the power between two frequencies in Hz."""
    power = np.abs(np.fft.rfft(x)) ** 2
    frequency = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)
    return power[(frequency >= low) & (frequency < high)].sum() / power.sum()


def test_most_are_what_is_taken_for_hats(drawn):
    count = {name: len(strokes) for name, strokes in drawn.items()}
    assert all(count.values())
    assert count["tambourine"] == max(count.values())
    assert count["tambourine"] + count["shaker"] + count["sleigh_bells"] > 0.5 * 120


def test_instruments_sound_as_they_are_called(drawn):
    def mean(name, low, high):
        return np.mean([_share(x, low, high) for x in drawn[name]])

    assert mean("tambourine", 2500, 22050) > 0.8
    assert mean("sleigh_bells", 2500, 22050) > 0.8
    assert mean("shaker", 1500, 22050) > 0.9
    assert mean("hand_drum", 100, 1000) > 0.5
    assert mean("wood", 400, 4000) > 0.6
    assert mean("clap", 500, 10000) > 0.8


def test_jingles_ring_in_narrow_bands_and_shakers_do_not(drawn):
    def flatness(x):
        power = np.abs(np.fft.rfft(x)) ** 2
        power = power[int(3000 * len(x) / SAMPLE_RATE):int(12000 * len(x) / SAMPLE_RATE)] + 1e-12
        return np.exp(np.log(power).mean()) / power.mean()

    assert np.median([flatness(x) for x in drawn["tambourine"]]) < 0.5 * np.median(
        [flatness(x) for x in drawn["shaker"]])


def test_a_seed_is_one_instrument():
    name, strokes = random_percussion(5)
    again, same = random_percussion(5)
    assert name == again
    for a, b in zip(strokes, same):
        np.testing.assert_array_equal(a, b)
    others = [random_percussion(seed)[1][-1] for seed in (6, 7)]
    assert len({len(strokes[-1]), *map(len, others)}) > 1


def test_their_strokes_are_one_shots():
    found = load_percussion(None, 4)
    assert len(found) == 4 and len({chance for chance, _ in found}) == 1
    for _, strokes in found:
        assert len(strokes) == len(FORCES)
        for shots in strokes:
            assert len(shots) == POSITIONS
            assert all(s.shape[1] == N_BANDS and s.sum(axis=1).max() == pytest.approx(1)
                       for s in shots)
