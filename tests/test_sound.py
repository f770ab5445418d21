"""Levels of stems and mixture, and how peaks sound."""

import numpy as np
import pytest
import torch

from adt.decoder.sound import N_SOUND, describe_sound
from adt.levels import GROUPS, decibel, levels, rises
from adt.vocabulary import STEMS

SOURCES = len(STEMS) + 1
FLAT = np.zeros(GROUPS)
DARK = np.linspace(6, -24, GROUPS)
NOBODY = (np.zeros(0, np.int64), np.zeros(0))


def song(*strokes, frames=600, sources=SOURCES, fall=0.5):
    """Levels of (source, frames, dB, colour) strokes that fall `fall` dB a frame; nothing else."""
    power = np.full((frames, sources, GROUPS), 1e-9)
    for source, at, db, colour in strokes:
        for frame, loud in zip(at, np.broadcast_to(db, len(at))):
            tail = np.arange(frames - frame)
            power[frame:, source] += 10 ** ((loud + colour - fall * tail[:, None]) / 10)
    return (10 * np.log10(power)).astype(np.float16)


def peaks(at, chance=0.9):
    return np.asarray(at), np.full(len(at), chance)


def test_levels_are_powers_in_groups():
    mixture = torch.full((1, 8, 96), -20.0)
    stems = torch.full((1, len(STEMS), 8, 96), -40.0)
    level = levels(mixture, stems)
    assert level.shape == (1, 8, len(STEMS) + 1, GROUPS)
    np.testing.assert_allclose(level[0, :, -1], -20 + 10 * np.log10(12), atol=0.02)
    np.testing.assert_allclose(level[0, :, 0], -40 + 10 * np.log10(12), atol=0.02)
    assert levels(mixture, None).shape == (1, 8, 1, GROUPS)


def test_rises_are_what_onsets_add():
    level = song((0, [100], -10, FLAT), (0, [200], -30, FLAT))
    rise, before = rises(level, np.array([100, 200]), 0)
    assert rise.shape == before.shape == (2, GROUPS + 1)
    np.testing.assert_allclose(decibel(rise[:, 0]), [-10, -30], atol=0.2)
    np.testing.assert_allclose(decibel(rise[:, -1]), np.array([-10, -30]) + 10 * np.log10(GROUPS),
                               atol=0.2)
    assert decibel(before[0, -1]) == -60
    assert decibel(before[1, 0]) == pytest.approx(-59, abs=0.2)  # of -10, after 97 frames


@pytest.mark.parametrize("at", [0, 1, 599])
def test_onsets_at_the_ends_rise_too(at):
    rise, before = rises(song((0, [at], -10, FLAT)), np.array([at]), 0)
    assert np.isfinite(rise).all() and np.isfinite(before).all()


@pytest.mark.parametrize("sources", [SOURCES, 1])
def test_every_peak_is_described(sources):
    rng = np.random.default_rng(0)
    level = rng.uniform(-60, 0, (600, sources, GROUPS)).astype(np.float16)
    found = [peaks(np.sort(rng.choice(600, 20, replace=False))) for _ in STEMS[1:]] + [NOBODY]
    result = describe_sound(level, found)
    assert [r.shape for r in result] == [(20, N_SOUND)] * 4 + [(0, N_SOUND)]
    assert all(np.isfinite(r).all() and r.dtype == np.float32 for r in result)


def test_gains_change_no_comparison():
    """6 dB more for everything: heights are 6 dB more, what is compared stays."""
    at = np.arange(50, 550, 50)
    quiet = song((1, at, -20, FLAT), (len(STEMS), at, -20, DARK))
    found = [NOBODY, peaks(at), NOBODY, NOBODY, NOBODY]
    before, after = (describe_sound(level, found)[1] for level in (quiet, quiet + 6))
    heights = [0, GROUPS + 1]
    np.testing.assert_allclose(after[:, heights] - before[:, heights], 6, atol=0.1)
    shapes = [*range(1, GROUPS + 1), *range(GROUPS + 2, 2 * GROUPS + 2)]
    np.testing.assert_allclose(after[:, shapes], before[:, shapes], atol=0.1)
    usual = N_SOUND - 20 + np.arange(2)  # deviation from the usual height, and from the usual sound
    np.testing.assert_allclose(after[:, usual], before[:, usual], atol=0.1)


def test_what_sounds_like_another_stem_is_told():
    """A false hat where a snare is struck sounds as the snare does; a true one does not."""
    snares, hats = np.arange(100, 600, 100), np.arange(50, 600, 100)
    mixture = len(STEMS)
    level = song((mixture, snares, -10, DARK), (mixture, hats, -10, FLAT))
    found = [NOBODY, peaks(snares), NOBODY,
             (np.sort(np.r_[snares, hats]), np.tile([0.9, 0.1], 6)[:11]), NOBODY]
    x = describe_sound(level, found)[3]
    like = x[:, 3 * GROUPS + 7:3 * GROUPS + 12]  # distances to each stem's usual sound
    assert like.shape == (11, 5)
    assert (like[1::2, 1] < 0.5).all() and (like[::2, 1] > 5).all()


def test_what_rings_is_told_from_what_stops():
    at = np.array([100, 300])
    found = [NOBODY] * 4 + [peaks(at)]
    ringing, short = (describe_sound(song((4, at, 0, FLAT), fall=fall), found)[4]
                      for fall in (0.1, 1.0))
    assert (short[:, -3:-1] > ringing[:, -3:-1] + 3).all()
