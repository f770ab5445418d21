"""Tempo maps in MIDI files, and hits on a grid."""

import io

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adt.beats import Beats
from adt.beats.quantize import GRIDS, quantize
from adt.beats.tempo import regular_beats, steady, tempo_changes, tempo_map
from adt.cli import main
from adt.errors import ConfigError
from adt.transcription import Hit, Transcription


def _written(song):
    """What another program reads of the song's MIDI file."""
    buffer = io.BytesIO()
    song.to_midi().write(buffer)
    buffer.seek(0)
    midi = mido.MidiFile(file=buffer)
    buffer.seek(0)
    return midi, pretty_midi.PrettyMIDI(buffer)


def _bar_lines(midi):
    """Times of the bar lines, computed from tempi and signatures with mido alone."""
    now, tick, tempo, events = 0.0, 0, 500_000, []
    for message in mido.merge_tracks(midi.tracks):
        now += mido.tick2second(message.time, midi.ticks_per_beat, tempo)
        tick += message.time
        if message.type == "set_tempo":
            tempo = message.tempo
        events.append((tick, now, message))
    signatures = [(t, m.numerator * 4 / m.denominator * midi.ticks_per_beat)
                  for t, _, m in events if m.type == "time_signature"]
    lines, end = [], events[-1][0]
    for (start, length), stop in zip(signatures, [s for s, _ in signatures[1:]] + [end]):
        lines += np.arange(start, stop, length).tolist()
    tempi = [(t, s, m.tempo) for t, s, m in events if m.type == "set_tempo"]

    def seconds(at):
        t, s, tempo = [x for x in tempi if x[0] <= at][-1]
        return s + mido.tick2second(at - t, midi.ticks_per_beat, tempo)
    return np.array([seconds(at) for at in lines])


def _song(beats, seconds=30.0):
    times = np.arange(0.1, seconds - 0.1, 0.173)
    return Transcription([Hit(t, "snare", 90) for t in times], seconds, beats=beats)


drifting = st.lists(st.floats(0.25, 1.0), min_size=6, max_size=40)


@settings(max_examples=40, deadline=None)
@given(drifting, st.floats(0, 5), st.integers(2, 7), st.integers(0, 6))
def test_bar_lines_are_downbeats_and_notes_stay_where_they_were(gaps, start, metre, phase):
    times = start + np.cumsum([0.0, *gaps])
    beats = Beats(times, (np.arange(len(times)) + phase % metre) % metre + 1)
    song = _song(beats, times[-1])
    midi, pretty = _written(song)
    notes = np.array([n.start for n in pretty.instruments[0].notes]) if len(song) else np.zeros(0)
    np.testing.assert_allclose(notes, [h.time for h in song], atol=1e-3)
    lines = _bar_lines(midi)
    for downbeat in beats.downbeats[beats.downbeats < (notes.max() if len(notes) else 0)]:
        deviation = np.abs(lines - downbeat).min()
        near_the_start = downbeat <= 0.010
        assert deviation < (0.036 if steady(beats) is not beats else
                            0.0101 if near_the_start else 1e-3)


@pytest.mark.parametrize("lead", [0.0, 0.002, 0.012, 0.02, 0.04, 0.06, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("position", [1, 3])
def test_a_short_lead_bends_no_tempo_out_of_shape(lead, position):
    times = lead + 0.5 * np.arange(24)
    song = _song(Beats(times, (np.arange(24) + position - 1) % 4 + 1), 12.0)
    midi, pretty = _written(song)
    _, tempi = pretty.get_tempo_changes()
    assert tempi[-1] == pytest.approx(120, abs=0.01)
    assert 60 <= tempi[0] < 400  # a 64th of 31 ms is as short as it gets
    notes = np.array([n.start for n in pretty.instruments[0].notes])
    np.testing.assert_allclose(notes, [h.time for h in song], atol=1e-3)
    lines = _bar_lines(midi)
    for downbeat in song.beats.downbeats[:-1]:
        assert np.abs(lines - downbeat).min() <= 0.003


def test_a_click_that_begins_just_before_the_file_is_one_tempo():
    times = 0.5 * np.arange(32) + np.random.default_rng(0).uniform(-0.01, 0.01, 32) - 0.001
    times[0] = 0
    found = tempo_map(Beats(times, np.arange(32) % 4 + 1))
    assert len(found.tempi) == 1
    assert 60 / found.tempi[0][1] == pytest.approx(120, abs=0.2)
    early = Beats(times - 0.02, np.arange(32) % 4 + 1)  # which no MIDI file can begin with
    assert steady(early) is early
    cut = Beats(np.maximum(0, 0.5 * np.arange(240) - 0.02), np.arange(240) % 4 + 1)
    song = Transcription([Hit(t, "snare") for t in cut.times], 120.0, beats=cut)
    moved = np.array([h.time for h in quantize(song, "1/16")]) - cut.times
    assert abs(np.median(moved)) < 0.001


@pytest.mark.parametrize("steadily", [True, False, None])
def test_long_songs_can_be_written_and_read(tmp_path, steadily):
    beats = None
    if steadily is not None:
        n = np.arange(14_400)
        drift = 0.0 if steadily else 0.03 * np.sin(n / 50)
        beats = Beats(0.3 + np.cumsum(0.5 + drift * np.ones(len(n))), n % 4 + 1)
    hits = [Hit(t, "kick", 90) for t in (1.0, 3600.123, 7199.9)]
    again = Transcription.load(Transcription(hits, 7300, beats=beats).save(tmp_path / "x.mid"))
    # ticks of 1 ms, and pretty_midi cuts every tempo to microseconds
    np.testing.assert_allclose([h.time for h in again], [h.time for h in hits], atol=5e-3)
    assert (again.beats is None) == (beats is None)


def test_beats_without_end():
    for duration in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ConfigError, match="^duration "):
            regular_beats(120, duration)


def test_a_bar_that_is_known_stays_though_it_is_not_whole():
    short = regular_beats(120, 1.4)
    assert len(short) == 3 and short.metre == 4
    for beats in (short, steady(short), Beats(short.times, short.positions, bar=4)):
        assert tempo_map(beats).signatures == [(0.0, 4, 4)]
    assert Beats(short.times, short.positions).metre == 3
    eighths = Beats(np.arange(1, 8) * 0.2, np.arange(7) % 12 + 1, bar=12)
    assert eighths.by_threes().metre == 4


def test_beats_come_back_from_the_file(tmp_path):
    beats = Beats(0.38 + np.cumsum([0.0, *np.linspace(0.4, 0.7, 29)]), np.arange(30) % 3 + 1)
    song = _song(beats, 16.0)
    again = Transcription.load(song.save(tmp_path / "x.mid")).beats
    assert again.metre == 3
    assert again.positions[:7].tolist() == [3, 1, 2, 3, 1, 2, 3]  # the pickup is a quarter
    np.testing.assert_allclose(again.downbeats[:8], beats.downbeats[:8], atol=1e-3)
    plain = Transcription(song.hits, 16.0).save(tmp_path / "plain.mid")
    assert Transcription.load(plain).beats is None


def test_a_steady_song_has_one_tempo():
    rng = np.random.default_rng(0)
    beats = regular_beats(97.0, 60.0, first_beat=0.31)
    played = Beats(beats.times + rng.uniform(-0.01, 0.01, len(beats)), beats.positions)
    found = tempo_map(played)
    assert len(found.tempi) == 2  # the pickup, and the song
    assert 60 / found.tempi[1][1] == pytest.approx(97.0, abs=0.05)
    assert found.signatures[-1][1:] == (4, 4)
    assert len(tempo_map(regular_beats(120, 30)).tempi) == 1
    assert tempo_map(regular_beats(120, 30)).signatures == [(0.0, 4, 4)]


def test_a_song_that_slows_down_keeps_its_tempi():
    times = np.cumsum(np.linspace(0.4, 0.8, 41)) - 0.4
    beats = Beats(times, np.arange(41) % 4 + 1)
    assert steady(beats) is beats
    tempi = [quarter for _, quarter in tempo_map(beats).tempi]
    assert len(tempi) >= 10 and (np.diff(tempi) > 0).all()


def test_metres_that_change_are_written():
    beats = Beats(np.arange(14) * 0.5, [1, 2, 3, 4, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4])
    assert tempo_map(beats).signatures == [(0.0, 4, 4), (4.0, 3, 4), (10.0, 4, 4)]


def test_time_before_the_first_beat_is_a_pickup():
    beats = regular_beats(120, 20.0, first_beat=0.38)  # three sixteenths of 0.125 s, nearly
    found = tempo_map(beats)
    assert found.signatures == [(0.0, 3, 16), (0.75, 4, 4)]
    (start, first), (moment, bent), (at, song) = found.tempi
    assert (start, at) == (0.0, 0.75) and first == song == pytest.approx(0.5)
    assert moment * first + (at - moment) * bent == pytest.approx(0.38)


def test_the_signature_follows_a_pickup_that_is_all_there_is(tmp_path):
    beats = Beats([0.46, 1.01, 1.54], [2, 3, 4], bar=4)
    assert tempo_map(beats).signatures == [(0.0, 15, 16), (3.75, 4, 4)]
    song = Transcription([Hit(t, "kick") for t in beats.times], 2.0, beats=beats)
    midi = pretty_midi.PrettyMIDI(str(song.save(tmp_path / "a.mid")))
    assert [(s.numerator, s.denominator) for s in midi.time_signature_changes] == [
        (15, 16), (4, 4)]
    Transcription.load(tmp_path / "a.mid")  # without a warning


@pytest.mark.parametrize("lead", [0.011, 0.02, 0.05, 0.2, 0.68, 3.1])
@pytest.mark.parametrize("bpm", [25, 90, 152.9, 390])
def test_the_first_tempo_is_the_songs(bpm, lead, tmp_path):
    """For programs that read no other; where the beats are does not suffer."""
    beats = regular_beats(bpm, 30.0, first_beat=lead)
    song = Transcription([Hit(t, "kick") for t in beats.times], 30.0, beats=beats)
    midi = pretty_midi.PrettyMIDI(str(song.save(tmp_path / "a.mid")))
    assert midi.get_tempo_changes()[1][0] == pytest.approx(bpm, rel=0.011)
    assert [n.start for n in midi.instruments[0].notes] == pytest.approx(beats.times, abs=2e-3)


@pytest.mark.parametrize("grid", GRIDS)
def test_hits_fall_on_the_grid(grid):
    rng = np.random.default_rng(1)
    beats = regular_beats(100, 20.0, first_beat=0.2)
    step = 0.6 / GRIDS[grid]
    places = 0.2 + step * np.arange(int(18 / step))
    times = places + rng.uniform(-0.3, 0.3, len(places)) * step
    song = Transcription([Hit(max(0, t), "kick", 80) for t in times], 20.0, beats=beats)
    np.testing.assert_allclose([h.time for h in quantize(song, grid)], places, atol=1e-5)


def test_of_two_hits_on_one_place_the_louder_stays():
    song = Transcription([Hit(0.49, "kick", 40), Hit(0.52, "kick", 90), Hit(0.5, "ride", 30)],
                         2.0, beats=regular_beats(120, 2.0))
    assert [(h.time, h.piece, h.velocity) for h in quantize(song, "1/8")] == [
        (0.5, "kick", 90), (0.5, "ride", 30)]


def test_a_song_lasts_until_its_last_quantised_hit(tmp_path):
    song = Transcription([*(Hit(k * 0.6, "kick") for k in range(16)), Hit(9.98, "snare")], 10.0,
                         "x.wav", beats=regular_beats(100, 10.0))
    moved = quantize(song, "1/4")
    assert moved[-1].time == moved.duration == pytest.approx(10.2)
    assert Transcription.load(moved.save(tmp_path / "x.jams")) == moved


@pytest.mark.parametrize("grid", ["1/16", "1/8", "auto"])
@pytest.mark.parametrize("first_beat", [1.99, 0.004, 0.49])
def test_hits_at_the_start_stay_at_the_start(tmp_path, grid, first_beat):
    beats = regular_beats(120, 10.0, first_beat=first_beat)
    song = Transcription([Hit(0.0, "kick", 90), Hit(0.5, "snare", 90), Hit(0.5, "kick", 60)],
                         10.0, beats=beats)
    times = {(h.piece, h.velocity): h.time for h in quantize(song, grid)}
    assert times["kick", 90] <= 0.01 and abs(times["snare", 90] - 0.5) <= 0.0625
    assert len(times) == 3


@pytest.mark.parametrize("tempo", [90, 110, 123.4, 140])
@pytest.mark.parametrize("first_beat", [0.009999, 0.01, 0.010001])
def test_a_first_beat_on_the_border_is_on_the_grid(tmp_path, tempo, first_beat):
    beats = regular_beats(tempo, 20.0, first_beat=first_beat)
    song = quantize(Transcription([Hit(t + 0.003, "snare") for t in beats.times[:-1]], 20.0,
                                  beats=beats), "1/16")
    midi = pretty_midi.PrettyMIDI(str(song.save(tmp_path / "x.mid")))
    ticks = np.array([midi.time_to_tick(n.start) for n in midi.instruments[0].notes])
    if first_beat <= 0.01:
        assert len(midi.get_tempo_changes()[1]) == 1
        assert not (ticks % 240).any()
    assert set(np.diff(ticks)) == {960}


@pytest.mark.parametrize("gaps", [[0.5] * 15 + [3.0] + [0.5] * 15,  # a fermata
                                  [0.5] * 12 + [0.5, 0.6, 0.8, 1.2],  # the song ends slower
                                  [0.5, 0.5, 0.7, 0.5] * 6])
@pytest.mark.parametrize("first", [0.0, 0.3])
def test_uneven_beats_of_a_bar_stay_where_they_are(tmp_path, gaps, first):
    times = first + np.concatenate([[0.0], np.cumsum(gaps)])
    beats = Beats(times, np.arange(len(times)) % 4 + 1)
    song = Transcription([Hit(t, "snare") for t in times], times[-1] + 1, beats=beats)
    for written in (song, quantize(song, "1/4"), quantize(song, "1/16")):
        assert [h.time for h in written] == pytest.approx(times.tolist(), abs=0.036)
        read = Transcription.load(written.save(tmp_path / "a.mid"))
        assert [h.time for h in read] == pytest.approx(times.tolist(), abs=0.036)
        assert read.beats.time_of(read.beats.position_of(times)) == pytest.approx(times, abs=1e-6)
        heard = read.beats.times[-len(times):] if first else read.beats.times[:len(times)]
        assert np.abs(read.beats.times[:, None] - times).min(axis=0).max() < 0.036, heard
    midi = pretty_midi.PrettyMIDI(str(quantize(song, "1/16").save(tmp_path / "q.mid")))
    ticks = np.array([midi.time_to_tick(n.start) for n in midi.instruments[0].notes])
    assert not (ticks % 240).any()


def test_quantising_needs_beats_and_a_known_grid():
    song = Transcription([Hit(0.5, "kick")], 1.0)
    with pytest.raises(ConfigError, match="beats"):
        quantize(song)
    with pytest.raises(ConfigError, match="1/16"):
        quantize(song, "1/5")


@pytest.mark.parametrize("tempo, first, metre", [(0, 0, 4), (500, 0, 4), (120, -1, 4), (120, 0, 0),
                                                 (float("nan"), 0, 4)])
def test_impossible_tempi_are_refused(tempo, first, metre):
    with pytest.raises(ConfigError):
        regular_beats(tempo, 10, first_beat=first, metre=metre)


@pytest.mark.parametrize("options, words", [
    (["--first-beat", "-1"], "seconds from 0"),
    (["--no-beats", "--quantize", "1/16"], "--no-beats"),
    (["--tempo", "9"], "20 to 400"), (["--tempo", "120", "--time-signature", "7/8"], "3/4"),
    (["--tempo", "120", "--quantize", "1/5"], "1/16"), (["--beats", "none.beats"], "none.beats"),
    (["--tempo", "120", "--swing", "60"], "--quantize"),
    (["--tempo", "120", "--quantize", "1/8", "--swing", "90"], "75 percent"),
    (["--plot", "song.gif"], ".png")])
def test_options_that_make_no_sense_are_refused(tmp_path, capsys, options, words):
    audio = tmp_path / "x.wav"
    audio.write_bytes(b"")
    assert main(["transcribe", str(audio), "-o", str(tmp_path / "x.mid"), *options]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x.mid").exists()


def test_a_picture_does_not_replace_the_score(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("music21")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.wav").write_bytes(b"")
    for out in ("x.svg", "."):
        options = ["-o", out, "--format", "svg", "--plot", str(tmp_path / "x.svg")]
        assert main(["transcribe", "x.wav", *options]) == 1
        assert "another name" in capsys.readouterr().err


def test_six_eight_is_written_and_read_back(tmp_path):
    beats = regular_beats(60, 20.0, first_beat=1.5, metre=2, compound=True)
    assert beats.times[0] == 1.5
    found = tempo_map(beats)
    assert found.signatures[-1][1:] == (6, 8)
    assert 60 / found.tempi[-1][1] == pytest.approx(90)  # quarters a minute
    song = Transcription([Hit(t, "kick") for t in beats.times], 20.0, beats=beats)
    again = Transcription.load(song.save(tmp_path / "x.mid")).beats
    assert again.compound and again.metre == 2
    np.testing.assert_allclose(again.times[again.times > 1.4][:10], beats.times[:10], atol=1e-3)


@pytest.mark.parametrize("places", [[1, 2, 1, 2, 1, 1, 2, 1, 2, 1, 2],
                                    [1, 2, 1, 2, 3, 4, 5, 1, 2, 1, 2]])
def test_a_bar_of_three_or_fifteen_eighths_stays_compound(tmp_path, places):
    beats = Beats(1.0 + 0.8 * np.arange(len(places)), places, compound=True)
    song = Transcription([Hit(t, "kick") for t in beats.times], 12.0, beats=beats)
    again = Transcription.load(song.save(tmp_path / "x.mid")).beats
    assert again.compound and again.metre == 2 and again.tempo == pytest.approx(75, abs=0.1)
    inside = again.times > 0.9
    np.testing.assert_array_equal(again.positions[inside][:len(places)], places)


def test_eighths_by_threes():
    beats = Beats(np.arange(14) * 0.25, (np.arange(14) + 4) % 6 + 1).by_threes()
    assert beats.compound and beats.metre == 2
    assert beats.positions.tolist() == [1, 2, 1, 2] and beats.times[0] == 0.5


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_quantised_notes_lie_on_the_grid_of_the_file(tmp_path, drift):
    rng = np.random.default_rng(1)
    gaps = 0.5 * (1 + drift * np.linspace(0, 1, 48)) + rng.normal(0, 0.008, 48)
    beats = Beats(0.4 + np.cumsum(gaps), np.arange(48) % 4 + 1)
    times = beats.time_of(np.arange(0, 46, 0.25)) + rng.normal(0, 0.008, 184)
    song = quantize(Transcription([Hit(t, "snare") for t in times], 40.0, beats=beats), "auto")
    midi = pretty_midi.PrettyMIDI(str(song.save(tmp_path / "x.mid")))
    ticks = np.array([midi.time_to_tick(n.start) for n in midi.instruments[0].notes])
    lead = midi.time_to_tick(song.beats.times[0])
    off = (ticks - lead + 120) % 240 - 120
    assert len(ticks) == 184 and np.abs(off).max() <= 3


@pytest.mark.parametrize("first", [0.0, 0.004, 0.02, 0.05, 0.19, 0.26, 0.43, 1.0, 1.93])
@pytest.mark.parametrize("grid", ["1/16", "auto"])
@pytest.mark.parametrize("compound", [False, True])
@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_quantised_notes_before_the_first_beat_too(tmp_path, first, grid, compound, drift):
    rng = np.random.default_rng(1)
    times = first + 0.5 * np.cumsum([0, *(1 + drift * np.linspace(0, 1, 30))])
    beats = Beats(times, np.arange(31) % 3 + 1, compound)
    struck = np.arange(0.01, 15, 0.125) + rng.uniform(-0.02, 0.02, 120)
    struck[0] = 0.001
    song = quantize(Transcription([Hit(max(0, t), "snare") for t in struck], 16.0, beats=beats),
                    grid)
    midi = pretty_midi.PrettyMIDI(str(song.save(tmp_path / "x.mid")))
    ticks = np.array([midi.time_to_tick(n.start) for n in midi.instruments[0].notes])
    start = midi.time_to_tick(song.beats.times[0])
    step = 240 if grid == "1/16" else 40  # of triplets of sixteenths, too
    off = (ticks - start + step / 2) % step - step / 2
    assert (np.abs(off)[ticks > 3] <= 3).all()  # 0 may lie between two places
    if start > 240:
        assert (ticks < start).any()


def test_beats_before_the_file_are_left_out(tmp_path):
    beats = Beats(np.arange(-2, 18) * 0.5, np.arange(20) % 4 + 1)
    song = _song(beats, 9.0)
    midi, _ = _written(song)
    lines = _bar_lines(midi)
    np.testing.assert_allclose([lines[np.abs(lines - d).argmin()] for d in (1, 3, 5, 7)],
                               [1, 3, 5, 7], atol=1e-3)
    assert len(quantize(song, "1/16")) > 40
    with pytest.raises(ConfigError, match="1 beats from 0"):
        tempo_map(Beats([-1, -0.5, 0.2], [1, 2, 3]))


def test_beats_at_120_come_back(tmp_path):
    hits = [Hit(t, "kick") for t in np.arange(0, 9, 0.5)]
    jitter = 0.005 * np.random.default_rng(0).standard_normal(480)
    tracked = Beats(np.maximum(0, 0.5 * np.arange(480) + jitter), np.arange(480) % 4 + 1)
    song = Transcription([*hits, Hit(239, "kick")], 240, beats=tracked)
    assert Transcription.load(song.save(tmp_path / "tracked.mid")).beats.metre == 4
    for metre, first in ((4, 0.0), (3, 0.0), (4, 0.7)):
        beats = regular_beats(120, 10, first_beat=first, metre=metre)
        song = Transcription(hits, 10, beats=beats)
        again = Transcription.load(song.save(tmp_path / f"{metre}{first}.mid")).beats
        assert again is not None and again.metre == metre
        assert np.abs(again.downbeats - beats.downbeats[1]).min() < 1e-3
    plain = Transcription(hits, 10).save(tmp_path / "plain.mid")
    assert Transcription.load(plain).beats is None


@pytest.mark.parametrize("lead", [0.0, 0.03, 0.06, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("position", [1, 2, 3, 4])
def test_places_in_the_bar_come_back(tmp_path, lead, position):
    beats = Beats(lead + 0.51 * np.arange(24), (np.arange(24) + position - 1) % 4 + 1)
    again = Transcription.load(_song(beats, 12.0).save(tmp_path / "x.mid")).beats
    for time, place in zip(again.times, again.positions):
        near = np.abs(beats.times - time)
        if near.min() < 0.02:
            assert place == beats.positions[near.argmin()]


@pytest.mark.parametrize("text, words", [
    ("300\t1\n800\t2\n1300\t3\n1800\t4\n", "in seconds"),
    ("0.1\t1\n30\t1\n80\t1\n", "in seconds"),
    ("0.5\t0.5\t1\n1.0\t1.0\t2\n", "more than a time and a place"),
    ("".join(f"{k / 2}\t{k + 1}\n" for k in range(40)), "anew in each bar")])
def test_beats_that_cannot_be(tmp_path, capsys, text, words):
    (tmp_path / "a.beats").write_text(text)
    (tmp_path / "x.wav").write_bytes(b"")
    assert main(["transcribe", str(tmp_path / "x.wav"), "-o", str(tmp_path / "x.mid"),
                 "--beats", str(tmp_path / "a.beats")]) == 1
    error = capsys.readouterr().err
    assert words in error and "a.beats" in error and "unexpected" not in error


def test_sheet_music_needs_beats(tmp_path, capsys):
    pytest.importorskip("music21")
    (tmp_path / "x.wav").write_bytes(b"")
    assert main(["transcribe", str(tmp_path / "x.wav"), "-o", str(tmp_path / "x.musicxml"),
                 "--no-beats", "--stems", str(tmp_path / "stems")]) == 1
    assert "needs beats" in capsys.readouterr().err
    assert not (tmp_path / "stems").exists()


def test_tempo_of_bars_that_nobody_plays_is_none():
    gaps = np.repeat([0.4, 0.5], [20, 60])
    times = np.cumsum(gaps)
    beats = Beats(times, np.arange(80) % 4 + 1)
    assert [round(t) for _, t in tempo_changes(beats)] == [150, 120]
    assert [round(t) for _, t in tempo_changes(beats, times[21:])] == [120]


def test_the_first_tempo_of_two_hours():
    beats = regular_beats(120, 7200, first_beat=0.38)
    midi = Transcription([Hit(7000.0, "kick")], 7200, beats=beats).to_midi()
    assert midi.resolution < 960
    assert midi.get_tempo_changes()[1][0] == pytest.approx(120)


@pytest.mark.parametrize("first", [0.38, 0.9, 2.0])
@pytest.mark.parametrize("metre", [2, 3, 4])
@pytest.mark.parametrize("bpm", [60, 120, 152.9])
def test_compound_beats_behind_a_pickup_come_back(bpm, metre, first, tmp_path):
    beats = regular_beats(bpm, 30.0, first_beat=first, metre=metre, compound=True)
    song = Transcription([Hit(t, "kick") for t in beats.times], 30.0, beats=beats)
    back = Transcription.load(song.save(tmp_path / "a.mid")).beats
    assert back.compound and back.metre == metre
    nearest = np.abs(back.times[:, None] - beats.times).argmin(axis=0)
    assert back.times[nearest] == pytest.approx(beats.times, abs=0.01)
    assert back.positions[nearest].tolist() == beats.positions.tolist()


@pytest.mark.parametrize("first, start", [(1.2, 0.0), (1.2001, 0.0001), (0.4, 0.4), (2.4, 0.0)])
def test_a_first_beat_a_bar_later_is_that_of_the_first_bar(first, start):
    beats = regular_beats(150, 10, first_beat=first, metre=3)
    assert beats.times[0] == pytest.approx(start, abs=1e-6) and beats.positions[0] == 1
