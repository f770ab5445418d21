"""Toms told within a song: pitches, groups of strokes, names."""

import numpy as np
import pytest
import torch

from adt.features import N_BANDS, band_centres
from adt.frames import SAMPLE_RATE
from adt.levels import GROUPS
from adt.toms.groups import groups
from adt.toms.low_end import LowEnd
from adt.toms.low_toms import LowToms
from adt.toms.naming import by_song, name_toms
from adt.toms.pitch import BANDS, pitches, tom_bands
from adt.vocabulary import PIECES, STEMS

NOTHING_HEARD = 1 / 3


def strokes(rng, hertz, count, spread=0.02):
    return np.log2(hertz) + spread * rng.standard_normal(count)


def grouped(pitch, heard=None):
    """Group of each stroke, where there are as many as fit best."""
    heard = np.full((len(pitch), 3), NOTHING_HEARD) if heard is None else heard
    return max(groups(pitch, heard), key=lambda found: found.fit).member


@pytest.mark.parametrize("toms", [(140,), (150, 90), (230, 150), (190, 135, 90), (320, 230, 160)])
def test_as_many_toms_as_there_are_pitches(toms):
    rng = np.random.default_rng(len(toms))
    truth = np.repeat(np.arange(len(toms)), 20)
    pitch = np.concatenate([strokes(rng, t, 20) for t in toms])
    order = rng.permutation(len(pitch))
    assert grouped(pitch[order]).tolist() == truth[order].tolist()


def test_stray_pitches_make_no_tom():
    rng = np.random.default_rng(1)
    pitch = np.concatenate([strokes(rng, 150, 30), strokes(rng, 90, 30), np.log2([400.0, 50.0])])
    assert grouped(pitch).max() == 1


def test_a_few_of_many_strokes_make_no_tom():
    rng = np.random.default_rng(4)
    pitch = np.concatenate([strokes(rng, 106, 24), np.log2([79.0, 80.0, 81.0])])
    assert grouped(pitch).tolist() == [0] * 27
    fewer = pitch[20:]  # a share of the strokes that a tom may have
    assert grouped(fewer).tolist() == [0] * 4 + [1] * 3


def heard_as(rng, floor, count):
    """Activations of strokes on one tom, log odds of floor tom about `floor`."""
    share = 1 / (1 + np.exp(-(floor + 0.7 * rng.standard_normal(count))))
    return np.stack([0.6 * (1 - share), 0.4 * (1 - share), share], axis=1)


@pytest.mark.parametrize("high, floor", [(-2.0, 2.0), (1.0, 4.5), (-4.5, -1.0)])
def test_pitches_that_are_missed_leave_a_stroke_where_it_was_heard(high, floor):
    """What is heard says which strokes are alike, wherever an unknown kit's odds are."""
    rng = np.random.default_rng(5)
    pitch = np.concatenate([strokes(rng, 160, 40), strokes(rng, 95, 40)])
    missed = rng.permutation(80)[:24]
    pitch[missed] = np.log2(rng.uniform(60, 300, 24))
    heard = np.concatenate([heard_as(rng, high, 40), heard_as(rng, floor, 40)])
    truth = np.repeat([0, 1], 40)
    assert (grouped(pitch, heard) == truth).mean() >= 0.97
    assert (grouped(pitch) == truth).mean() < 0.93  # by pitch alone
    assert (name_toms(pitch, heard) == 2 * truth).mean() >= 0.97


def test_one_tom_stays_one_however_its_pitch_is_missed():
    rng = np.random.default_rng(6)
    pitch = strokes(rng, 118, 60)
    pitch[::3] = np.log2(rng.uniform(70, 250, 20))
    assert grouped(pitch, heard_as(rng, -1.0, 60)).max() == 0


def test_groups_do_not_depend_on_the_order():
    rng = np.random.default_rng(7)
    pitch = np.concatenate([strokes(rng, t, 30, 0.08) for t in (180, 130, 95)])
    heard = np.concatenate([heard_as(rng, odds, 30) for odds in (-2.0, -1.0, 2.0)])
    order = rng.permutation(90)
    assert np.array_equal(grouped(pitch, heard)[order], grouped(pitch[order], heard[order]))


@pytest.mark.parametrize("pitch", [[7.0], [7.0, 7.0], [7.0, 6.0], [7.0] * 50, [6.4] * 3 + [7.2]])
def test_few_strokes_and_equal_ones(pitch):
    pitch = np.array(pitch)
    heard = np.full((len(pitch), 3), NOTHING_HEARD)
    found = groups(pitch, heard)
    assert 1 <= len(found) <= 3 and np.isfinite([f.fit for f in found]).all()
    for member, centres, _ in found:
        assert sorted(set(member.tolist())) == list(range(len(centres)))
        assert (np.diff(centres) < 0).all()
    assert len(name_toms(pitch, np.zeros((len(pitch), 3)))) == len(pitch)


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
    mixture = torch.full((1, 7, N_BANDS), 9.0)
    taken = tom_bands(mixture, stems)
    assert taken.shape == (1, 7, BANDS) and taken.dtype == torch.float16
    assert taken.unique().tolist() == [2.0]
    taken = tom_bands(mixture, None)
    assert taken.shape == (1, 7, BANDS) and taken.unique().tolist() == [9.0]


def test_hits_keep_all_but_their_tom():
    bands = np.full((400, BANDS), -70.0)
    times = np.arange(10) * 0.3 + 0.5
    for i, time in enumerate(times):
        frame = round(time * 100)
        bands[frame:frame + 12, 6 if i % 2 else 2] = 0.0
    picked = sorted([(t, PIECES.index("tom_mid"), 0.5, 0.7) for t in times]
                    + [(t, 0, 0.3, 0.9) for t in times])
    named = by_song(bands, np.zeros((400, 9)), picked)
    assert [h for h in named if h[1] == 0] == [h for h in picked if h[1] == 0]
    toms = [h for h in named if h[1]]
    assert [h[0] for h in toms] == times.tolist()
    assert [PIECES[h[1]] for h in toms] == ["tom_floor", "tom_high"] * 5
    assert {h[2:] for h in toms} == {(0.5, 0.7)}
    assert by_song(bands, np.zeros((400, 9)), []) == []


@pytest.mark.parametrize("later", [0.0, 0.002, 0.006, 0.02])
def test_two_toms_struck_together_stay_two(later):
    bands = np.full((100, BANDS), -70.0)
    bands[50:62, 4] = 0.0
    picked = [(0.504, PIECES.index("tom_high"), 0.5, 0.7),
              (0.504 + later, PIECES.index("tom_floor"), 0.6, 0.8)]
    assert by_song(bands, np.zeros((100, 9)), picked) == picked


def test_toms_are_above_those_found_among_the_kicks():
    """Their pitch is that of the low end; in the toms' stem there is little of them."""
    bands, onset = np.full((2000, BANDS), -70.0), np.zeros((2000, 9))
    picked, low = [], []
    for k in range(24):
        frame = 50 + 80 * k
        onset[frame, 2:5] = 0.02, 0.05, 0.9  # a floor tom, by what is heard
        if k % 2:
            low.append(frame / 100)
        else:
            bands[frame:frame + 12, 3] = 0.0
        picked.append((frame / 100, PIECES.index("tom_floor"), 0.5, 0.7))
    alone = by_song(bands, onset, picked[::2])
    assert {PIECES[h[1]] for h in alone} == {"tom_floor"}
    named = by_song(bands, onset, picked, LowToms(np.array(low), np.full(12, np.log2(72.0))))
    assert [PIECES[h[1]] for h in named[1::2]] == ["tom_floor"] * 12
    assert {PIECES[h[1]] for h in named[::2]} <= {"tom_high", "tom_mid"}
    assert [(h[0], *h[2:]) for h in named] == [(h[0], *h[2:]) for h in picked]


@pytest.mark.parametrize("high, floor", [(100, 10), (10, 100), (24, 4), (200, 16)])
def test_a_tom_that_is_hardly_struck_keeps_its_name(high, floor):
    rng = np.random.default_rng(8)
    pitch = np.concatenate([strokes(rng, 160, high), strokes(rng, 90, floor)])
    heard = np.repeat([[0.9, 0.07, 0.03], [0.03, 0.07, 0.9]], [high, floor], axis=0)
    assert name_toms(pitch, heard).tolist() == [0] * high + [2] * floor


@pytest.mark.parametrize("floor", [0.2, 0.4, 0.6, 0.8])
def test_one_unsure_stroke_of_a_clear_pitch_goes_by_that(floor):
    rng = np.random.default_rng(9)
    pitch = np.concatenate([strokes(rng, 160, 31), strokes(rng, 90, 30)])
    heard = np.repeat([[0.9, 0.07, 0.03], [0.03, 0.07, 0.9]], [31, 30], axis=0)
    heard[30] = 0.7 * (1 - floor), 0.3 * (1 - floor), floor
    assert name_toms(pitch, heard).tolist() == [0] * 31 + [2] * 30


def test_a_finer_pitch_tells_toms_that_are_tuned_alike():
    rng = np.random.default_rng(11)
    pitch, fine = (np.concatenate([strokes(rng, 128, 30, 0.04), strokes(rng, 116, 30, 0.04),
                                   strokes(rng, 80, 40, 0.04)]),
                   np.concatenate([strokes(rng, 126, 30, 0.008), strokes(rng, 117, 30, 0.008),
                                   strokes(rng, 79, 40, 0.008)]))
    fine[::7] = np.log2(rng.uniform(45, 170, len(fine[::7])))  # missed
    fine[3::11] = np.nan  # not known
    heard = np.repeat([[0.6, 0.3, 0.1], [0.05, 0.15, 0.8]], [60, 40], axis=0)
    truth = np.repeat([0, 1, 2], [30, 30, 40])
    assert set(name_toms(pitch, heard)) == {0, 2}
    assert (name_toms(pitch, heard, fine) == truth).mean() > 0.95
    nothing = np.full(len(pitch), np.nan)
    assert np.array_equal(name_toms(pitch, heard, nothing), name_toms(pitch, heard))


@pytest.mark.parametrize("bass", [False, True])
def test_the_finer_pitch_is_that_of_the_low_end_where_drums_are_alone(monkeypatch, bass):
    given = []
    monkeypatch.setattr("adt.toms.naming.name_toms",
                        lambda pitch, heard, fine: given.append(fine) or np.zeros(3, int))
    t = np.arange(int(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    audio = np.zeros((1, 4 * SAMPLE_RATE), np.float32)
    for start, hertz in ((1, 126), (2, 117), (3, 41)):
        at = slice(start * SAMPLE_RATE, start * SAMPLE_RATE + len(t))
        audio[0, at] = np.sin(2 * np.pi * hertz * t) * np.exp(-t / 0.1)
    low = LowEnd()
    low.add(audio)
    level = np.full((400, len(STEMS) + 1, GROUPS), -60, np.float16)
    level[:, STEMS.index("toms")], level[:, -1] = 0, 10 if bass else 0
    picked = [(float(k), PIECES.index("tom_high"), 0.5, 0.9) for k in (1, 2, 3)]
    by_song(np.zeros((400, BANDS)), np.zeros((400, 9)), picked, audio=low.finish(), level=level)
    if bass:
        assert given == [None]
    else:
        assert 2 ** given[0][:2] == pytest.approx([126, 117], abs=2) and np.isnan(given[0][2])


@pytest.mark.parametrize("names", [(1, 0, 0), (0, 0, 1), (0, 0, 0), (0, 1, 0)])
@pytest.mark.parametrize("gaps", [(0.028, 0.0106), (0.0106, 0.028), (0.014, 0.014)])
def test_hits_of_one_tom_stay_apart(monkeypatch, names, gaps):
    monkeypatch.setattr("adt.toms.naming.name_toms", lambda *_: np.array(names))
    times = 0.449 + np.cumsum([0, *gaps])
    picked = [(float(t), PIECES.index(p), 0.5, 0.7)
              for t, p in zip(times, ("tom_high", "tom_mid", "tom_floor"))]
    named = by_song(np.full((100, BANDS), -70.0), np.zeros((100, 9)), picked)
    for tom in {h[1] for h in named}:
        own = [h[0] for h in named if h[1] == tom]
        assert (np.diff(own) >= 0.03 - 1e-9).all()
