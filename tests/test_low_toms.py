"""The low end of a recording, and low toms that are heard as kicks."""

import numpy as np
import pytest

from adt import Hit, Transcription
from adt.activations import Activations
from adt.calibration import calibrate
from adt.frames import FRAME_RATE, SAMPLE_RATE
from adt.levels import GROUPS
from adt.peaks import STEM_THRESHOLDS, pick_peaks
from adt.toms.low_end import RATE, LowEnd, added_spectra, leak, pitches
from adt.toms.low_toms import find_low_toms, lend_levels
from adt.vocabulary import PIECES, STEMS

KICK, FLOOR = PIECES.index("kick"), PIECES.index("tom_floor")


def low_of(audio, block=SAMPLE_RATE):
    low = LowEnd()
    for start in range(0, audio.shape[1], block):
        low.add(audio[:, start:start + block])
    return low.finish()


def tone(hertz, seconds=0.3, decay=0.08):
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.sin(2 * np.pi * hertz * t) * np.exp(-t / decay)


def test_low_end_is_the_same_however_the_audio_is_cut():
    audio = np.random.default_rng(0).standard_normal((2, 100_000)).astype(np.float32)
    whole = low_of(audio, 100_000)
    assert whole.dtype == np.float16 and len(whole) == pytest.approx(100_000 / 64, abs=1)
    for block in (44_100, 7_777):
        assert np.array_equal(low_of(audio, block), whole)


def test_low_end_of_channels_that_cancel():
    mono = np.random.default_rng(1).standard_normal((1, SAMPLE_RATE)).astype(np.float32)
    alone = low_of(mono)
    np.testing.assert_array_equal(low_of(np.concatenate([mono, mono])), alone)
    np.testing.assert_array_equal(low_of(np.concatenate([mono, -mono])), alone)
    other = np.random.default_rng(2).standard_normal((1, SAMPLE_RATE)).astype(np.float32)
    both = low_of(np.concatenate([mono, other])).astype(np.float64)
    np.testing.assert_allclose(both, (alone.astype(np.float64) + low_of(other)) / 2, atol=0.1)


def test_low_end_keeps_times_and_leaves_out_what_is_high():
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    audio = np.sin(2 * np.pi * 100 * t) + np.sin(2 * np.pi * 3000 * t)
    low = low_of(audio[None].astype(np.float32)).astype(float)
    inside = slice(100, 600)
    expected = np.sin(2 * np.pi * 100 * np.arange(len(low)) / RATE)
    assert np.corrcoef(low[inside], expected[inside])[0, 1] > 0.999


def test_silence_and_nothing():
    assert not low_of(np.zeros((1, 5000), np.float32)).any()
    assert np.isfinite(low_of(np.full((1, 5000), 1e9, np.float32))).all()
    assert len(LowEnd().finish()) == 0


def test_pitch_of_what_a_stroke_adds():
    audio = np.zeros(2 * SAMPLE_RATE)
    audio[:len(tone(55, 2, 2))] += tone(55, 2, 2)[:len(audio)]  # rings throughout
    audio[SAMPLE_RATE:SAMPLE_RATE + len(tone(74))] += 2 * tone(74)
    found = pitches(*added_spectra(low_of(audio[None].astype(np.float32)), np.array([1.0])))
    assert found[0] == pytest.approx(74, abs=2)
    edges = pitches(*added_spectra(np.zeros(10, np.float16), np.array([0.0, 0.005, 9.0])))
    assert np.isfinite(edges).all()


class Song:
    """Kicks and, in every fourth place, strokes that are taken for kicks."""

    def __init__(self, other=74.0, count=40, doubt=0.05, drift=0.0, overtone=False, every=4,
                 bass=-60.0, of_kick=0.001):
        rng = np.random.default_rng(0)
        self.times = 0.2 + 0.4 * np.arange(count)
        self.truth = np.arange(count) % every == every - 1
        audio = np.zeros(int((self.times[-1] + 1) * SAMPLE_RATE))
        self.onset = np.zeros((int(len(audio) / SAMPLE_RATE * FRAME_RATE) + 1, 9), np.float32)
        for time, is_tom in zip(self.times, self.truth):
            sound = tone((other if is_tom else 57.0) * np.exp(drift * rng.standard_normal()))
            if is_tom and overtone:
                sound += 0.9 * tone(57.0)
            start = int(time * SAMPLE_RATE)
            audio[start:start + len(sound)] += rng.uniform(0.2, 1.0) * sound
            frame = round(time * FRAME_RATE)
            self.onset[frame, KICK] = 0.9
            self.onset[frame, FLOOR] = doubt if is_tom else of_kick
        self.low = low_of(audio[None].astype(np.float32))
        self.level = np.full((len(self.onset), len(STEMS) + 1, GROUPS), -60, np.float16)
        self.level[:, STEMS.index("kick")] = 0
        self.level[:, -1] = 10 * np.log10(1 + 10 ** (bass / 10))
        self.picked = [(float(t), KICK, 0.5, 0.9) for t in self.times]

    def heard_and_right(self):
        """Activations with these peaks, and what is right."""
        quiet = np.zeros_like(self.onset)
        heard = Activations(self.onset, quiet, quiet, self.times[-1] + 1, levels=self.level,
                            low=self.low)
        return heard, Transcription(
            [Hit(float(t), PIECES[FLOOR if tom else KICK])
             for t, tom in zip(self.times, self.truth)], heard.duration)

    def called_toms(self):
        found, (times, _) = find_low_toms(self.low, self.level, self.onset, self.picked)
        assert times.tolist() == [hit[0] for hit in found if hit[1] == FLOOR]
        assert [hit[0] for hit in found] == self.times.tolist()
        assert {hit[1] for hit in found} <= {KICK, FLOOR}
        assert all(hit[2:] == (0.5, 0.9) for hit in found)
        return np.array([hit[1] == FLOOR for hit in found])


@pytest.mark.parametrize("change", [
    {},
    {"other": 68.5},  # so near that its tone shows at the kick's pitch, through the window
    {"other": 145.0},
    {"doubt": 0.007, "of_kick": 0.001},
    {"doubt": 0.4, "of_kick": 0.2}  # the detectors think of toms throughout
], ids=str)
def test_low_toms_of_a_machine_are_found(change):
    song = Song(**change)
    assert song.called_toms().tolist() == song.truth.tolist()


def test_a_tone_shows_beside_its_own_pitch():
    hertz, power = added_spectra(low_of(np.concatenate([np.zeros(SAMPLE_RATE), tone(74)])[None]
                                        .astype(np.float32)), np.array([1.0]))
    for other in (74, 70, 66, 63):
        seen = power[0, np.abs(hertz - other).argmin()] / power[0, np.abs(hertz - 74).argmin()]
        assert 10 * np.log10(seen) == pytest.approx(leak(74 - other), abs=2)
    assert leak(0) == 0 and leak(11) == leak(-11) == pytest.approx(-13.8, abs=0.1)


@pytest.mark.parametrize("change", [
    {"doubt": 0.001},  # the detectors see no difference: another kick
    {"doubt": 0.4, "of_kick": 0.35},  # hardly any
    {"other": 62.0},  # hardly higher than the kick
    {"other": 170.0},  # too high to be a low tom
    {"drift": 0.05},  # strokes differ, as on a drum: a kick may do so too
    {"overtone": True},  # comes with the kick's own pitch
    {"bass": -9.0},  # dB under the drums: pitches may be its own
    {"every": 20},  # two strokes only
    {"count": 6},  # too few of either
], ids=lambda change: next(iter(change)))
def test_kicks_stay_kicks(change):
    assert not Song(**change).called_toms().any()


def test_a_kick_that_comes_with_a_tom_stays_one():
    song = Song()
    song.picked += [(float(t) + 0.01, FLOOR, 0.5, 0.9) for t in song.times[song.truth]]
    song.picked.sort()
    found, (times, _) = find_low_toms(song.low, song.level, song.onset, song.picked)
    assert found == song.picked and len(times) == 0


def test_nothing_to_look_at():
    song = Song()
    assert find_low_toms(song.low, song.level, song.onset, [])[0] == []
    assert find_low_toms(song.low[:0], song.level, song.onset, song.picked)[0] == song.picked


def test_velocities_of_low_toms_are_told_from_the_stem_they_are_in():
    level = np.full((100, len(STEMS) + 1, GROUPS), -60, np.float16)
    kick, toms = STEMS.index("kick"), STEMS.index("toms")
    level[:, kick] = 0
    lent = lend_levels(level, np.array([0.0, 0.5]))
    heard = np.flatnonzero((lent[:, toms] == 0).all(axis=1)).tolist()
    assert heard == [*range(8), *range(49, 58)]
    assert np.array_equal(np.delete(lent, toms, axis=1), np.delete(level, toms, axis=1))
    assert (level[:, toms] == -60).all()  # the array given is left alone
    assert lend_levels(level, np.zeros(0)) is level


def test_without_stems_nothing_is_found():
    song = Song()
    found, (times, _) = find_low_toms(song.low, song.level[:, -1:], song.onset, song.picked)
    assert found == song.picked and len(times) == 0


def test_calibration_knows_them_as_toms():
    """Thresholds are fitted to what is transcribed in the end, not to what is picked."""
    found = calibrate(*Song().heard_and_right())
    assert found.before == {**dict.fromkeys(STEMS), "kick": 1.0, "toms": 1.0}
    assert found.thresholds == STEM_THRESHOLDS


def test_calibration_keeps_the_kicks_that_are_low_toms():
    """A threshold that drops invented kicks must not drop the toms among them."""
    song = Song()
    song.onset[np.round(song.times[song.truth] * FRAME_RATE).astype(int), KICK] = 0.56
    song.onset[np.round((song.times[:-1] + 0.2) * FRAME_RATE).astype(int), KICK] = 0.62
    heard, right = song.heard_and_right()
    found = calibrate(heard, right)
    picked = pick_peaks(heard.onset, heard.velocity, heard.offset, found.thresholds)
    toms = find_low_toms(heard.low, heard.levels, heard.onset, picked)[1].times
    assert found.after["toms"] == pytest.approx(
        2 * len(toms) / (len(toms) + song.truth.sum()), abs=1e-6)


def test_low_end_is_kept_with_the_activations(tmp_path):
    zeros = np.zeros((50, 9), np.float32)
    low = np.linspace(-1, 1, 700, dtype=np.float16)
    path = Activations(zeros, zeros, zeros, 0.5, low=low).save(tmp_path / "a.npz")
    assert np.array_equal(Activations.load(path).low, low)
