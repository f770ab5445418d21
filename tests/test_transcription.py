"""Transcriptions: reduction, formats, atomic writes."""

import os
import stat
import sys
import tomllib
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adt.beats import Beats
from adt.errors import DataError, OutputError
from adt.extras import EXTRAS
from adt.formats import READERS
from adt.transcription import FORMATS, Hit, Transcription
from adt.vocabulary import MIN_HIT_DISTANCE, PIECE_TO_GM, PIECES, class_names


@pytest.fixture
def song():
    hits = [Hit(0.1 + 0.1234567 * i, piece, 10 + 13 * i, i / 9)
            for i, piece in enumerate(PIECES)]
    hits += [Hit(600.000001, "kick", 1, 0.5), Hit(600.030001, "kick", 127, 1.0)]
    return Transcription(hits[::-1], duration=601.0, source="song")


hit_lists = st.lists(st.builds(
    Hit, time=st.floats(0, 3), piece=st.sampled_from(PIECES),
    velocity=st.integers(1, 127), confidence=st.floats(0, 1)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(hit_lists, st.sampled_from([3, 5, 7, 9]))
def test_reduce_leaves_one_hit_per_class_and_30_ms(hits, classes):
    full = Transcription(hits, 3.0)
    reduced = full.reduce(classes)
    assert reduced.classes == classes and len(reduced) <= len(full)
    assert list(reduced) == sorted(reduced)
    for name in class_names(classes):
        times = np.array([h.time for h in reduced if h.piece == name])
        assert (np.diff(times) >= MIN_HIT_DISTANCE - 1e-9).all()
    # reducing again changes nothing, and nothing is invented
    assert reduced.reduce(classes) == reduced
    assert {(h.time, h.velocity) for h in reduced} <= {(h.time, h.velocity) for h in full}
    if hits and classes == 9:  # the loudest hit survives
        assert max(h.velocity for h in reduced) == max(h.velocity for h in full)


def test_reduce_keeps_the_louder():
    song = Transcription([Hit(1.0, "ride", 50, 0.9), Hit(1.01, "crash", 100, 0.5),
                          Hit(1.05, "ride", 40, 0.9)], 2.0)
    assert list(song.reduce(5)) == [Hit(1.01, "CY", 100, 0.5), Hit(1.05, "CY", 40, 0.9)]
    assert list(song.reduce(3)) == []
    assert len(song.reduce(9)) == 3


@pytest.mark.parametrize("start, end", [(5, 9), (3, 5), (5, 7)])
def test_reduce_cannot_grow(song, start, end):
    with pytest.raises(ValueError, match="cannot be told apart"):
        song.reduce(start).reduce(end)


def test_reduce_in_steps(song):
    assert song.reduce(7).reduce(5).reduce(3) == song.reduce(3)


def test_sequence(song):
    assert len(song) == 11 and song[0].piece == "kick" and song[-1].velocity == 127
    assert [h.time for h in song] == sorted(h.time for h in song)
    assert song[1].time == 0.223457  # to the microsecond
    assert "11 hits" in repr(song)
    assert song.events(5)["TT"].tolist() == [h.time for h in song if "tom" in h.piece]


@pytest.mark.parametrize("hit, message", [
    (Hit(-0.1, "kick"), "time of a hit"), (Hit(float("nan"), "kick"), "time of a hit"),
    (Hit(0, "kick", 0), "velocity"), (Hit(0, "kick", 128), "velocity"),
    (Hit(0, "kick", 1, 1.5), "confidence"), (Hit(0, "KD"), "no piece 'KD'"),
])
def test_bad_hits(hit, message):
    with pytest.raises(ValueError, match=message):
        Transcription([hit], 1.0)


def test_bad_class_count():
    with pytest.raises(ValueError, match="no set of 4"):
        Transcription([], 1.0, classes=4)


@pytest.mark.parametrize("suffix", FORMATS)
def test_save_every_format(song, tmp_path, suffix):
    song.beats = Beats([0.0, 0.5, 1.0, 1.5, 2.0], [1, 2, 3, 4, 1])
    path = song.save(tmp_path / f"song{suffix}")
    assert path.stat().st_size > 0
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no temporary name left
    first = path.read_bytes()
    song.save(path)  # replaces
    if suffix != ".jams":  # which carries the date
        assert path.read_bytes() == first


def test_csv_round_trip(song, tmp_path):
    back = Transcription.load(song.save(tmp_path / "song.csv"))
    assert [(h.time, h.piece, h.velocity) for h in back] == [
        (h.time, h.piece, h.velocity) for h in song]
    assert np.allclose([h.confidence for h in back], [h.confidence for h in song], atol=1e-4)
    first = (tmp_path / "song.csv").read_text(encoding="utf-8").splitlines()[:2]
    assert first == ["time,piece,velocity,confidence", "0.100000,kick,10,0.0000"]


def test_csv_of_low_confidence_is_kept(tmp_path):
    path = Transcription([Hit(0, "kick", 1, 0.0)], 1).save(tmp_path / "a.csv")
    assert Transcription.load(path)[0].confidence == 0


@pytest.mark.parametrize("classes", [3, 5, 7, 9])
def test_txt_round_trip(song, tmp_path, classes):
    reduced = song.reduce(classes)
    back = Transcription.load(reduced.save(tmp_path / "song.txt"))
    assert back.classes == max(classes, 5)  # three classes may be five of which two rest
    assert [(h.time, h.piece) for h in back] == [(h.time, h.piece) for h in reduced]
    line = (tmp_path / "song.txt").read_text(encoding="utf-8").splitlines()[0]
    assert line == "0.100000\t" + reduced[0].piece


def test_midi_round_trip(song, tmp_path):
    back = Transcription.load(song.save(tmp_path / "song.mid"))
    assert [(h.piece, h.velocity) for h in back] == [(h.piece, h.velocity) for h in song]
    assert np.allclose([h.time for h in back], [h.time for h in song], rtol=0, atol=1e-3)


def test_midi_through_pretty_midi(song, tmp_path):
    midi = pretty_midi.PrettyMIDI(str(song.save(tmp_path / "song.mid")))
    (drums,) = midi.instruments
    assert drums.is_drum and drums.name == "Drums"
    assert sorted(n.pitch for n in drums.notes) == sorted(PIECE_TO_GM[h.piece] for h in song)
    assert all(n.end > n.start for n in drums.notes)


def test_midi_through_mido(song, tmp_path):
    midi = mido.MidiFile(song.save(tmp_path / "song.mid"))
    now, starts, sounding = 0.0, [], set()
    for message in midi:
        now += message.time
        if message.type == "note_on" and message.velocity:
            assert message.channel == 9 and message.note not in sounding
            sounding.add(message.note)
            starts.append(now)
        elif message.type in ("note_on", "note_off"):
            sounding.discard(message.note)
    assert not sounding
    assert np.allclose(starts, [h.time for h in song], rtol=0, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(hit_lists)
def test_midi_keeps_every_hit(tmp_path_factory, hits):
    song = Transcription(hits, 3.0).reduce(9)
    back = Transcription.load(song.save(tmp_path_factory.mktemp("midi") / "song.mid"))
    for name, times in song.events(9).items():
        assert np.allclose(back.events(9)[name], times, rtol=0, atol=1e-3)


def test_jams_validates(song, tmp_path):
    jams = pytest.importorskip("jams")
    path = song.save(tmp_path / "song.jams")
    loaded = jams.load(str(path), validate=True, strict=True)
    (annotation,) = loaded.annotations
    assert annotation.namespace == "tag_open" and loaded.file_metadata.duration == 601.0
    assert [o.value for o in annotation.data] == [h.piece for h in song]
    assert np.allclose([o.time for o in annotation.data], [h.time for h in song], atol=1e-6)
    assert list(annotation.sandbox.velocity) == [h.velocity for h in song]


def test_threads_may_write_files_of_one_name(tmp_path):
    many = Transcription([Hit(k / 20, "kick") for k in range(5000)], 250.0)
    few = Transcription([Hit(k / 20, "snare") for k in range(5000)], 250.0)
    paths = [tmp_path / f"{'x' * 100}{end}.csv" for end in "AB"]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            list(pool.map(lambda pair: pair[0].save(pair[1]), zip((many, few) * 4, paths * 4)))
    assert [Transcription.load(path)[0].piece for path in paths] == ["kick", "snare"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("hit, duration", [
    (Hit(0, "kick", 64.9), 1.0), (Hit(0, "kick", 127.9), 1.0),
    (Hit(0, "kick"), float("nan")), (Hit(0, "kick"), -5)])
def test_numbers_that_cannot_be(hit, duration):
    with pytest.raises(ValueError, match="expected"):
        Transcription([hit], duration)


def test_times_of_hours_do_not_drift(tmp_path):
    times = 0.31 + np.arange(5000) * 60 / 97.3 + np.random.default_rng(0).normal(0, 0.01, 5000)
    beats = Beats(times, np.arange(5000) % 4 + 1)
    played = Transcription([Hit(t, "kick") for t in np.arange(1, 3000, 7.337)], 3100.0, "x", 9,
                           beats)
    loaded = Transcription.load(played.save(tmp_path / "long.mid"))
    resolution = mido.MidiFile(tmp_path / "long.mid").ticks_per_beat
    drift = max(abs(a.time - b.time) for a, b in zip(played, loaded, strict=True))
    assert drift < 0.5 * 0.66 / resolution + 1e-4


def test_jams_missing_names_its_libraries(song, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jams", None)
    with pytest.raises(OutputError, match="library jams; pip install jams pandas"):
        song.save(tmp_path / "song.jams")
    assert list(tmp_path.iterdir()) == []


def test_jams_that_cannot_be_imported_is_not_called_missing(song, tmp_path, monkeypatch):
    (tmp_path / "jams.py").write_text("import no_such_library_of_its_own\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "jams", raising=False)
    with pytest.raises(OutputError, match="cannot be imported .*no_such_library_of_its_own"):
        song.save(tmp_path / "song.jams")


def test_libraries_named_are_those_of_the_extras():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    for extra, libraries in EXTRAS.items():
        wanted = [line.split(">")[0] for line in project["optional-dependencies"][extra]]
        assert list(libraries) == wanted


def test_dataframe(song):
    pytest.importorskip("pandas")
    frame = song.to_dataframe()
    assert list(frame.columns) == ["time", "piece", "velocity", "confidence"]
    assert frame.velocity.tolist() == [h.velocity for h in song]
    assert len(Transcription([], 0).to_dataframe()) == 0


@pytest.mark.parametrize("suffix", READERS)
def test_empty_transcription(tmp_path, suffix):
    path = Transcription([], 1.0).save(tmp_path / f"none{suffix}")
    assert path.exists()
    if suffix != ".jams":
        assert len(Transcription.load(path)) == 0


def test_unknown_suffix(song, tmp_path):
    with pytest.raises(OutputError, match=r"unknown format '.wav'; choose one of .mid"):
        song.save(tmp_path / "song.wav")
    with pytest.raises(OutputError, match="unknown format ''"):
        song.save(tmp_path / "song")


def test_missing_folder_and_folder_as_name(song, tmp_path):
    with pytest.raises(OutputError, match="does not exist; create it"):
        song.save(tmp_path / "no" / "song.mid")
    (tmp_path / "song.mid").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        song.save(tmp_path / "song.mid")


def test_failed_write_leaves_the_old_file(song, tmp_path, monkeypatch):
    path = song.save(tmp_path / "song.csv")
    before = path.read_bytes()

    def fail(self, name):
        name.write_text("half")
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("adt.formats.text.write_csv", fail)
    with pytest.raises(OutputError, match="song.csv: cannot be written .No space"):
        song.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "umask"), reason="POSIX permissions")
def test_written_file_follows_the_umask(song, tmp_path):
    before = os.umask(0o022)
    try:
        mode = song.save(tmp_path / "song.txt").stat().st_mode
    finally:
        os.umask(before)
    assert stat.S_IMODE(mode) == 0o644


@pytest.mark.parametrize("name, content, message", [
    ("a.mid", b"not midi", "not a readable MIDI"),
    ("a.csv", b"x,y\n1,2\n", "columns time, piece"),
    ("a.csv", b"time,piece\nsoon,kick\n", "line 2 is not a time in seconds"),
    ("a.csv", b"time,piece\n1,\xff\n", "not a text file"),
    ("a.txt", b"0.5 kick\n", "line 1 is not time<TAB>label"),
    ("a.txt", b"0.5\t0.5\tkick\n", "line 1 is .* Audacity; rename the file to NAME.labels.txt"),
    ("a.txt", b"\xff\xfe\x00", "not a text file"),
    ("a.txt", b"0.5\tcowbell\n", "labels cowbell are in no set"),
    ("a.txt", b"0.5\tHH\n1.0\thihat_open\n", "labels HH, hihat_open are not all of one set"),
    ("a.txt", b"-1\tkick\n", "time of a hit"),
    ("a.wav", b"RIFF", "read from .mid, .midi, .csv"),
])
def test_load_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        Transcription.load(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_load_missing(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Transcription.load(tmp_path / "none.mid")


def test_load_midi_without_drums(tmp_path):
    midi = pretty_midi.PrettyMIDI()
    piano = pretty_midi.Instrument(0)
    piano.notes.append(pretty_midi.Note(80, 60, 0, 1))
    midi.instruments += [piano, piano]
    midi.write(str(tmp_path / "piano.mid"))
    with pytest.raises(DataError, match="no drum track"):
        Transcription.load(tmp_path / "piano.mid")


def test_drums_on_another_channel(tmp_path):
    """As many programs export a track."""
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(pretty_midi.Instrument(0))
    midi.instruments[0].notes.append(pretty_midi.Note(80, 38, 0.5, 1))
    midi.write(str(tmp_path / "a.mid"))
    with pytest.warns(UserWarning, match="its one track is read as drums"):
        assert [h.piece for h in Transcription.load(tmp_path / "a.mid")] == ["snare"]


def test_one_melodic_track_is_no_drums(tmp_path):
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(pretty_midi.Instrument(0))
    midi.instruments[0].notes += [pretty_midi.Note(80, n, 0.5, 1) for n in (60, 64, 67, 72)]
    midi.write(str(tmp_path / "piano.mid"))
    with pytest.raises(DataError, match="no drum track"):
        Transcription.load(tmp_path / "piano.mid")


def test_drums_on_another_channel_that_never_end(tmp_path):
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack([mido.Message("note_on", channel=3, note=36, velocity=9),
                                       mido.Message("note_on", channel=3, note=38, time=480)]))
    file.save(tmp_path / "a.mid")
    with pytest.warns(UserWarning, match="read as drums"):
        assert [h.piece for h in Transcription.load(tmp_path / "a.mid")] == ["kick", "snare"]


@pytest.mark.parametrize("velocity", ["inf", "0.8", "nan", "1e400"])
def test_velocities_that_are_none(tmp_path, velocity):
    (tmp_path / "a.csv").write_text(f"time,piece,velocity\n0.5,kick,{velocity}\n")
    with pytest.raises(DataError, match="line 2"):
        Transcription.load(tmp_path / "a.csv")


def test_notes_of_another_map_are_told(tmp_path):
    song = Transcription([Hit(0.1 * i, p) for i, p in enumerate(PIECES)], 1.0)
    path = tmp_path / "a.mid"
    song.to_midi(note_map="addictive_drums_2").write(str(path))  # as other programs do
    with pytest.warns(UserWarning, match=r"notes are left out, General MIDI does not have .*"
                      r"note map addictive_drums_2 has them all"):
        Transcription.load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Transcription.load(path, note_map="addictive_drums_2")) == 9


@pytest.mark.skipif(os.name != "posix", reason="links need rights there")
def test_a_link_leads_to_what_was_saved(song, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "near.mid").symlink_to(tmp_path / "far" / "song.dat")
    for _ in range(2):  # to a file that is not there yet, and to one that is
        song.save(tmp_path / "near.mid")
        assert (tmp_path / "near.mid").is_symlink()
        assert len(Transcription.load(tmp_path / "near.mid")) == len(song)
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["song.dat"]
    (tmp_path / "lost.mid").symlink_to(tmp_path / "none" / "song.mid")
    with pytest.raises(OutputError, match="none does not exist"):
        song.save(tmp_path / "lost.mid")


def test_what_other_programs_write(tmp_path):
    (tmp_path / "a.csv").write_text("time,piece,velocity\n0.5,Kick,100.0\n0.6, snare,\n")
    hits = Transcription.load(tmp_path / "a.csv").hits
    assert [(h.piece, h.velocity) for h in hits] == [("kick", 100), ("snare", 100)]
    path = tmp_path / "song.labels.txt"
    path.write_text("0.5\t0.5\tKick 64.0\n")
    song = Transcription.load(path)
    assert (song.source, song.hits[0].piece, song.hits[0].velocity) == ("song", "kick", 64)
    path.write_text("0.5\t0.5\tBD\n")
    with pytest.raises(DataError, match="write kick, snare"):
        Transcription.load(path)


def test_load_folds_articulations(tmp_path):
    (tmp_path / "a.txt").write_text("0.5\tside_stick\n\n1.0\tsplash\n")
    assert [h.piece for h in Transcription.load(tmp_path / "a.txt")] == ["snare", "crash"]
