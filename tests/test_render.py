"""Renderer: labels to the sample, sums, choke, velocity layers, round robins, data sets."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from adt.data.groove import Performance, read_midi
from adt.data.kits import read_kit
from adt.data.render import mixture, render, render_dataset, render_pieces, to_stems
from adt.data.stemgmd import read_stemgmd
from adt.data.voices import CHOKE_DECAY
from adt.errors import ConfigError, DataError, OutputError
from adt.frames import SAMPLE_RATE
from adt.synth import LAYERS, PRE_ROLL, write_kit
from adt.vocabulary import (
    ARTICULATIONS,
    PIECE_TO_STEMGMD,
    PIECES,
    STEM_TO_PIECES,
    STEMS,
)


@pytest.fixture(scope="module")
def kits_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("kits")
    write_kit(root / "synth-0")
    return root


@pytest.fixture(scope="module")
def kit(kits_root):
    return read_kit(kits_root / "synth-0")


def play(*strokes):
    """Performance of (seconds, articulation, velocity) strokes."""
    times, names, velocities = zip(*strokes)
    return Performance(np.array(times, float),
                       np.array([ARTICULATIONS.index(n) for n in names]), np.array(velocities))


def impulse_kit(folder, layers=((1, 127, 0.5),), pieces=("kick", "hihat_open", "hihat_closed"),
                length=SAMPLE_RATE, onset=100, robins=1, channels=1, pan=0.0):
    """A kit whose samples are constant from their onset on: amplitudes are easy to read."""
    folder.mkdir()
    described = {}
    for piece in pieces:
        described[piece] = []
        for low, high, level in layers:
            for robin in range(1, robins + 1):
                audio = np.zeros((length, channels), np.float32)
                audio[onset:] = level / robin
                name = f"{piece}_{high}_{robin}.flac"
                soundfile.write(folder / name, audio, SAMPLE_RATE, subtype="PCM_16")
                described[piece].append({
                    "file": name, "velocity_lo": low, "velocity_hi": high, "pan": pan,
                    "round_robin": robin, "onset_ms": 1000 * onset / SAMPLE_RATE})
    (folder / "kit.json").write_text(json.dumps({"name": folder.name, "pieces": described}))
    return read_kit(folder)


def test_labels_are_exact_to_the_sample(tmp_path):
    kit = impulse_kit(tmp_path / "k")
    times = [0.0, 0.31234, 1.7]
    for time in times:
        pieces, labels = render_pieces(play((time, "kick", 127)), kit, n_samples=3 * SAMPLE_RATE)
        first = int(np.flatnonzero(pieces["kick"][0])[0])
        assert first == round(time * SAMPLE_RATE)
        assert labels.times.tolist() == [time]


def test_onsets_of_the_synthesiser_are_where_the_labels_say(kit):
    for name in kit.layers:
        pieces, _ = render_pieces(play((0.5, name, 127)), kit, n_samples=SAMPLE_RATE)
        (audio,) = pieces.values()
        loud = np.flatnonzero(np.abs(audio).max(axis=0) > 0.02 * np.abs(audio).max())
        assert 0 <= loud[0] - 0.5 * SAMPLE_RATE < 0.002 * SAMPLE_RATE


def test_stems_and_pieces_sum_to_the_mixture(kit):
    rng = np.random.default_rng(1)
    n = 60
    performance = Performance(np.sort(rng.uniform(0, 4, n)), rng.integers(0, len(ARTICULATIONS), n),
                              rng.integers(1, 128, n))
    pieces, labels = render_pieces(performance, kit)
    mix, again = render(performance, kit)
    assert list(pieces) == [p for p in PIECES if p in pieces] and len(labels) == len(again) == n
    stems = to_stems(pieces)
    assert tuple(stems) == STEMS
    for stem in STEMS:
        parts = [pieces[p] for p in STEM_TO_PIECES[stem] if p in pieces]
        np.testing.assert_allclose(stems[stem], np.sum(parts, axis=0), atol=1e-6)
    np.testing.assert_allclose(mixture(stems), mix, atol=1e-5)
    assert mix.dtype == np.float32 and mix.shape[0] == 2


def test_mono_is_the_mean_of_stereo(kit):
    performance = play((0.1, "tom_high", 100), (0.2, "ride", 80))
    stereo, _ = render(performance, kit, n_samples=SAMPLE_RATE)
    mono, _ = render(performance, kit, n_samples=SAMPLE_RATE, stereo=False)
    assert mono.shape == (1, SAMPLE_RATE)
    np.testing.assert_allclose(mono[0], stereo.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("pan", [-1.0, -0.3, 0.0, 1.0])
def test_pan_keeps_the_power(tmp_path, pan):
    kit = impulse_kit(tmp_path / "k", pan=pan)
    audio, _ = render(play((0.0, "kick", 127)), kit, n_samples=1000)
    left, right = audio[:, 500]
    assert left ** 2 + right ** 2 == pytest.approx(0.25, rel=1e-3)
    assert np.sign(round(right - left, 4)) == np.sign(pan)


def test_stereo_samples_keep_their_channels(tmp_path):
    kit = impulse_kit(tmp_path / "k", channels=2, pan=-1.0)
    audio, _ = render(play((0.0, "kick", 127)), kit, n_samples=1000)
    np.testing.assert_allclose(audio[:, 500], 0.5, rtol=1e-3)


@pytest.mark.parametrize("closing", ["hihat_closed", "hihat_pedal"])
def test_a_closing_hat_chokes_the_open_one(tmp_path, closing):
    kit = impulse_kit(tmp_path / "k", length=2 * SAMPLE_RATE)
    performance = play((0.1, "hihat_open", 127), (0.5, closing, 127))
    pieces, _ = render_pieces(performance, kit, n_samples=2 * SAMPLE_RATE)
    ring = pieces["hihat_open"][0]
    at = round(0.5 * SAMPLE_RATE)
    assert ring[at - 1] == pytest.approx(ring[at - 1000])
    later = at + round(CHOKE_DECAY * SAMPLE_RATE)
    assert ring[later] == pytest.approx(ring[at] / np.e, rel=1e-2)
    assert not ring[at + SAMPLE_RATE // 2:].any()


def test_no_choke_without_a_closing_hat(tmp_path):
    kit = impulse_kit(tmp_path / "k", length=2 * SAMPLE_RATE)
    pieces, _ = render_pieces(play((0.1, "hihat_open", 127), (0.5, "kick", 127)), kit)
    assert pieces["hihat_open"][0, round(1.9 * SAMPLE_RATE)] > 0.3


def test_velocity_chooses_the_layer_and_scales_within(tmp_path):
    kit = impulse_kit(tmp_path / "k", layers=((1, 64, 0.1), (65, 127, 0.8)))
    levels = {v: render(play((0.0, "kick", v)), kit, n_samples=1000)[0][0, 500] * np.sqrt(2)
              for v in (32, 64, 65, 127)}
    assert levels[64] == pytest.approx(0.1, rel=1e-3)
    assert levels[32] == pytest.approx(0.1 / 4, rel=1e-2)
    assert levels[127] == pytest.approx(0.8, rel=1e-3)
    assert levels[65] == pytest.approx(0.8 * (65 / 127) ** 2, rel=1e-2)


def test_softer_layers_of_the_synthesiser_are_duller(kit):
    def centroid(audio):
        power = np.abs(np.fft.rfft(audio[:8192])) ** 2
        return (power * np.arange(len(power))).sum() / power.sum()

    for name, layers in kit.layers.items():
        assert [layer[0].velocity_hi for layer in layers] == list(LAYERS)
        centroids = [centroid(layer[0].audio[0, PRE_ROLL:]) for layer in layers]
        peaks = [np.abs(layer[0].audio).max() for layer in layers]
        assert centroids[0] < centroids[-1], name
        assert sorted(peaks) == peaks, name


def test_round_robins_take_turns(tmp_path):
    kit = impulse_kit(tmp_path / "k", robins=3, length=2000)
    performance = play(*((i, "kick", 127) for i in range(4)))
    audio, _ = render(performance, kit)
    levels = [audio[0, i * SAMPLE_RATE + 500] * np.sqrt(2) for i in range(4)]
    np.testing.assert_allclose(levels, [0.5, 0.25, 0.5 / 3, 0.5], rtol=1e-2)
    starts = {float(render(performance, kit, rng=np.random.default_rng(s))[0][0, 500].round(3))
              for s in range(20)}
    assert len(starts) == 3


def test_a_missing_piece_is_silent_and_has_no_labels(tmp_path):
    kit = impulse_kit(tmp_path / "k", pieces=("kick", "crash"))
    pieces, labels = render_pieces(
        play((0.0, "kick", 100), (0.1, "ride", 100), (0.2, "china", 100)), kit)
    assert set(pieces) == {"kick", "crash"}
    assert [ARTICULATIONS[a] for a in labels.articulations] == ["kick", "crash"]
    empty, none = render_pieces(play((0.0, "ride", 100)), kit, n_samples=100)
    assert empty == {} and len(none) == 0
    assert render(play((0.0, "ride", 100)), kit, n_samples=100)[0].shape == (2, 100)


def test_a_kit_of_two_toms_has_no_middle_one(tmp_path):
    kit = impulse_kit(tmp_path / "k", pieces=("tom_high", "tom_floor"))
    strokes = play((0.0, "tom_high", 100), (0.1, "tom_mid", 90), (0.2, "tom_floor", 80))
    pieces, labels = render_pieces(strokes, kit)
    assert set(pieces) == {"tom_high", "tom_floor"}
    assert [PIECES[p] for p in labels.pieces] == ["tom_high", "tom_high", "tom_floor"]
    assert labels.velocities.tolist() == [100, 90, 80]
    assert pieces["tom_high"][0, round(0.1 * SAMPLE_RATE)] != 0


def test_a_kit_for_each_stem(tmp_path, kit):
    other = impulse_kit(tmp_path / "k")
    pieces, labels = render_pieces(play((0.0, "kick", 127), (0.1, "snare", 127)),
                                   {"kick": other, "snare": kit}, n_samples=5000)
    assert pieces["kick"][0, 500] == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
    assert len(labels) == 2


def test_strokes_outside_the_render_are_no_labels(tmp_path):
    kit = impulse_kit(tmp_path / "k")
    pieces, labels = render_pieces(
        play((-0.5, "kick", 127), (0.4, "kick", 127), (2.0, "kick", 127)), kit,
        n_samples=SAMPLE_RATE)
    assert labels.times.tolist() == [0.4]
    assert pieces["kick"][0, 0] > 0.3  # the stroke before rings into the window


def test_the_synthesiser_is_deterministic(tmp_path, kits_root):
    again = write_kit(tmp_path / "again")
    other = write_kit(tmp_path / "other", seed=1)
    names = sorted(p.name for p in again.iterdir())
    first = kits_root / "synth-0"
    assert names == sorted(p.name for p in first.iterdir())
    assert all((again / n).read_bytes() == (first / n).read_bytes() for n in names)
    assert (other / "kick_l03_r1.flac").read_bytes() != (first / "kick_l03_r1.flac").read_bytes()
    assert not np.array_equal(read_kit(again).layers["kick"][2][0].audio,
                              read_kit(again).layers["kick"][2][1].audio)
    info = soundfile.info(first / "snare_l01_r1.flac")
    assert (info.subtype, info.samplerate) == ("PCM_16", SAMPLE_RATE)


def test_an_unwritable_kit_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        write_kit(tmp_path / "file" / "kit")


# -- data sets on disk ----------------------------------------------------------------


@pytest.fixture(scope="module")
def groove_root(tmp_path_factory):
    """Two performances in the layout of the Groove MIDI Dataset."""
    import mido
    root = tmp_path_factory.mktemp("groove")
    rows = ["drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,"
            "audio_filename,duration,split"]
    for number, (session, split) in enumerate([("session1", "train"), ("eval_session", "test")], 1):
        name = f"drummer1/{session}/{number}_rock_120_beat_4-4.mid"
        midi = mido.MidiFile()
        midi.tracks.append(track := mido.MidiTrack())
        for note, velocity in [(36, 100), (42, 60), (38, 90), (46, 80), (44, 50), (51, 70),
                               (48, 90), (45, 90), (43, 90), (49, 110)]:
            track.append(mido.Message("note_on", note=note, velocity=velocity, time=120))
            track.append(mido.Message("note_off", note=note, time=0))
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        midi.save(root / name)
        rows.append(f"drummer1,drummer1/{session},drummer1/{session}/{number},rock,120,beat,4-4,"
                    f"{name},,2,{split}")
    (root / "info.csv").write_text("\n".join(rows) + "\n")
    return root


def test_data_set_round_trip(tmp_path, groove_root, kits_root):
    folders = render_dataset(groove_root, kits_root, tmp_path / "out", progress=False)
    assert len(folders) == 2
    for folder in folders:
        assert sorted(p.stem for p in folder.glob("*.wav")) == sorted(PIECE_TO_STEMGMD.values())
        assert (folder / "labels.csv").is_file()
        assert soundfile.info(folder / "kick.wav").subtype == "PCM_16"
    assert not list((tmp_path / "out").rglob("*.part"))
    clips = read_stemgmd(tmp_path / "out")
    assert [c.name for c in clips] == ["drummer1/eval_session/2_rock_120_beat_4-4",
                                       "drummer1/session1/1_rock_120_beat_4-4"]
    assert [c.split for c in read_stemgmd(tmp_path / "out", split="test")] == ["test"]
    clip = clips[0]
    played = clip.performance()
    assert len(played) == 10 and clip.kit == "synth-0"
    audio = clip.read()
    assert tuple(audio) == PIECES and all(a.shape == (2, clip.n_samples) for a in audio.values())
    for piece in PIECES:  # the first label of each piece is where its stem begins
        onset = round(played.times[played.pieces == PIECES.index(piece)][0] * SAMPLE_RATE)
        loud = np.abs(audio[piece]).max(axis=0)
        assert not loud[:onset].any() and loud[onset:onset + 400].any()
    assert np.abs(sum(audio.values())).max() <= 1.0


def test_a_folder_of_other_performances_is_refused(tmp_path, groove_root, kits_root):
    """Its index would not know them, and they would not train."""
    render_dataset(groove_root, kits_root, tmp_path / "out", split="test", progress=False)
    other = shutil.copytree(groove_root, tmp_path / "other")
    (other / "info.csv").write_text(
        (other / "info.csv").read_text().replace(",test\n", ",train\n"))
    with pytest.raises(ConfigError, match="is that of other performances"):
        render_dataset(other, kits_root, tmp_path / "out", progress=False)


def test_labels_of_a_kit_that_lacks_pieces(tmp_path, groove_root):
    """Only strokes that sound are labelled, as what sounds, with their own times and velocities."""
    kits = tmp_path / "kits"
    kits.mkdir()
    impulse_kit(kits / "k", pieces=("kick", "hihat_closed", "crash"))
    folder = render_dataset(groove_root, kits, tmp_path / "out", kits=["k"], split="test",
                            progress=False)[0]
    labelled = [c.performance() for c in read_stemgmd(tmp_path / "out", split="test")][0]
    whole = read_midi(folder.parent.with_suffix(".mid"))
    sounds = np.isin(whole.pieces, [PIECES.index(p) for p in ("kick", "hihat_closed", "crash")])
    sounds |= whole.pieces == PIECES.index("hihat_open")  # played by the closed one
    assert 0 < sounds.sum() < len(whole)
    kept = whole.select(np.flatnonzero(sounds))
    assert labelled.times == pytest.approx(kept.times, abs=1e-6)
    assert labelled.velocities.tolist() == kept.velocities.tolist()
    assert {ARTICULATIONS[a] for a in kept.articulations} > {"hihat_open"}
    named = {"hihat_open": "hihat_closed", "hihat_pedal": "hihat_closed", "splash": "crash",
             "china": "crash"}
    assert [ARTICULATIONS[a] for a in labelled.articulations] == [
        named.get(ARTICULATIONS[a], ARTICULATIONS[a]) for a in kept.articulations]


def test_rendering_goes_on_where_it_stopped(tmp_path, groove_root, kits_root, monkeypatch):
    from adt.data import render as module
    out = tmp_path / "out"
    write, calls = module._write_clip, []

    def stop_at_second(folder, *args):
        calls.append(folder)
        if len(calls) == 2:
            (folder.parent / f".{folder.name}.part").mkdir()
            raise KeyboardInterrupt
        write(folder, *args)

    monkeypatch.setattr(module, "_write_clip", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        render_dataset(groove_root, kits_root, out, progress=False)
    stamp = (calls[0] / "kick.wav").stat().st_mtime_ns
    monkeypatch.setattr(module, "_write_clip", write)
    folders = render_dataset(groove_root, kits_root, out, progress=False)
    assert (calls[0] / "kick.wav").stat().st_mtime_ns == stamp
    assert all((f / "labels.csv").is_file() for f in folders)
    assert not list(out.rglob("*.part"))
    fresh = render_dataset(groove_root, kits_root, tmp_path / "fresh", progress=False)
    for a, b in zip(folders, fresh):
        assert (a / "ride.wav").read_bytes() == (b / "ride.wav").read_bytes()


def test_a_data_set_has_one_length_and_seed(tmp_path, groove_root, kits_root):
    first = render_dataset(groove_root, kits_root, tmp_path / "o", seconds=1.0, progress=False)
    assert render_dataset(groove_root, kits_root, tmp_path / "o", seconds=1.0,
                          progress=False) == first
    for other in ({"seconds": 2.0}, {"seconds": 1.0, "seed": 1}, {}):
        with pytest.raises(ConfigError, match="another folder"):
            render_dataset(groove_root, kits_root, tmp_path / "o", progress=False, **other)


def test_performances_that_begin_later_are_left_out(tmp_path, groove_root, kits_root):
    assert render_dataset(groove_root, kits_root, tmp_path / "o", seconds=1e-4,
                          progress=False) == []
    assert not list((tmp_path / "o").rglob("*.wav"))


def test_blocks_do_not_show(tmp_path, groove_root, kits_root, monkeypatch):
    from adt.data import render as module
    (a,) = render_dataset(groove_root, kits_root, tmp_path / "a", limit=1, progress=False)
    monkeypatch.setattr(module, "BLOCK", 12345)
    (b,) = render_dataset(groove_root, kits_root, tmp_path / "b", limit=1, progress=False)
    for path in a.iterdir():
        assert path.read_bytes() == (b / path.name).read_bytes(), path.name


def test_data_set_options(tmp_path, groove_root, kits_root, capfd):
    folders = render_dataset(groove_root, kits_root, tmp_path / "o", split="train",
                             kits=["synth-0"], limit=1, seconds=0.5)
    assert len(folders) == 1
    assert soundfile.info(folders[0] / "kick.wav").frames == SAMPLE_RATE // 2
    assert capfd.readouterr().err == ""  # quiet when not on a terminal
    with pytest.raises(DataError, match="no kit nosuch"):
        render_dataset(groove_root, kits_root, tmp_path / "o", kits=["nosuch"])
    with pytest.raises(DataError, match="no split"):
        render_dataset(groove_root, kits_root, tmp_path / "o", split="nosuch")
    with pytest.raises(DataError, match="no performances of the split validation"):
        render_dataset(groove_root, kits_root, tmp_path / "none", split="validation")
    assert not (tmp_path / "none").exists()
    with pytest.raises(DataError, match=r"no info\.csv"):
        render_dataset(tmp_path, kits_root, tmp_path / "o")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        render_dataset(groove_root, kits_root, tmp_path / "file", progress=False)
