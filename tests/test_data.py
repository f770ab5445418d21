"""Data: kits, Groove, StemGMD and MDB Drums readers, patterns, demo."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from adt.data.groove import Performance, read_groove, read_midi
from adt.data.kits import read_kit, read_kits
from adt.data.mdb import MDB_TO_ARTICULATION, read_mdb
from adt.data.patterns import STYLES, generate, vary
from adt.data.stemgmd import TEST_KITS, TRAIN_KITS, read_stemgmd
from adt.errors import DataError
from adt.frames import SAMPLE_RATE
from adt.vocabulary import ARTICULATIONS, MIN_HIT_DISTANCE, PIECE_TO_STEMGMD, PIECES

# -- kits -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "not json", "{}", '{"name": "x", "pieces": {"kick": [{}]}}', '{"name": "x", "pieces": [1]}',
    '{"name": "x", "pieces": {"kick": [{"file": "a", "velocity_hi": Infinity}]}}'])
def test_a_damaged_kit_is_named(tmp_path, text):
    (tmp_path / "kit.json").write_text(text)
    with pytest.raises(DataError, match=r"kit\.json: not a kit description"):
        read_kit(tmp_path)


@pytest.mark.parametrize("files, words", [
    ("[]", "kick has no samples"),
    ('[{"file": "a.wav", "velocity_hi": 200}]', "velocity_hi of 200"),
    ('[{"file": "a.wav", "velocity_hi": 9, "pan": "nan"}]', "a pan of nan"),
    ('[{"file": "a.wav", "velocity_hi": 9, "onset_ms": 1e9}]', "onset_ms of 1000000000"),
    ('[{"file": "a.wav", "velocity_hi": 0}]', "velocity_hi of 0")])
def test_a_kit_that_cannot_be_played_is_named(tmp_path, files, words):
    (tmp_path / "kit.json").write_text(f'{{"name": "x", "pieces": {{"kick": {files}}}}}')
    with pytest.raises(DataError, match=words):
        read_kit(tmp_path)


@pytest.mark.parametrize("name", ['5', '"a/b"', '""', '".."', 'null', '"x", "family": ["a"]'])
def test_a_kit_has_a_name_that_a_folder_may_have(tmp_path, name):
    (tmp_path / "kit.json").write_text(
        f'{{"name": {name}, "pieces": {{"kick": [{{"file": "a.wav", "velocity_hi": 127}}]}}}}')
    with pytest.raises(DataError, match=r"kit\.json: name .*; expected texts"):
        read_kit(tmp_path)


def test_samples_that_are_no_numbers(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0.0, np.nan, 0.5]), 44_100, subtype="FLOAT")
    (tmp_path / "kit.json").write_text(
        '{"name": "x", "pieces": {"kick": [{"file": "a.wav", "velocity_hi": 127}]}}')
    with pytest.raises(DataError, match=r"a\.wav: has samples that are no numbers"):
        _ = read_kit(tmp_path).pick("kick", 100, 0)[0].audio


def test_what_a_kit_need_not_say(tmp_path):
    (tmp_path / "kit.json").write_text(
        '{"name": "x", "pieces": {"kick": [{"file": "a.wav", "velocity_hi": 127}], "gong": []}}')
    kit = read_kit(tmp_path)
    assert (kit.family, kit.kind, kit.stems()) == ("x", "", ("kick",))
    sample, gain = kit.pick("kick", 127, 5)
    assert (sample.path, sample.pan, sample.onset, gain) == (tmp_path / "a.wav", 0, 0, 1)


@pytest.mark.parametrize("text", [
    '{"name": "x", "pieces": {}}', '{"name": "x", "pieces": {"gong": []}}',
    '{"name": "x", "pieces": {"kick": [{"file": "a.wav", "velocity_hi": 9}]}, '
    '"suggested_piece_gain_db": {"kick": NaN}}'])
def test_a_kit_without_anything_to_play_is_named(tmp_path, text):
    (tmp_path / "kit.json").write_text(text)
    with pytest.raises(DataError, match="no articulation of|a gain that is no number"):
        read_kit(tmp_path)


def test_a_missing_kit_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no kit\.json"):
        read_kit(Path(__file__))
    with pytest.raises(DataError, match=r"no kit\.json"):
        read_kit(tmp_path)
    with pytest.raises(DataError, match="no kits"):
        read_kits(tmp_path)


# -- Groove ---------------------------------------------------------------------------


def write_midi(path, notes):
    import mido
    midi = mido.MidiFile()
    midi.tracks.append(track := mido.MidiTrack())
    for note, velocity in notes:
        track.append(mido.Message("note_on", note=note, velocity=velocity, time=240))
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.save(path)


def write_groove(root):
    header = ("drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,"
              "audio_filename,duration,split")
    rows = [("drummer1/session1/1", "1_rock_120_beat_4-4", "train"),
            ("drummer2/session2/8", "8_rock_120_beat_4-4", "train"),
            ("drummer1/eval_session/2", "2_funk-groove_98_fill_6-8", "test")]
    lines = [header]
    for name, clip, split in rows:
        drummer, session, _ = name.split("/")
        path = f"{drummer}/{session}/{clip}.mid"
        _, style, bpm, beat, metre = clip.split("_")
        lines.append(f"{drummer},{drummer}/{session},{name},{style},{bpm},{beat},{metre},"
                     f"{path},,2,{split}")
        write_midi(root / path, [(36, 100), (37, 0), (99, 100), (37, 90), (53, 80)])
    (root / "info.csv").write_text("\n".join(lines) + "\n")
    return root


def test_groove(tmp_path):
    performances = read_groove(write_groove(tmp_path))
    assert [p.name for p in performances] == ["drummer1/session1/1", "drummer1/eval_session/2"]
    (test,) = read_groove(tmp_path, "test")
    assert (test.style, test.bpm, test.time_signature, test.beat_type) == (
        "funk-groove", 98, "6-8", "fill")
    assert [ARTICULATIONS[a] for a in test.articulations] == ["kick", "side_stick", "ride_bell"]
    assert [PIECES[p] for p in test.pieces] == ["kick", "snare", "ride"]
    np.testing.assert_allclose(test.times, [0.25, 1.0, 1.25])
    cut = test.excerpt(0.5, 1.25)
    assert cut.times.tolist() == [0.5] and cut.velocities.tolist() == [90]
    for content, reason in ((b"nothing", "EOFError"), (b"nothing at all", "MThd")):
        (tmp_path / "bad.mid").write_bytes(content)
        with pytest.raises(DataError, match=rf"bad\.mid: .*{reason}"):
            read_midi(tmp_path / "bad.mid")
    text = (tmp_path / "info.csv").read_text()
    (tmp_path / "info.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())  # as Excel writes it
    assert len(read_groove(tmp_path)) == 2
    first = text.splitlines()[1]
    for damaged in (first.replace(",120,", ",fast,"), first.replace(",120,", ",nan,"),
                    first.rsplit(",", 3)[0], first.replace("rock", "r\xf6ck")):
        (tmp_path / "info.csv").write_text(text.replace(first, damaged), encoding="latin-1")
        with pytest.raises(DataError, match=r"info\.csv: (line 2 is cut off|cannot be read)"):
            read_groove(tmp_path)
    (tmp_path / "info.csv").write_text(text.replace("bpm", "tempo"))
    with pytest.raises(DataError, match=r"info\.csv: no column bpm"):
        read_groove(tmp_path)


# -- StemGMD --------------------------------------------------------------------------

LAYOUTS = {
    "kit then instrument": "{session}/{clip}/{kit}/{instrument}.wav",
    "instrument folders": "{session}/{kit}/{instrument}/{clip}.wav",
    "instrument folders in the clip": "{session}/{clip}/{kit}/{instrument}/audio.wav",
    "all in the file name": "{session}/{clip}/{clip}_{kit}_{instrument}.wav",
    "drummer in the file name": "{session}/{kit}/{instrument}/drummer1_{clip}_{kit}.wav",
}


def write_stemgmd(root, layout, kits=("brooklyn", "retro_rock"), n=3000):
    for kit in kits:
        for k, instrument in enumerate([*PIECE_TO_STEMGMD.values(), "mixture", "toms"]):
            path = root / layout.format(session="drummer1/eval_session",
                                        clip="2_funk-groove_98_fill_6-8", kit=kit,
                                        instrument=instrument)
            path.parent.mkdir(parents=True, exist_ok=True)
            audio = np.full((n, 2), (k + 1) / 64) * (np.arange(n) >= 1000)[:, None]
            soundfile.write(path, audio, SAMPLE_RATE, subtype="PCM_16")


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_stemgmd_layouts(tmp_path, layout):
    write_stemgmd(tmp_path / "StemGMD", layout)
    groove = write_groove(tmp_path / "groove")
    clips = read_stemgmd(tmp_path / "StemGMD", groove, split="test")
    assert [c.kit for c in clips] == ["brooklyn", "retro_rock"]
    assert {c.name for c in clips} == {"drummer1/eval_session/2_funk-groove_98_fill_6-8"}
    for clip in clips:
        assert set(clip.files) == set(PIECES)
        for k, piece in enumerate(PIECES):
            audio = clip.read(990, 20, [piece])[piece]
            expected = np.where(np.arange(20) >= 10, (k + 1) / 64, 0)
            np.testing.assert_allclose(audio, [expected, expected], atol=1e-4)
    # A folder below works the same.
    assert len(read_stemgmd(tmp_path / "StemGMD" / "drummer1")) == 2
    assert read_stemgmd(tmp_path / "StemGMD", groove, split="train") == []


def test_stemgmd_labels(tmp_path):
    write_stemgmd(tmp_path / "s", LAYOUTS["kit then instrument"], ["roots"], n=SAMPLE_RATE // 2)
    (clip,) = read_stemgmd(tmp_path / "s")
    with pytest.raises(DataError, match="groove_root"):
        clip.performance()
    (clip,) = read_stemgmd(tmp_path / "s", write_groove(tmp_path / "g"))
    assert clip.performance().times.tolist() == [0.25]  # those within the audio
    labels = clip.files["kick"].parent / "labels.csv"
    labels.write_text("time,articulation,velocity\n0.1,china,9\n")
    (clip,) = read_stemgmd(tmp_path / "s", tmp_path / "g")
    assert [ARTICULATIONS[a] for a in clip.performance().articulations] == ["china"]
    labels.write_text("time,articulation,velocity\n0.1,gong,9\n")
    with pytest.raises(DataError, match=r"labels\.csv: not a list of labels"):
        clip.performance()


def test_stemgmd_errors(tmp_path):
    with pytest.raises(DataError, match="no StemGMD clips"):
        read_stemgmd(tmp_path)
    write_stemgmd(tmp_path, LAYOUTS["kit then instrument"], ["roots"])
    with pytest.raises(DataError, match="no kit socal; there are roots"):
        read_stemgmd(tmp_path, kits=["socal"])
    with pytest.raises(DataError, match="groove_root"):
        read_stemgmd(tmp_path, split="train")
    with pytest.raises(DataError, match="no split"):
        read_stemgmd(tmp_path, split="all")
    (clip,) = read_stemgmd(tmp_path, kits=["roots"])
    clip.files["kick"].write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"kick\.wav: stem cannot be read"):
        clip.read()
    assert len({*TRAIN_KITS, *TEST_KITS}) == 10


# -- MDB Drums ------------------------------------------------------------------------


def test_mdb_flat_folder(tmp_path):
    (tmp_path / "Song.txt").write_text("0.5\tride_bell\n0.25\tkick\n0.3\ttambourine\n\n")
    (tmp_path / "Song.beats").write_text("0.010\t1\n0.520\t2\n")
    (tmp_path / "Song.mix.flac").write_bytes(b"")
    (tmp_path / "LICENCE.txt").write_text("not an annotation")
    (track,) = read_mdb(tmp_path)
    assert (track.name, track.drums, track.mix.name) == ("Song", None, "Song.mix.flac")
    assert track.times.tolist() == [0.25, 0.5] and track.beats.tolist() == [[0.01, 1], [0.52, 2]]
    assert [PIECES[p] for p in track.pieces] == ["kick", "ride"]


def test_mdb_with_a_byte_order_mark(tmp_path):
    (tmp_path / "Song.txt").write_text("0.5\tkick\n", encoding="utf-8-sig")
    (tmp_path / "Song.beats").write_text("0.5\t1\n", encoding="utf-8-sig")
    (tmp_path / "Song.mix.flac").write_bytes(b"")
    (track,) = read_mdb(tmp_path)
    assert track.times.tolist() == [0.5] and track.beats.tolist() == [[0.5, 1]]


@pytest.mark.parametrize("level", ["subclass", "class"])
def test_mdb_repository(tmp_path, level):
    root = tmp_path / "MDB Drums"
    for folder in (f"annotations/{level}", "annotations/beats", "audio/drum_only"):
        (root / folder).mkdir(parents=True)
    text = {"subclass": "0.011610 \t LFT \n0.5 \t TMB \n0.6 \t SST\n",
            "class": "0.011610 \t TT \n0.5 \t OT \n0.6 \t SD\n"}[level]
    (root / f"annotations/{level}/MusicDelta_Beatles_{level}.txt").write_text(text)
    (root / "annotations/beats/MusicDelta_Beatles_MIX.beats").write_text("0.010\t1\n")
    (root / "audio/drum_only/MusicDelta_Beatles_Drum.wav").write_bytes(b"")
    (track,) = read_mdb(tmp_path)
    assert (track.name, track.mix, len(track)) == ("Beatles", None, 2)
    assert track.drums.name == "MusicDelta_Beatles_Drum.wav" and track.beats.shape == (1, 2)
    expected = {"subclass": ["tom_floor", "side_stick"], "class": ["tom_mid", "snare"]}[level]
    assert [ARTICULATIONS[a] for a in track.articulations] == expected


def test_mdb_tracks_with_either_level(tmp_path):
    for level, name, label in (("class", "A", "TT"), ("class", "B", "toms"),
                               ("subclass", "A", "LFT")):
        (tmp_path / "annotations" / level).mkdir(parents=True, exist_ok=True)
        path = tmp_path / "annotations" / level / f"MusicDelta_{name}_{level}.txt"
        path.write_text(f"0.5\t{label}\n")
    assert [(t.name, ARTICULATIONS[t.articulations[0]]) for t in read_mdb(tmp_path)] == [
        ("A", "tom_floor"), ("B", "tom_mid")]


@pytest.mark.parametrize("text, words", [
    ("0.1\n0.2\n", "line 1"), ("\n0.1 1 4\n", "line 2"), ("0.1 one\n", "line 1"),
    ("nan 1\n", "line 1"), ("0.5 1\n0.4 2\n", "line 2")])
def test_mdb_beats_have_two_columns(tmp_path, recwarn, text, words):
    (tmp_path / "Song.txt").write_text("0.5\tkick\n")
    (tmp_path / "Song.mix.flac").write_bytes(b"")
    (tmp_path / "Song.beats").write_text("\n")
    assert read_mdb(tmp_path)[0].beats.shape == (0, 2) and not recwarn
    (tmp_path / "Song.beats").write_text(text)
    with pytest.raises(DataError, match=rf"Song\.beats: {words} is not"):
        read_mdb(tmp_path)


def test_mdb_errors(tmp_path):
    with pytest.raises(DataError, match="no annotated tracks"):
        read_mdb(tmp_path)
    (tmp_path / "Song.mix.flac").write_bytes(b"")
    (tmp_path / "Song.txt").write_text("0.5\tkick\n0.6\tgong\n")
    with pytest.raises(DataError, match=r"Song\.txt: line 2"):
        read_mdb(tmp_path)
    for time in ("nan", "inf", "-1"):
        (tmp_path / "Song.txt").write_text(f"{time}\tkick\n")
        with pytest.raises(DataError, match=r"Song\.txt: line 1"):
            read_mdb(tmp_path)
    assert {a for a in MDB_TO_ARTICULATION.values() if a} == set(ARTICULATIONS)


# -- patterns -------------------------------------------------------------------------

seeds = st.integers(0, 2 ** 32 - 1)


def check(performance, stop=np.inf):
    """What holds of every performance."""
    n = len(performance)
    assert len(performance.articulations) == len(performance.velocities) == n
    assert performance.times.dtype == np.float64
    assert performance.articulations.dtype.kind == performance.velocities.dtype.kind == "i"
    assert (np.diff(performance.times) >= 0).all()
    assert ((performance.times >= 0) & (performance.times < stop)).all()
    assert ((performance.velocities >= 1) & (performance.velocities <= 127)).all()
    assert ((performance.articulations >= 0)
            & (performance.articulations < len(ARTICULATIONS))).all()
    for piece in range(len(PIECES)):
        assert (np.diff(performance.times[performance.pieces == piece])
                >= MIN_HIT_DISTANCE - 1e-9).all()


@settings(max_examples=150, deadline=None)
@given(seed=seeds, seconds=st.floats(0.0, 30.0), style=st.sampled_from([None, *STYLES]))
def test_generated_performances(seed, seconds, style):
    a = generate(np.random.default_rng(seed), seconds, style)
    check(a, seconds)
    b = generate(np.random.default_rng(seed), seconds, style)
    assert a.times.tobytes() == b.times.tobytes()
    assert a.velocities.tobytes() == b.velocities.tobytes()


@settings(max_examples=150, deadline=None)
@given(seed=seeds, seconds=st.floats(0.0, 12.0))
def test_varied_performances(seed, seconds):
    source = generate(np.random.default_rng(seed), seconds)
    before = source.times.copy(), source.articulations.copy(), source.velocities.copy()
    varied = vary(source, np.random.default_rng(seed))
    check(varied, 1.35 * seconds + 0.1)
    assert len(varied) <= len(source)
    for kept, now in zip(before, (source.times, source.articulations, source.velocities)):
        np.testing.assert_array_equal(kept, now)


def test_styles_break_habits():
    def used(style):
        rng = np.random.default_rng(0)
        return {ARTICULATIONS[a] for _ in range(30)
                for a in generate(rng, 10, style).articulations}

    hats = {"hihat_closed", "hihat_open", "hihat_pedal"}
    for style in ("ride-only", "no-hat", "tom-fills", "tom-groove"):
        assert not used(style) & hats
    assert "side_stick" in used("side-stick") and "snare" not in used("side-stick")
    assert {"tom_high", "tom_mid", "tom_floor"} <= used("tom-fills")
    assert used("random") == set(ARTICULATIONS)
    rng = np.random.default_rng(0)
    blasts = [generate(rng, 10, "blast") for _ in range(20)]
    assert all((b.pieces == 0).sum() >= 45 for b in blasts)  # five kicks a second at least


@pytest.mark.parametrize("style, piece, beats", [
    ("double-kick", 1, 2.0), ("half-time", 1, 4.0), ("swing-ride", 7, 1.0)])
def test_the_tempo_of_a_pattern_is_what_it_is_played_at(style, piece, beats):
    for seed in range(5):
        song = generate(np.random.default_rng(seed), 30, style)
        apart = np.diff(song.times[song.pieces == piece]) * song.bpm / 60
        assert apart.max() == pytest.approx(beats, abs=0.15)


def test_variation_reaches_every_change():
    rng = np.random.default_rng(0)
    times = np.arange(0, 10, 0.25)
    names = ["kick", "hihat_closed", "snare", "hihat_open", "tom_high", "tom_mid", "tom_floor",
             "ride"]
    source = Performance(times, np.array([ARTICULATIONS.index(n) for n in names] * 5),
                         np.full(40, 90))
    results = [vary(source, rng) for _ in range(300)]
    stretched = [r.duration / source.duration for r in results]
    assert 0.74 < min(stretched) < 0.85 and 1.2 < max(stretched) < 1.37
    new = set().union(*({ARTICULATIONS[a] for a in r.articulations} for r in results))
    assert {"side_stick", "crash", "ride_bell", "hihat_pedal"} <= new
    assert any(len(set(r.pieces)) < 8 for r in results)
    assert 0.03 < np.mean([np.array_equal(r.times, times) for r in results]) < 0.5


# -- demo -----------------------------------------------------------------------------


def test_demo_scores_against_the_truth(tmp_path):
    from adt.demo import groove, run_demo
    from adt.transcription import Hit, Transcription
    played = groove()
    assert set(played.pieces) == set(range(9)) and 11 < played.duration < 13
    check(played)

    def perfect_but_deaf_to_kicks(audio, sr):
        assert sr == SAMPLE_RATE and audio.shape[0] == 2 and np.abs(audio).max() <= 1
        return Transcription([Hit(t, PIECES[p]) for t, p in
                              zip(played.times.tolist(), played.pieces.tolist()) if p],
                             duration=audio.shape[1] / sr)

    lines = []
    scores = run_demo(tmp_path / "out", transcriber=perfect_but_deaf_to_kicks, echo=lines.append)
    assert scores[9]["SUM"]["fn"] == (played.pieces == 0).sum() and scores[9]["SUM"]["fp"] == 0
    assert scores[9]["ride"]["f_measure"] == 1 and scores[5]["KD"]["tp"] == 0
    assert any(line.startswith("tom_floor") for line in lines)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "demo.mid", "demo.wav", "truth.mid"]
    assert len(Transcription.load(tmp_path / "out" / "truth.mid")) == len(played)


def test_the_louder_of_two_notes_at_once_counts():
    import pretty_midi

    from adt.data.songs import drums_of
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(pretty_midi.Instrument(0, is_drum=True))
    midi.instruments[0].notes = [pretty_midi.Note(v, n, 0.5, 0.6) for v, n in (
        (100, 38), (30, 40), (20, 35), (90, 36))]
    assert drums_of(midi).velocities.tolist() == [90, 100]
