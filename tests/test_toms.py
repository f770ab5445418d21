"""Toms named by pitch within a song."""

import numpy as np
import pytest
import torch

from adt.features import N_BANDS, band_centres
from adt.toms.naming import BANDS, by_pitch, clusters, name_toms, pitches, tom_bands
from adt.vocabulary import PIECES

NOTHING_HEARD = 1 / 3


def strokes(rng, hertz, count, spread=0.02):
    return np.log2(hertz) + spread * rng.standard_normal(count)


@pytest.mark.parametrize("toms", [(140,), (150, 90), (230, 150), (190, 135, 90), (320, 230, 160)])
def test_as_many_toms_as_there_are_pitches(toms):
    rng = np.random.default_rng(len(toms))
    truth = np.repeat(np.arange(len(toms)), 20)
    pitch = np.concatenate([strokes(rng, t, 20) for t in toms])
    order = rng.permutation(len(pitch))
    assert clusters(pitch[order]).tolist() == truth[order].tolist()


def test_stray_pitches_make_no_tom():
    rng = np.random.default_rng(1)
    pitch = np.concatenate([strokes(rng, 150, 30), strokes(rng, 90, 30), np.log2([400.0, 50.0])])
    assert clusters(pitch).max() == 1


def test_a_few_of_many_strokes_make_no_tom():
    rng = np.random.default_rng(4)
    pitch = np.concatenate([strokes(rng, 106, 24), np.log2([79.0, 80.0, 81.0])])
    assert clusters(pitch).tolist() == [0] * 27
    fewer = pitch[10:]  # a share of the strokes that a tom may have
    assert clusters(fewer).tolist() == [0] * 14 + [1] * 3


@pytest.mark.parametrize("toms, names", [
    ((190, 130, 90), (0, 1, 2)), ((170, 95), (0, 2)), ((90,), (2,)), ((180,), (0,)),
    ((250, 170, 120), (0, 1, 2))])
def test_names_fall_with_pitch(toms, names):
    rng = np.random.default_rng(2)
    pitch = np.concatenate([strokes(rng, t, 12) for t in toms])
    heard = np.full((len(pitch), 3), NOTHING_HEARD)
    assert name_toms(pitch, heard).tolist() == np.repeat(names, 12).tolist()


def test_what_the_detector_heard_decides_where_pitch_cannot():
    pitch = strokes(np.random.default_rng(3), 125, 20)
    for tom in (0, 2):
        heard = np.full((20, 3), 0.02)
        heard[:, tom] = 0.9
        assert name_toms(pitch, heard).tolist() == [tom] * 20


def test_pitch_of_a_tone_that_begins():
    bands = np.full((60, BANDS), -70.0)
    bands[:, 1] = -20.0  # a bass that rang before
    bands[20:, 5] = 0.0
    bands[20:, 9] = -4.0  # an overtone
    assert pitches(bands, np.array([0.2]))[0] == pytest.approx(np.log2(band_centres()[5]), abs=0.1)
    assert np.isfinite(pitches(bands, np.array([0.0, 0.59, 5.0]))).all()


def test_lowest_bands_of_the_right_stem():
    stems = torch.arange(5.0)[None, :, None, None].expand(1, 5, 7, N_BANDS)
    taken = tom_bands(stems)
    assert taken.shape == (1, 7, BANDS) and taken.dtype == torch.float16
    assert taken.unique().tolist() == [2.0]


def test_hits_keep_all_but_their_tom():
    bands = np.full((400, BANDS), -70.0)
    times = np.arange(10) * 0.3 + 0.5
    for i, time in enumerate(times):
        frame = round(time * 100)
        bands[frame:frame + 12, 6 if i % 2 else 2] = 0.0
    picked = sorted([(t, PIECES.index("tom_mid"), 0.5, 0.7) for t in times]
                    + [(t, 0, 0.3, 0.9) for t in times])
    named = by_pitch(bands, np.zeros((400, 9)), picked)
    assert [h for h in named if h[1] == 0] == [h for h in picked if h[1] == 0]
    toms = [h for h in named if h[1]]
    assert [h[0] for h in toms] == times.tolist()
    assert [PIECES[h[1]] for h in toms] == ["tom_floor", "tom_high"] * 5
    assert {h[2:] for h in toms} == {(0.5, 0.7)}
    assert by_pitch(bands, np.zeros((400, 9)), []) == []


@pytest.mark.parametrize("later", [0.0, 0.002, 0.006, 0.02])
def test_two_toms_struck_together_stay_two(later):
    bands = np.full((100, BANDS), -70.0)
    bands[50:62, 4] = 0.0
    picked = [(0.504, PIECES.index("tom_high"), 0.5, 0.7),
              (0.504 + later, PIECES.index("tom_floor"), 0.6, 0.8)]
    assert by_pitch(bands, np.zeros((100, 9)), picked) == picked
