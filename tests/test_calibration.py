"""Thresholds from a corrected part of a song."""

import numpy as np
import pytest

from adt import Hit, Transcription
from adt.activations import Activations
from adt.calibration import calibrate
from adt.errors import ConfigError
from adt.peaks import DEFAULT_THRESHOLD
from adt.vocabulary import PIECES


def song(heights, times, noise=(), noise_height=0.0, length=60.0):
    """Activations of kicks with `heights` at `times`, and false peaks at `noise`."""
    onset = np.zeros((int(length * 100) + 1, len(PIECES)), np.float32)
    for t, height in [*zip(times, heights), *((t, noise_height) for t in noise)]:
        onset[round(t * 100), 0] = height
    return Activations(onset, np.full_like(onset, 0.5), np.zeros_like(onset), length)


def kicks(times):
    return Transcription([Hit(t, "kick") for t in times], max(times) + 0.1)


def test_quiet_kicks_are_found():
    times = np.arange(0.5, 60, 0.5)
    heard = song([0.24] * len(times), times)
    found = calibrate(heard, kicks(times[:60]), 0, 30)
    assert 0.1 <= found.thresholds["kick"] < 0.24 < DEFAULT_THRESHOLD
    assert found.before["kick"] == 0 and found.after["kick"] == 1
    assert found.thresholds["hihat"] == DEFAULT_THRESHOLD  # nothing said of it


def test_false_kicks_are_dropped():
    times = np.arange(0.5, 60, 0.5)
    found = calibrate(song([0.8] * len(times), times, times + 0.25, 0.5),
                      kicks(times[:60]), 0, 30)
    assert 0.5 < found.thresholds["kick"] <= 0.8


def test_flams_are_two_strokes_of_the_reference():
    times = np.arange(0.5, 30, 0.5)
    found = calibrate(song([0.9] * len(times), times), kicks(np.concatenate([times, times + 0.02])))
    assert found.before["kick"] == pytest.approx(2 / 3)  # as `adt.scoring` has it


def test_one_hit_hardly_moves_it():
    heard = song([0.12], [1.0])
    found = calibrate(heard, kicks([1.0]), 0, 30)
    assert found.thresholds["kick"] == DEFAULT_THRESHOLD


def test_perfect_part_keeps_the_threshold():
    times = np.arange(0.5, 30, 0.5)
    heard = song([0.9] * len(times), times)
    assert calibrate(heard, kicks(times)).thresholds["kick"] == DEFAULT_THRESHOLD
    assert calibrate(heard, kicks(times), thresholds={"kick": 0.7}).thresholds["kick"] == 0.7


def test_offset_is_reported_and_hits_stay():
    times = np.arange(0.5, 30, 0.5)
    found = calibrate(song([0.9] * len(times), times), kicks(times + 0.07), 0, 20)
    assert found.offset == pytest.approx(0.07, abs=1e-6)
    assert found.after["kick"] > 0.98 and "70 ms later" in found.describe()


def test_merge_takes_the_part_from_the_corrected_file():
    found = calibrate(song([0.9] * 3, [1, 2, 3]), kicks([1.0, 2.0]), 0, 2.5)
    heard = Transcription([Hit(1.2, "snare"), Hit(2.51, "kick"), Hit(5.0, "ride")], 60)
    corrected = Transcription([Hit(1.0, "kick"), Hit(2.49, "kick"), Hit(9.0, "crash")], 10)
    merged = found.merge(heard, corrected)
    assert [(h.time, h.piece) for h in merged] == [(1.0, "kick"), (2.49, "kick"), (5.0, "ride")]


@pytest.mark.parametrize("detected, corrected, left", [
    (2.499, 2.504, [2.504]), (2.504, 2.499, [2.499]), (2.54, 2.496, [2.496]),
    (2.47, 2.51, [2.51]), (2.45, 2.54, [])])
def test_a_stroke_at_the_edge_of_the_part_is_there_once(detected, corrected, left):
    found = calibrate(song([0.9] * 3, [1, 2, 3]), kicks([1.0, 2.0]), 0, 2.5)
    merged = found.merge(Transcription([Hit(1.0, "kick"), Hit(detected, "snare")], 60),
                         Transcription([Hit(1.0, "kick"), Hit(corrected, "snare")], 60))
    assert [h.time for h in merged if h.piece == "snare"] == left


def test_the_rest_of_a_song_is_not_corrected_to_silence():
    """A file may know how long the song is, and yet be of its beginning."""
    heard = song([0.9] * 4, [1, 2, 3, 4])
    corrected = Transcription([Hit(1.0, "kick"), Hit(2.0, "kick")], 60)
    found = calibrate(heard, corrected)
    assert found.end == pytest.approx(2.03) and "from 0 to 2.0 s" in found.describe()
    merged = found.merge(Transcription([Hit(3.0, "kick")], 60), corrected)
    assert [h.time for h in merged] == [1.0, 2.0, 3.0]
    with pytest.raises(ConfigError, match="no hit"):
        calibrate(heard, Transcription([], 60))
    with pytest.raises(ConfigError, match="end at 2.03 s, before the part that begins at 9 s"):
        calibrate(heard, corrected, 9)


def test_the_last_corrected_hit_belongs_to_the_part(tmp_path):
    heard = song([0.9] * 4, [1, 2, 3, 4])
    for name in ("a.labels.txt", "a.csv", "a.txt"):  # files whose end is their last hit
        Transcription([Hit(1.0, "kick"), Hit(2.05, "crash")], 60).save(tmp_path / name)
        corrected = Transcription.load(tmp_path / name)
        found = calibrate(heard, corrected)
        merged = found.merge(Transcription([Hit(2.06, "snare"), Hit(3, "kick")], 60), corrected)
        assert [(h.time, h.piece) for h in merged] == [
            (1.0, "kick"), (2.05, "crash"), (3.0, "kick")]


def test_a_shared_transcriber_keeps_its_thresholds():
    class Transcriber:
        thresholds = {"kick": 0.7}

        def hits(self, activations, thresholds=None):
            assert self.thresholds == {"kick": 0.7}  # other threads may be using them
            assert thresholds == found.thresholds
            return Transcription([Hit(5.0, "ride")], 60)

    heard, corrected = song([0.9] * 3, [1, 2, 3]), kicks([1.0, 2.0])
    found = calibrate(heard, corrected, 0, 2.5)
    assert len(found.transcribe(Transcriber(), heard, corrected)) == 3


@pytest.mark.parametrize("start, end", [(5, 5), (-1, 3), (70, 80), (10, 20)])
def test_part_without_hits(start, end):
    with pytest.raises(ConfigError, match="no part|no hit"):
        calibrate(song([0.9], [1.0]), kicks([1.0]), start, end)


def test_corrections_are_of_nine_pieces():
    with pytest.raises(ConfigError, match="a correction needs all nine pieces, and there are 3"):
        calibrate(song([0.9], [1.0]), kicks([1.0]).reduce(3), 0, 2)


@pytest.mark.parametrize("options, message", [
    (["--calibrate-range", "0:3"], "goes with --calibrate"),
    (["--calibrate", "a.txt", "--calibrate-range", "x"], "write START:END"),
    (["--calibrate", "none.mid"], "no such file"),
])
def test_command_line_errors(tmp_path, monkeypatch, capsys, options, message):
    import soundfile

    from adt.cli import main
    monkeypatch.chdir(tmp_path)
    soundfile.write("song.wav", np.zeros(4410), 44100)
    kicks([0.05]).save("a.txt")
    assert main(["transcribe", "song.wav", "-o", "song.mid", *options]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("shift", [0.23, -0.31, 7.7])
def test_a_file_that_does_not_fit_the_song_is_told(shift):
    times = np.cumsum(np.random.default_rng(0).uniform(0.2, 0.9, 60))
    heard = song([0.9] * len(times), times)
    with pytest.warns(UserWarning, match="corrected hits .* begin where it begins"):
        found = calibrate(heard, kicks(times[:40] + max(shift, 0.0) + min(shift, 0.0)), 0,
                          times[30])
    assert found.offset == 0 and "not applied" not in found.describe()


def test_quiet_strokes_are_no_misfit(recwarn):
    times = np.arange(0.5, 60, 0.5)
    calibrate(song([0.24] * len(times), times), kicks(times[:60]), 0, 30)
    assert not recwarn.list


def test_far_offsets_ask_whether_the_file_begins_with_the_song():
    times = np.arange(0.5, 30, 0.5)
    found = calibrate(song([0.9] * len(times), times), kicks(times + 0.07), 0, 20)
    assert "does the file begin where the song begins?" in found.describe()
