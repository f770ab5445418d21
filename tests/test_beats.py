import numpy as np
import pytest

import adt
from adt.beats import Beats
from adt.errors import DataError
from adt.transcription import Hit, Transcription


def test_what_beats_say():
    beats = Beats([0.5, 1.0, 1.5, 2.0, 2.5], [3, 1, 2, 3, 1])
    assert (beats.metre, round(beats.tempo, 6)) == (3, 120)
    assert beats.downbeats.tolist() == [1.0, 2.5]
    assert beats.bars(10) == [(0.5, 1.0, 1), (1.0, 2.5, 3), (2.5, 4.0, 3)]
    assert beats.bars(2.5) == [(0.5, 1.0, 1), (1.0, 2.5, 3)]


def test_a_bar_begun_within_ends_by_the_metre():
    assert Beats([0, 1], [2, 3]).bars(9) == [(0.0, 2.0, 2)]


def test_positions_and_times_are_inverse_and_go_on_outside():
    beats = Beats([1.0, 1.5, 2.5], [1, 2, 1])
    assert beats.position_of([0.0, 1.25, 2.0, 4.5]).tolist() == [-2.0, 0.5, 1.5, 4.0]
    seconds = np.linspace(-3, 9, 50)
    np.testing.assert_allclose(beats.time_of(beats.position_of(seconds)), seconds)


@pytest.mark.parametrize("times, positions", [
    ([0, 1], [1]), ([1, 0], [1, 2]), ([0, float("nan")], [1, 2]), ([0, 1], [0, 1]),
    ([0, 1], [1, 1.5])])
def test_wrong_beats_are_refused(times, positions):
    with pytest.raises(ValueError):
        Beats(times, positions)


def test_too_few_beats():
    assert Beats([], []).metre == 0 and np.isnan(Beats([1], [1]).tempo)
    with pytest.raises(ValueError, match="two"):
        Beats([1], [1]).position_of(0)


def test_beats_of_other_bars_are_others():
    assert Beats([1, 2], [1, 2], bar=4) != Beats([1, 2], [1, 2])
    assert Beats([1, 2], [1, 2], bar=2) == Beats([1, 2], [1, 2])


def test_files(tmp_path):
    beats = Beats([0.01, 0.5100004, 1], [2, 1, 2])
    assert Beats.load(beats.save(tmp_path / "a.beats")) == beats
    for told in (Beats([1, 2, 3], [1, 2, 1], compound=True), Beats([1, 2], [2, 3], bar=4)):
        again = Beats.load(told.save(tmp_path / "a.beats"))
        assert again == told and again.signature(again.metre) == told.signature(told.metre)
    (tmp_path / "a.beats").write_text("# of a song\n0\t1\n1\t2\n")
    assert Beats.load(tmp_path / "a.beats") == Beats([0, 1], [1, 2])
    (tmp_path / "b.beats").write_text("0.1 one\n")
    for name in ("b.beats", "none.beats"):
        with pytest.raises(DataError, match=name):
            Beats.load(tmp_path / name)


def test_a_transcription_keeps_its_beats():
    beats = adt.Beats([0, 0.5], [1, 2])
    song = Transcription([Hit(0, "kick")], 1, beats=beats)
    assert song.reduce(5).beats == beats
    assert song == Transcription([Hit(0, "kick")], 1, beats=beats)
    assert song != Transcription([Hit(0, "kick")], 1)


@pytest.mark.parametrize("text, words", [
    ("1\t1\n1.00001\t2\n1.5\t3\n", "two beats at 1.000 s"),
    ("1\t1\n1.5\t3\n", "place 3 at 1.500 s after place 1"),
    ("# 7/8\n1\t1\n1.5\t2\n", "7/8: bars are of quarters"),
    ("1\t2\n1.5\t2\n", "place 2 at 1.500 s after place 2")])
def test_slips_of_the_hand_in_a_file_of_beats(tmp_path, text, words):
    path = tmp_path / "a.beats"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        Beats.load(path)


def test_loading_keeps_the_beats_that_a_reader_finds(tmp_path, monkeypatch):
    beats = Beats([0, 0.5], [1, 2])
    path = tmp_path / "a.mid"
    path.touch()
    monkeypatch.setattr("adt.transcription.reader",
                        lambda path: lambda path: ([Hit(0, "kick")], 1.0, beats))
    assert Transcription.load(path).beats == beats
