"""Notation: rhythm on a grid, MusicXML read back by partitura, pages."""

import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adt.beats import Beats
from adt.errors import ConfigError, OutputError
from adt.notation.rhythm import write_rhythm
from adt.transcription import Hit, Transcription
from adt.vocabulary import PIECE_TO_GM, PIECES

pytest.importorskip("music21")
from adt.notation import engrave, stack, to_musicxml, to_pdf  # noqa: E402

PLACES = {"kick": "F4", "snare": "C5", "hihat_closed": "G5", "hihat_open": "G5", "ride": "F5",
          "crash": "A5", "tom_high": "E5", "tom_mid": "D5", "tom_floor": "A4"}
F = Fraction


def played(strokes, bars=1, metre=4, tempo=120.0, jitter=0.0, seed=0, pickup=0):
    """Transcription of (beat, piece[, velocity]) strokes, played with errors of timing."""
    rng = np.random.default_rng(seed)
    period = 60 / tempo
    hits = [Hit(max(0.0, (beat + 1) * period + rng.normal(0, jitter) if jitter
                    else (beat + 1) * period), piece, *velocity)
            for beat, piece, *velocity in strokes]
    count = np.arange(bars * metre + pickup + 1)
    beats = Beats((count + 1) * period, (count - pickup) % metre + 1)
    return Transcription(hits, (len(count) + 1) * period, "part", beats=beats)


def grooves(bars):
    return [(4 * bar + beat, piece) for bar in range(bars) for beat, piece in
            [(k / 2, "hihat_closed") for k in range(8)]
            + [(0, "kick"), (1.75, "kick"), (2.5, "kick"), (1, "snare"), (3, "snare")]]


def notes(text):
    """[(bar, offset, voice, place, notehead, key, note element)] and bar lengths by voice."""
    root = ET.fromstring(text)
    keys = {m.get("id"): int(m.findtext("midi-unpitched")) - 1
            for m in root.iter("midi-instrument")}
    found, lengths = [], []
    for bar, measure in enumerate(root.iter("measure")):
        divisions = measure.find("attributes/divisions")
        unit = int(divisions.text) if divisions is not None else unit  # noqa: F821
        place, onset, length = F(0), F(0), Counter()
        for element in measure:
            duration = F(int(element.findtext("duration", "0")), unit)
            if element.tag == "backup":
                place -= duration
            elif element.tag == "forward":
                place += duration
            elif element.tag == "note":
                if element.find("chord") is None:
                    onset, place = place, place + duration
                    length[element.findtext("voice")] += duration
                if element.find("unpitched") is not None:
                    found.append((
                        bar, onset, element.findtext("voice"),
                        element.findtext("unpitched/display-step")
                        + element.findtext("unpitched/display-octave"),
                        element.findtext("notehead", "normal"),
                        keys[element.find("instrument").get("id")], element))
        lengths.append(length)
    return found, lengths


def test_every_piece_has_its_line_notehead_and_instrument():
    song = played([(k / 2, piece) for k, piece in enumerate(PIECES)], bars=2)
    found, lengths = notes(to_musicxml(song))
    assert len(found) == 9
    for (bar, onset, voice, place, head, key, _), (k, piece) in zip(
            sorted(found, key=lambda n: n[:2]), enumerate(PIECES), strict=True):
        assert bar * 4 + onset == F(k, 2)
        assert place == PLACES[piece] and key == PIECE_TO_GM[piece]
        cymbal = piece.startswith(("hihat", "ride", "crash"))
        assert head == ("x" if cymbal else "normal")
        assert (voice == "2") == (piece == "kick")
    assert all(total == 4 for length in lengths for total in length.values())


def test_groove_played_by_a_human_is_written_as_meant():
    meant = {(int(b // 4), F(b) % 4, PIECE_TO_GM[p]) for b, p in grooves(8)}
    song = played(grooves(8), bars=8, jitter=0.008)
    found, _ = notes(to_musicxml(song))
    assert {(bar, onset, key) for bar, onset, _, _, _, key, _ in found} == meant


@pytest.mark.parametrize("tempo", [70, 120, 180])
def test_triplets_are_told_from_sixteenths(tempo):
    triplets = [(k / 3, "snare") for k in range(12)]
    sixteenths = [(4 + k / 4, "snare") for k in range(16)]
    song = played(triplets + sixteenths, bars=2, tempo=tempo, jitter=0.004)
    bars = write_rhythm(song, song.beats).bars
    assert list(bars[0].slots) == [F(k, 3) for k in range(12)]
    assert list(bars[1].slots) == [F(k, 4) for k in range(16)]
    text = to_musicxml(song)
    assert text.count('type="start"') == text.count('type="stop"') == 4
    assert {"3 2"} == {f'{m.findtext("actual-notes")} {m.findtext("normal-notes")}'
                       for m in ET.fromstring(text).iter("time-modification")}


def test_swing_is_said_once_and_written_as_eighths():
    song = played([(b + x, "ride") for b in range(8) for x in (0, 2 / 3)], bars=2, jitter=0.005)
    text = to_musicxml(song)
    assert text.count("Swing") == 1 and "time-modification" not in text
    assert {n[1] % 1 for n in notes(text)[0]} == {0, F(1, 2)}
    straight = played([(b + x, "ride") for b in range(8) for x in (0, 1 / 2)], bars=2)
    assert "Swing" not in to_musicxml(straight)


def test_ghosts_accents_and_open_hats():
    strokes = [(beat, "snare", 90) for beat in range(12)]
    strokes[3], strokes[6] = (3, "snare", 30), (6, "snare", 125)
    strokes += [(3.5, "hihat_open", 90), (4, "hihat_closed", 90),
                (5, "hihat_closed", 90)]
    found, _ = notes(to_musicxml(played(strokes, bars=3)))
    ghosts = {b * 4 + o for b, o, *_, n in found
              if n.find("notehead[@parentheses='yes']") is not None}
    accents = {b * 4 + o for b, o, *_, n in found if n.find(".//accent") is not None}
    opened = {b * 4 + o for b, o, *_, n in found if n.find(".//open-string") is not None}
    closed = {b * 4 + o for b, o, *_, n in found if n.find(".//stopped") is not None}
    assert closed == {4}
    assert (ghosts, accents, opened) == ({3}, {6}, {F(7, 2)})


def test_swung_sixteenths():
    song = played([(b + x, "hihat_closed") for b in range(16) for x in (0, .31, .5, .81)],
                  bars=4, tempo=90, jitter=0.005)
    text = to_musicxml(song)
    assert text.count("Swing 16ths") == 1 and "time-modification" not in text


def test_flam_is_a_grace_note():
    song = played([(0, "kick"), (0.935, "snare"), (1, "snare"), (3, "snare")])
    found, lengths = notes(to_musicxml(song))
    graces = [n for n in found if n[-1].find("grace") is not None]
    assert len(graces) == 1 and graces[0][1] == 1 and graces[0][5] == 38
    assert all(total == 4 for total in lengths[0].values())


def graces(song):
    return [n for n in notes(to_musicxml(song))[0] if n[-1].find("grace") is not None]


def test_drag_has_two_grace_notes():
    found = graces(played([(0, "kick"), (0.88, "snare", 40), (0.94, "snare", 40), (1, "snare"),
                           (3, "snare")]))
    assert [n[1] for n in found] == [1, 1]
    assert [n[-1].findtext("beam") for n in found] == ["begin", "end"]


def test_wide_flam_on_one_slot():
    """Strokes 50 ms apart share a slot of a slow song."""
    song = played([(0, "kick"), (1.95, "tom_floor", 60), (2, "tom_floor"), (3, "snare")], tempo=60)
    found = graces(song)
    assert [(n[1], n[5]) for n in found] == [(2, 43)]
    hats = played([(0, "kick"), (1.95, "ride", 60), (2, "ride"), (3, "snare")], tempo=60)
    assert not graces(hats)


def test_dense_bars_get_lines_of_their_own():
    def lines(per_beat):
        song = played([(k / per_beat, "hihat_closed") for k in range(8 * 4 * per_beat)], bars=8)
        bars = ET.fromstring(to_musicxml(song)).findall("part/measure")
        return [k for k, bar in enumerate(bars) if bar.find("print[@new-system='yes']") is not None]
    assert lines(2) == [4]
    assert lines(4) == [2, 4, 6]
    assert lines(8) == list(range(1, 8))


def test_brackets_of_the_feet_are_below():
    third = F(1, 3)
    song = played([(beat + k * third, piece) for beat in range(4) for k in range(3)
                   for piece in ("kick", "ride")])
    places = {(note.findtext("voice"), t.get("placement"))
              for note in ET.fromstring(to_musicxml(song)).iter("note")
              for t in note.iter("tuplet") if t.get("type") == "start"}
    assert places == {("1", "above"), ("2", "below")}


def test_plus_closes_only_a_hat_that_was_just_opened():
    def marks(later):
        song = played([(0, "hihat_open"), (1, "kick"), (later, "hihat_closed")], bars=5)
        return to_musicxml(song).count("<stopped")
    assert marks(2) == 1 and marks(17) == 0


def test_steady_tempo_of_a_short_part_is_in_four():
    song = Transcription([Hit(0.2, "snare"), Hit(0.7, "kick"), Hit(1.2, "snare")], 1.2)
    assert ET.fromstring(to_musicxml(song, tempo=60)).findtext(".//time/beats") == "4"


def test_long_titles_stay_on_the_page():
    pytest.importorskip("verovio")
    def size(title):
        page = engrave(played([(0, "kick")]), title=title)[0]
        return float(re.search(rf'font-size="([\d.]+)px">{title}<', page)[1])
    assert size("a" * 150) == pytest.approx(size("a" * 20) / 2, rel=0.01)


@pytest.mark.parametrize("metre", [2, 3, 4, 5, 6, 7])
def test_metres_and_pickup(metre):
    strokes = [(beat, "kick") for beat in range(2 * metre + 1)]
    root = ET.fromstring(to_musicxml(played(strokes, bars=2, metre=metre, pickup=1)))
    times = [(t.findtext("beats"), t.findtext("beat-type")) for t in root.iter("time")]
    assert times == [(str(metre), "4")]
    measures = root.findall("part/measure")
    assert measures[0].get("implicit") == "yes" and len(measures) == 3
    assert measures[-1].findtext("barline/bar-style") == "light-heavy"


@pytest.mark.parametrize("metre", [2, 3, 4])
def test_compound_metres(metre):
    strokes = [(b + F(k, 3), "hihat_closed") for b in range(2 * metre) for k in range(3)]
    strokes += [(0, "kick"), (1, "snare"), (1.5, "kick"), (metre + F(5, 6), "snare"),
                (metre + F(5, 6), "kick")]
    song = played([(float(b), p) for b, p in strokes], bars=2, metre=metre, tempo=60,
                  jitter=0.008)
    song.beats = Beats(song.beats.times, song.beats.positions, compound=True)
    text = to_musicxml(song)
    root = ET.fromstring(text)
    assert [(t.findtext("beats"), t.findtext("beat-type")) for t in root.iter("time")] == [
        (str(3 * metre), "8")]
    assert root.find(".//metronome/beat-unit-dot") is not None
    assert root.findtext(".//metronome/per-minute") == "60"
    assert "time-modification" not in text
    found, lengths = notes(text)
    assert all(total == F(3 * metre, 2) for length in lengths for total in length.values())
    assert {(bar * metre + onset * F(2, 3), key) for bar, onset, _, _, _, key, _ in found} == {
        (F(b).limit_denominator(12), PIECE_TO_GM[p]) for b, p in strokes}


def test_tempo_marks_only_where_the_tempo_changes():
    rng = np.random.default_rng(0)
    period = np.repeat([0.5, 0.4], 64) * (1 + 0.03 * np.sin(np.arange(128) / 9))
    times = 0.3 + np.cumsum(period) + rng.normal(0, 0.012, 128)
    beats = Beats(times, np.arange(128) % 4 + 1)
    song = Transcription([Hit(t, "kick") for t in times], times[-1] + 1, beats=beats)
    root = ET.fromstring(to_musicxml(song))
    marks = [(m.get("number"), m.findtext(".//per-minute")) for m in root.iter("measure")
             if m.find(".//metronome") is not None]
    assert [n for n, _ in marks] == ["1", "17"]
    assert [int(x) for _, x in marks] == pytest.approx([120, 150], abs=4)


def test_files_follow_the_schema(schema):
    strokes = grooves(5) + [(3.96, "snare"), (8 + F(1, 3), "tom_mid"), (9.25, "hihat_open")]
    song = played([(float(b), p) for b, p in strokes], bars=5, pickup=2)
    for compound in (False, True):
        song.beats = Beats(song.beats.times, song.beats.positions, compound)
        text = to_musicxml(song)
        schema.validate(text.partition("<!DOCTYPE")[0] + text.partition(".dtd\">")[2])


@pytest.fixture(scope="module")
def schema():
    """MusicXML 4.0, as music21 brings it along."""
    xmlschema = pytest.importorskip("xmlschema")
    from pathlib import Path

    import music21
    return xmlschema.XMLSchema(Path(music21.__file__).parent / "musicxml" / "musicxml.xsd",
                               allow="local")


def test_partitura_reads_the_same_onsets(tmp_path):
    partitura = pytest.importorskip("partitura")
    # partitura 1.9 cannot read chords of unpitched notes: one hand at a time.
    strokes = [(b, p) for b, p in grooves(4) if p != "hihat_closed" or b % 2 != 1]
    path = played(strokes, bars=4, jitter=0.006).save(tmp_path / "part.musicxml")
    part = partitura.load_score(str(path))[0]
    read = Counter((round(float(part.quarter_map(n.start.t)), 3), f"{n.step}{n.octave}")
                   for n in part.iter_all(partitura.score.UnpitchedNote))
    assert read == Counter((round(b, 3), PLACES[p]) for b, p in strokes)


def test_music21_finds_full_bars():
    import music21
    strokes = grooves(3) + [(3 + k / 3, "tom_mid") for k in (1, 2)] + [(8.25, "snare")]
    score = music21.converter.parse(to_musicxml(played(strokes, bars=3)), format="musicxml")
    measures = score.parts[0].getElementsByClass("Measure")
    assert [m.duration.quarterLength for m in measures] == [4, 4, 4]


def test_a_pickup_longer_than_the_bar_after_it():
    import music21
    positions = [2, 3, 4, 1, 2, *[1, 2, 3, 4] * 6]
    beats = Beats(0.5 * np.arange(len(positions)), positions)
    song = Transcription([Hit(t, "snare") for t in beats.times], 15.0, beats=beats)
    score = music21.converter.parse(to_musicxml(song), format="musicxml")
    measures = list(score.parts[0].getElementsByClass("Measure"))
    assert [m.barDuration.quarterLength for m in measures[:3]] == [3, 2, 4]
    assert [m.duration.quarterLength for m in measures[:3]] == [3, 2, 4]
    assert all(m.paddingLeft >= 0 for m in measures)


hits = st.lists(st.builds(Hit, time=st.floats(0, 8), piece=st.sampled_from(PIECES),
                          velocity=st.integers(1, 127)), max_size=40)


@settings(max_examples=30, deadline=None)
@given(hits, st.floats(50, 250), st.integers(2, 7), st.integers(0, 6), st.floats(0, 3))
def test_any_hits_make_full_bars(hits, tempo, metre, first, start):
    count = np.arange(int(8 * tempo / 60))
    beats = Beats(start + count * 60 / tempo, (count + first) % metre + 1)
    assume(beats.metre == metre)  # some beats of a slow song are no whole bar
    found, lengths = notes(to_musicxml(Transcription(hits, 8.0, beats=beats)))
    assert all(set(length.values()) <= {metre} for length in lengths[1:])
    assert len(set(lengths[0].values())) == 1 and max(lengths[0].values()) <= metre
    struck = {n[5] for n in found}
    assert struck <= {PIECE_TO_GM[hit.piece] for hit in hits}
    assert bool(struck) == bool(hits)


def test_smaller_sets_of_classes():
    song = played(grooves(2) + [(4, "crash"), (7.5, "tom_floor")], bars=2)
    for classes, keys in ((5, {36, 38, 42, 47, 49}), (3, {36, 38, 42})):
        assert {n[5] for n in notes(to_musicxml(song.reduce(classes)))[0]} == keys


def test_without_beats():
    song = Transcription([Hit(1.0, "kick"), Hit(1.5, "snare")], 2.0, "song")
    with pytest.raises(OutputError, match="song: its beats are not known"):
        to_musicxml(song)
    found, _ = notes(to_musicxml(song, tempo=60))
    assert [(n[1], n[5]) for n in sorted(found, key=lambda n: n[1])] == [(0, 36), (F(1, 2), 38)]
    with pytest.raises(ConfigError, match="expected 20 to 400"):
        to_musicxml(song, tempo=5)


@pytest.mark.parametrize("library, suffix", [
    ("music21", ".musicxml"), ("verovio", ".svg"), ("typst", ".pdf")])
def test_missing_library(monkeypatch, tmp_path, library, suffix):
    pytest.importorskip("verovio")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(OutputError, match=f"needs the library {library}; pip install"):
        played([(0, "kick")]).save(tmp_path / f"song{suffix}")
    assert not list(tmp_path.iterdir())


def test_pages(tmp_path):
    pytest.importorskip("verovio")
    song = played([(4 * bar + k / 4, PIECES[(bar + k) % 9]) for bar in range(90)
                   for k in range(16)], bars=90)
    pages = engrave(song, title="Tom & <Jerry>")
    assert len(pages) > 1 and "Tom &amp; &lt;Jerry&gt;" in pages[0]
    assert pages == engrave(song, title="Tom & <Jerry>")
    drawn = sum(page.count('class="notehead"') for page in pages)
    assert drawn == len(song)
    root = ET.fromstring(stack(pages))
    assert len(root.findall("{http://www.w3.org/2000/svg}svg")) == len(pages)
    pytest.importorskip("typst")
    pdf = to_pdf(pages)
    assert pdf.startswith(b"%PDF-") and pdf == to_pdf(pages)


def test_a_longer_bar_at_the_end():
    beats = Beats(np.arange(13) / 2, [1, 2, 3, 4] * 2 + [1, 2, 3, 4, 5])
    hits = [Hit(k / 2, "kick") for k in range(13)]
    rhythm = write_rhythm(Transcription(hits, 7.0, beats=beats), beats)
    assert [bar.signature for bar in rhythm.bars] == [(4, 4), (4, 4), (5, 4)]
    hits += [Hit(k / 2, "kick") for k in range(13, 17)]
    rhythm = write_rhythm(Transcription(hits, 9.0, beats=beats), beats)
    assert [bar.signature for bar in rhythm.bars] == [(4, 4), (4, 4), (5, 4), (4, 4)]


def test_a_pickup_alone_is_in_the_metre_of_the_beats():
    beats = Beats(np.arange(8) / 2, [4, 1, 2, 3, 4, 1, 2, 3])
    song = Transcription([Hit(0.0, "snare")], 4.0, beats=beats)
    first, second = write_rhythm(song, beats).bars
    assert first.pickup and first.length == 1 and second.signature == (4, 4)
    assert "<beats>4</beats>" in to_musicxml(song)


def marked(velocities):
    """Ghosts and accents among the snares of eighths."""
    song = played([(k / 2, "snare", v) for k, v in enumerate(velocities)],
                  bars=len(velocities) // 8)
    strokes = [stroke for bar in write_rhythm(song, song.beats).bars
               for slot in bar.slots.values() for stroke in slot]
    return sum(s.ghost for s in strokes), sum(s.accent for s in strokes)


def test_ghosts_that_are_most_of_the_snare():
    assert marked([30, 30, 110, 30, 30, 30, 30, 30] * 8) == (56, 0)
    assert marked([30, 90, 110, 90, 90, 90, 30, 90] * 8) == (16, 0)


def test_accents_of_a_loud_part():
    assert marked([100, 100, 127, 100, 100, 100, 100, 100] * 8) == (0, 8)
    assert marked([115, 115, 120, 115, 115, 115, 115, 115] * 8) == (0, 0)
