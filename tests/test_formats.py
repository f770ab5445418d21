"""Formats, note maps and tracks of MIDI."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from adt import Hit, Transcription, formats
from adt.beats import Beats
from adt.errors import ConfigError, DataError
from adt.note_maps import NoteMap, note_map, presets
from adt.vocabulary import PIECES


@pytest.fixture
def song():
    return Transcription([Hit(0.25 * k, piece, 20 + 10 * k, 0.5)
                          for k, piece in enumerate(PIECES)], 3.0, "song")


@pytest.mark.parametrize("name", presets())
def test_preset_round_trip(song, tmp_path, name):
    back = Transcription.load(song.save(tmp_path / "a.mid", note_map=name), note_map=name)
    assert [(h.piece, h.velocity) for h in back] == [(h.piece, h.velocity) for h in song]
    assert all(abs(a.time - b.time) < 1e-3 for a, b in zip(back, song))


def test_general_midi_file_is_the_default(song):
    found = NoteMap.load("configs/note_maps/general_midi.yaml")
    assert found.write == note_map().write and found.to_piece == note_map().to_piece


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("split_tracks", [False, True])
def test_files_tell_their_note_map(song, tmp_path, name, split_tracks):
    path = song.save(tmp_path / "a.mid", note_map=name, split_tracks=split_tracks)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = Transcription.load(path)
    assert [(h.piece, h.velocity) for h in back] == [(h.piece, h.velocity) for h in song]
    if name != "general_midi":  # what is given counts more than what the file tells
        other = Transcription.load(path, note_map=note_map(name))
        assert other.hits == back.hits


def test_files_tell_a_note_map_of_ones_own(song, tmp_path):
    notes = dict(zip(PIECES, range(60, 69)))
    for name in ("My: drüms", "General MIDI", ""):  # names do not matter
        path = song.save(tmp_path / "a.mid", note_map=NoteMap(name, notes))
        assert [h.piece for h in Transcription.load(path)] == [h.piece for h in song]


@pytest.mark.parametrize("text", ["drum note map: ", "drum note map: a: kick=b", "drum note map",
                                  "drum note map: a: kick=36", "drum note map: kick=36=37"])
def test_texts_that_tell_no_note_map(song, tmp_path, text):
    import mido
    path = song.save(tmp_path / "a.mid")
    file = mido.MidiFile(str(path))
    file.tracks[0].insert(0, mido.MetaMessage("text", text=text, time=0))
    file.save(str(path))
    assert [h.piece for h in Transcription.load(path)] == [h.piece for h in song]


def test_note_map_changes_the_notes(song):
    notes = {n.pitch for n in song.to_midi(note_map="addictive_drums_2").instruments[0].notes}
    assert notes == {36, 38, 71, 69, 67, 49, 54, 60, 77}


def test_reduced_classes_have_notes(song):
    midi = song.reduce(5).to_midi(note_map="addictive_drums_2")
    assert {n.pitch for n in midi.instruments[0].notes} == {36, 38, 69, 49, 77}


def test_split_tracks(song, tmp_path):
    import mido
    path = song.save(tmp_path / "a.mid", split_tracks=True)
    named = [t for t in mido.MidiFile(path).tracks if any(m.type == "note_on" for m in t)]
    assert tuple(t.name for t in named) == PIECES
    assert {m.channel for t in named for m in t if m.type == "note_on"} == {9}
    assert [h.piece for h in Transcription.load(path)] == [h.piece for h in song]


@pytest.mark.parametrize("content, message", [
    ("write: {kick: 36}", "write lacks snare"),
    ("write: 3", "write maps pieces"),
    ("notes: {}", "no setting 'notes'"),
    ("write: {%s}" % ", ".join(f"{p}: 36" for p in PIECES), "note 36 is written for two"),
    ("write: {%s}" % ", ".join(f"{p}: {200 + k}" for k, p in enumerate(PIECES)), "not a MIDI"),
    ("write: {%s}\nread: {35: gong}" % ", ".join(f"{p}: {k}" for k, p in enumerate(PIECES)),
     "read as 'gong'"),
])
def test_bad_note_map(tmp_path, content, message):
    (tmp_path / "my.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        note_map(tmp_path / "my.yaml")


def _midi_file(path, tracks, **options):
    import mido
    file = mido.MidiFile(**options)
    for messages in tracks:
        track = mido.MidiTrack()
        now = 0
        for tick, kind, values in messages:
            make = mido.Message if kind.startswith("note") else mido.MetaMessage
            track.append(make(kind, time=tick - now, **values))
            now = tick
        file.tracks.append(track)
    file.save(path)
    return path


def _on(tick, note=36, velocity=90):
    return tick, "note_on", {"channel": 9, "note": note, "velocity": velocity}


def _off(tick, note=36):
    return tick, "note_off", {"channel": 9, "note": note}


@pytest.mark.parametrize("notes", [
    [_on(0), _off(0), _on(480), _off(480), _on(960), _off(960)],  # ends at once
    [_on(0), _on(480), _on(960)],  # never ends
    [_on(0), _on(240, 38), _on(480), _on(960), (960, "note_on", _on(0, 36, 0)[2])],
])
def test_notes_need_no_end(tmp_path, notes):
    song = Transcription.load(_midi_file(tmp_path / "a.mid", [notes]))
    assert [h.time for h in song if h.piece == "kick"] == [0.0, 0.5, 1.0]
    assert all(h.velocity == 90 for h in song)


@pytest.mark.parametrize("kind", [1, 2])
def test_notes_need_no_end_in_tracks_of_their_own(tmp_path, kind):
    """Those of a file of type 2 share no tempo."""
    tracks = [[_on(0), _on(480), _on(960)], [_on(240, 38), _on(720, 38)]]
    song = Transcription.load(_midi_file(tmp_path / "a.mid", tracks, type=kind))
    assert [(h.time, h.piece) for h in song] == [
        (0.0, "kick"), (0.25, "snare"), (0.5, "kick"), (0.75, "snare"), (1.0, "kick")]


def test_channels_without_drums_are_told_though_their_notes_never_end(tmp_path):
    tracks = [[(480 * i, "note_on", {"channel": channel, "note": 60, "velocity": 90})
               for i in range(4)] for channel in (0, 1)]
    with pytest.raises(DataError, match="no drum track"):
        Transcription.load(_midi_file(tmp_path / "a.mid", tracks))


def test_two_strokes_at_once_are_two(tmp_path):
    path = _midi_file(tmp_path / "a.mid", [[_on(0, 36, 20), _on(0, 36, 110), _on(480)]])
    path.write_bytes(path.read_bytes())
    assert [(h.time, h.velocity) for h in Transcription.load(path)] == [
        (0.0, 20), (0.0, 110), (0.5, 90)]


def test_tempi_and_signatures_of_any_track(tmp_path):
    path = _midi_file(tmp_path / "a.mid", [
        [(0, "track_name", {"name": "Drums"}), _on(480), _off(500), _on(960), _off(970)],
        [(0, "set_tempo", {"tempo": 1_000_000}),
         (0, "time_signature", {"numerator": 3, "denominator": 4}),
         (960, "set_tempo", {"tempo": 500_000})], [_on(1440, 38), _off(1450, 38)]], type=1)
    song = Transcription.load(path)
    assert [(h.time, h.piece) for h in song] == [(1.0, "kick"), (2.0, "kick"), (2.5, "snare")]
    assert song.beats.metre == 3


@pytest.mark.parametrize("metres", [[(4, 4), (7, 8), (4, 4)], [(7, 8)], [(6, 8), (7, 8)],
                                    [(3, 4), (5, 8)], [(4, 4), (6, 8)]])
def test_bars_that_are_no_quarters_are_counted_in_eighths(tmp_path, metres):
    shared, tick, expected = [(0, "set_tempo", {"tempo": 600_000})], 0, []
    for n, d in metres:  # two bars of each
        shared.append((tick, "time_signature", {"numerator": n, "denominator": d}))
        expected += [*range(1, n * 8 // d + 1)] * 2
        tick += 2 * n * 1920 // d
    notes = [m for k in range(tick // 240) for m in (_on(240 * k), _off(240 * k + 100))]
    song = Transcription.load(_midi_file(tmp_path / "a.mid", [shared, notes], type=1))
    assert song.beats.times == pytest.approx([h.time for h in song])
    assert song.beats.positions.tolist() == expected and not song.beats.compound
    again = Transcription.load(song.save(tmp_path / "b.mid"))
    assert again.beats.times == pytest.approx(song.beats.times, abs=1e-3)
    assert again.beats.positions.tolist() == expected


def test_bars_of_sixteenths_have_no_beats(tmp_path):
    shared = [(0, "set_tempo", {"tempo": 600_000}),
              (0, "time_signature", {"numerator": 7, "denominator": 16})]
    path = _midi_file(tmp_path / "a.mid", [shared, [_on(0), _off(9000)]], type=1)
    with pytest.warns(UserWarning, match=r"a\.mid: is read without beats"):
        assert Transcription.load(path).beats is None


def test_long_files_of_fine_ticks(tmp_path):
    """90 minutes at 960 ticks a quarter are more ticks than pretty_midi reads."""
    n = 2 * 60 * 90
    notes = [m for k in range(0, n, 25) for m in (_on(960 * k + k % 7), _off(960 * k + k % 7 + 1))]
    shared = [(0, "set_tempo", {"tempo": 400_000}),
              (0, "time_signature", {"numerator": 3, "denominator": 4}),
              (960 * 300 + 1, "set_tempo", {"tempo": 500_000})]
    path = _midi_file(tmp_path / "a.mid", [shared, notes], type=1, ticks_per_beat=960)
    song = Transcription.load(path)
    quarters = [k + k % 7 / 960 for k in range(0, n, 25)]
    change = 300 + 1 / 960
    times = [0.4 * min(q, change) + 0.5 * max(0, q - change) for q in quarters]
    assert len(song) == len(times)
    assert max(abs(h.time - t) for h, t in zip(song, times)) < 0.25 / 480 + 0.1 / 960
    assert song.beats.metre == 3
    damaged = _midi_file(tmp_path / "b.mid", [[_on(0), _off(10), _on(0xfffffff)]],
                         ticks_per_beat=960)
    with pytest.raises(DataError, match="likely corrupt"):
        Transcription.load(damaged)


def test_frames_are_no_ticks(tmp_path):
    path = _midi_file(tmp_path / "a.mid", [[_on(480), _off(500)]])
    content = bytearray(path.read_bytes())
    content[12:14] = b"\xe7\x28"  # 25 frames a second, 40 parts each
    path.write_bytes(content)
    with pytest.raises(DataError, match="SMPTE"):
        Transcription.load(path)


def test_jams_keep_classes_and_source(song, tmp_path):
    pytest.importorskip("jams")
    for n in (3, 5, 9):
        few = song.reduce(n)
        few = Transcription(few.hits, few.duration, "Some song", few.classes)
        assert Transcription.load(few.save(tmp_path / f"{n}.jams")) == few


def test_jams_in_any_letters_and_locale(song, tmp_path, monkeypatch):
    """Of other programs, which do not write ASCII alone."""
    jams = pytest.importorskip("jams")
    path = song.save(tmp_path / "a.jams")
    document = json.loads(path.read_text(encoding="utf-8"))
    document["file_metadata"]["title"] = "\u201cJörg\u201d"
    path.write_text("\ufeff" + json.dumps(document, ensure_ascii=False), encoding="utf-8")
    monkeypatch.setattr(jams.core, "open", lambda *a, **k: pytest.fail("as the locale has it"),
                        raising=False)
    found = Transcription.load(path)
    assert found.hits == song.hits and found.source == "\u201cJörg\u201d"


def test_jams_keep_durations_with_hits_at_the_end(tmp_path):
    pytest.importorskip("jams")
    for duration in (1.23456789, 2.0000004, 3.9999996):
        song = Transcription([Hit(duration, "kick")], duration)
        assert Transcription.load(song.save(tmp_path / f"{duration}.jams")) == song


def test_jams_keep_the_length_of_bars(tmp_path):
    pytest.importorskip("jams")
    song = Transcription([Hit(0.1, "kick")], 1.5, beats=Beats([0, 0.5, 1], [1, 2, 3], bar=4))
    assert Transcription.load(song.save(tmp_path / "a.jams")).beats.metre == 4


def test_jams_without_warnings(tmp_path):
    pytest.importorskip("jams")
    song = Transcription([Hit(0.1, "kick")], 1.5, beats=Beats([0, 0.5, 1], [1, 2, 3]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Transcription.load(song.save(tmp_path / "a.jams")) == song


def test_jams_of_beats_that_are_no_places_in_bars(tmp_path):
    """The namespace allows any number; the hits are good all the same."""
    jams = pytest.importorskip("jams")
    document = Transcription([Hit(0.1, "kick")], 2.0).to_jams()
    beats = jams.Annotation(namespace="beat", time=0, duration=2)
    for k, value in enumerate((1, 1.5, 2, 2.5)):
        beats.append(time=0.5 * k, duration=0, value=value, confidence=1)
    document.annotations.append(beats)
    document.save(str(tmp_path / "a.jams"))
    with pytest.warns(UserWarning, match="a.jams: its beats are left out"):
        song = Transcription.load(tmp_path / "a.jams")
    assert len(song) == 1 and song.beats is None


def test_a_row_that_is_cut_short(tmp_path):
    (tmp_path / "a.csv").write_text("time,piece,velocity,confidence\n0.5,kick,90,1\n1.2")
    with pytest.raises(DataError, match="line 3 is not a time"):
        Transcription.load(tmp_path / "a.csv")


def test_a_list_is_no_piece(tmp_path):
    text = (Path(__file__).parent.parent / "configs/note_maps/general_midi.yaml").read_text()
    (tmp_path / "my.yaml").write_text(text.split("read:")[0] + "read:\n  35: [kick]\n")
    with pytest.raises(ConfigError, match=r"my.yaml: note 35 is read as \['kick'\]"):
        note_map(tmp_path / "my.yaml")


def test_unknown_preset_names_those_there_are():
    with pytest.raises(ConfigError, match="choose one of addictive_drums_2"):
        note_map("cowbells")


def test_option_without_meaning(song, tmp_path):
    with pytest.raises(ConfigError, match="note_map has no meaning for .csv"):
        song.save(tmp_path / "a.csv", note_map="roland_td17")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".labels.txt", ".jams", ".csv"])
def test_round_trip_keeps_velocity(song, tmp_path, suffix):
    back = Transcription.load(song.save(tmp_path / f"a{suffix}"))
    assert [(h.time, h.piece, h.velocity) for h in back] == [
        (h.time, h.piece, h.velocity) for h in song]


@pytest.mark.parametrize("suffix", [".labels.txt", ".txt", ".csv"])
def test_a_byte_order_mark_is_no_text(song, tmp_path, suffix):
    path = song.save(tmp_path / f"a{suffix}")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [h.time for h in Transcription.load(path)] == [h.time for h in song]
    (tmp_path / "a.beats").write_bytes(b"\xef\xbb\xbf0.5\t1\n1.0\t2\n")
    assert Beats.load(tmp_path / "a.beats").times.tolist() == [0.5, 1.0]


def test_velocities_behind_labels(tmp_path):
    (tmp_path / "a.txt").write_text("0.1\tkick\t90\n0.2\tsnare\n0.3\tkick\tloud\n")
    assert [h.velocity for h in Transcription.load(tmp_path / "a.txt")] == [90, 100, 100]


def test_labels_have_start_and_end(song, tmp_path):
    line = song.save(tmp_path / "a.labels.txt").read_text().splitlines()[1]
    assert line == "0.250000\t0.250000\tsnare 30"


def test_jams_with_beats_validates(tmp_path):
    import numpy as np
    jams = pytest.importorskip("jams")
    from adt.beats import Beats
    song = Transcription([Hit(0.5, "kick")], 3.0,
                         beats=Beats(np.array([0.5, 1.0, 1.5]), np.array([1, 2, 3])))
    loaded = jams.load(str(song.save(tmp_path / "a.jams")), validate=True, strict=True)
    (beats,) = loaded.search(namespace="beat")
    assert [(o.time, o.value) for o in beats.data] == [(0.5, 1), (1.0, 2), (1.5, 3)]


@pytest.mark.parametrize("compound", [False, True])
def test_beats_come_back_from_jams(tmp_path, compound):
    pytest.importorskip("jams")
    from adt import Beats
    beats = Beats([0.2, 0.7, 1.2, 1.7], [4, 1, 2, 3], compound)
    song = Transcription([Hit(0.2, "kick")], 2.0, beats=beats)
    assert Transcription.load(song.save(tmp_path / "a.jams")).beats == beats
    plain = Transcription(song.hits, 2.0)
    assert Transcription.load(plain.save(tmp_path / "b.jams")).beats is None


def test_further_hats_of_ezdrummer_are_read():
    pieces = note_map("ezdrummer").to_piece
    assert {pieces[n] for n in (22, 42, 61, 62, 63)} == {"hihat_closed"}
    assert {pieces[n] for n in (26, 46, 60)} == {"hihat_open"}


@pytest.mark.parametrize("suffix, missing", [
    (".jams", "jams"), (".musicxml", "music21"), (".svg", "verovio"), (".pdf", "music21"),
    (".pdf", "verovio"), (".pdf", "typst")])
def test_missing_libraries_are_told_before_any_work(monkeypatch, suffix, missing):
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(ConfigError, match=f"needs the library {missing}; pip install"):
        formats.check(f"song{suffix}")
    formats.check("song.mid")


def test_a_clip_shorter_than_its_bar_keeps_the_signature(tmp_path):
    song = Transcription([Hit(k * 0.6, "snare") for k in range(3)], 1.8,
                         beats=Beats(np.arange(3) * 0.6, [1, 2, 3], bar=4))
    song.save(tmp_path / "clip.mid")
    read = Transcription.load(tmp_path / "clip.mid")
    assert read.beats.metre == 4
    read.save(tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == (tmp_path / "clip.mid").read_bytes()


def test_a_shorter_first_bar_is_no_pickup(tmp_path):
    places = [1, 2, 3] + [1, 2, 3, 4] * 3 + [1]
    for start, positions in ((0.0, places), (0.02, places), (0.0, places[1:]), (1.3, places)):
        times = start + np.arange(len(positions)) * 0.6
        song = Transcription([Hit(t, "kick") for t in times], 11.0, beats=Beats(times, positions))
        song.save(tmp_path / "a.mid")
        read = Transcription.load(tmp_path / "a.mid").beats
        np.testing.assert_allclose(read.downbeats, song.beats.downbeats, atol=0.002)


def test_jams_that_somebody_has_cut(tmp_path):
    jams = pytest.importorskip("jams")
    song = Transcription([Hit(0.5, "kick", 90), Hit(1, "snare", 80)], 2.0)
    jams.load(str(song.save(tmp_path / "a.jams"))).slice(0.4, 0.8).save(str(tmp_path / "b.jams"))
    with pytest.warns(UserWarning, match="b.jams: 2 velocities for 1 hits"):
        [hit] = Transcription.load(tmp_path / "b.jams")
    assert (hit.piece, hit.velocity) == ("kick", 100)


def test_another_note_map_than_the_file_tells_is_said(song, tmp_path):
    path = song.save(tmp_path / "a.mid", note_map="addictive_drums_2")
    with pytest.warns(UserWarning, match="those of Addictive Drums 2, and is read with General"):
        Transcription.load(path, note_map="general_midi")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Transcription.load(path)
        Transcription.load(path, note_map="addictive_drums_2")
