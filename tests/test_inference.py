"""From audio to hits with small untrained models: chunks, files, weights, timing."""

import dataclasses
import os
import threading
import time
import warnings
import zipfile
from functools import partial

import numpy as np
import pytest
import soundfile
import torch
from conftest import SMALL_BANK

import adt
from adt import inference, network, peaks, weights
from adt.activations import Activations
from adt.detectors import OnsetDetectors, stem_decibel, summed
from adt.errors import AudioError, ConfigError, DataError, WeightsError
from adt.features import N_BANDS
from adt.frames import HOP, SAMPLE_RATE, n_frames
from adt.inference import Transcriber
from adt.levels import GROUPS
from adt.streaming import Streamed, through
from adt.transcription import Hit, Transcription
from adt.vocabulary import PIECES, STEMS
from separation import UNetBank, separator


@pytest.fixture(scope="module", params=[True, False], ids=["stems", "mixture"])
def demix(request):
    return request.param


@pytest.fixture(scope="module")
def transcriber(demix, small_bank, small_detectors):
    return Transcriber(demix, bank=small_bank, detectors=small_detectors[demix])


def beat(seconds, channels=2, rate=SAMPLE_RATE):
    n = round(seconds * rate)
    rng = np.random.default_rng(0)
    bursts = np.exp(-(np.arange(n) % (rate // 4)) / (0.03 * rate))
    return (0.1 * bursts * rng.standard_normal((channels, n))).astype(np.float32)


def same(a, b, atol=1e-4):
    for name in ("onset", "velocity", "offset"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=atol)


# -- networks -------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_margins_cover_what_the_networks_see(levels):
    """Frames further away than a chunk's margin change nothing."""
    x = torch.full((1, 640, N_BANDS), -30.0) + torch.randn(
        (1, 640, N_BANDS), generator=torch.Generator().manual_seed(0))
    bank = UNetBank((2,) * levels).eval()
    detectors = OnsetDetectors(front=(2, 2, 2, 2), width=4, exchange=(1, 3)).eval()
    assert separator._MARGIN >= bank.margin
    for wrong in ((2,), (2,) * 5):
        with pytest.raises(ValueError, match="expected 2 to 4"):
            UNetBank(wrong)

    def look(x):
        return detectors.look(x, stem_decibel(x, bank(x)))

    looks = bank.margin + detectors.look_margin
    listens = sum(layer.reach for layer in detectors.streamed())
    with torch.inference_mode():
        for margin, hear in ((bank.margin, lambda x: bank(x)[0, 0]),
                             (looks, lambda x: look(x)[0, :, 0].T),
                             (looks + listens, lambda x: detectors.listen(look(x))[0, 0])):
            margin = network.rounded(margin)
            other = x.clone()
            other[:, :320 - margin] = other[:, 328 + margin:] = 20.0
            np.testing.assert_allclose(hear(other)[320:328], hear(x)[320:328], atol=1e-5)


def test_fusing_norms_changes_nothing(small_bank, small_detectors, demix):
    for make, path in ((UNetBank, small_bank), (OnsetDetectors, small_detectors[demix])):
        tensors, description = weights.load_weights(path)
        plain, fused = make(**description["model"]), make(**description["model"])
        for model in (plain, fused):
            model.load_state_dict(tensors, strict=False)
            model.eval()
        network.fuse(fused)
        assert not [m for m in fused.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        x = 20 * torch.randn(1, 64, N_BANDS, generator=torch.Generator().manual_seed(0)) - 30
        inputs = (x,) if make is UNetBank else (x, x[:, None].expand(1, 5, 64, N_BANDS))
        with torch.inference_mode():
            np.testing.assert_allclose(fused(*inputs), plain(*inputs), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("batch", [1, 2])
def test_networks_taken_apart_say_the_same(small_bank, small_detectors, demix, batch):
    for make, path in ((UNetBank, small_bank), (OnsetDetectors, small_detectors[demix])):
        tensors, description = weights.load_weights(path)
        whole, apart = make(**description["model"]), make(**description["model"])
        for model in (whole, apart):
            model.load_state_dict(tensors, strict=False)
            network.fuse(model.eval()).requires_grad_(False)
        apart.take_apart()
        assert len(apart.nets) == len(STEMS)
        assert not [c for c in apart.nets.modules() if getattr(c, "groups", 1) > 1]
        x = 20 * torch.randn(batch, 64, N_BANDS, generator=torch.Generator().manual_seed(0)) - 30
        stems = x[:, None] - 5 * torch.arange(5)[None, :, None, None]
        inputs = (x,) if make is UNetBank else (x, stems)
        with torch.inference_mode():
            heard = whole(*inputs)
            assert heard.std() > 0.01
            np.testing.assert_allclose(apart(*inputs), heard, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("step", [1, 3, 7, 40, 100])
def test_songs_in_parts_sound_as_a_whole(apart, step):
    """However they are cut, also into parts shorter than what layers reach over."""
    torch.manual_seed(0)
    detectors = OnsetDetectors(front=(2, 2, 2, 2), width=4, dilations=(1, 2, 8), exchange=(0, 2))
    for parameter in detectors.parameters():  # zeros where a layer begins as nothing
        torch.nn.init.normal_(parameter, std=0.3)
    network.fuse(detectors.eval()).requires_grad_(False)
    seen = torch.randn(1, 5 * 4, 1, 100)
    with torch.inference_mode():
        whole = detectors.listen(seen)
        if apart:
            detectors.take_apart()
        layers, parts = detectors.streamed(), seen.split(step, dim=-1)
        heard = [through(layers, part, last=i == len(parts) - 1) for i, part in enumerate(parts)]
    heard = torch.cat([h for h in heard if h is not None], dim=2)
    assert whole.std() > 0.1
    np.testing.assert_allclose(heard, whole, rtol=1e-4, atol=1e-4)


def test_parts_keep_their_layout():
    """Convolutions are twice as fast with channels last."""
    strides = []
    layer = Streamed(lambda x: strides.append(x.stride()) or x, reach=2)
    for last in (False, False, True):
        layer(torch.zeros(1, 8, 1, 6).to(memory_format=torch.channels_last), last)
    assert len(strides) == 3 and all(s[1] == 1 and s[3] == 8 for s in strides)


def test_a_stage_takes_its_items_in_order():
    """One at a time, while what makes them goes on; an error comes out."""
    busy, most = [], []

    def slow(item):
        busy.append(item)
        most.append(len(busy))
        time.sleep(0.002)
        busy.remove(item)
        return -item

    with network.workers(torch.device("cpu")) as pool:
        made = network.in_parallel(lambda n: n + 1, range(20), pool)
        assert list(network.in_turn(slow, made, pool)) == [-n for n in range(1, 21)]
        assert max(most) == 1
        assert list(network.in_turn(slow, [], pool)) == []
        with pytest.raises(ZeroDivisionError):
            list(network.in_turn(lambda n: 1 // n, [1, 0, 2], pool))


def test_threads_of_a_pool_compute_alone():
    """Otherwise they get in each other's way, and wait for each other after every layer."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with network.workers(torch.device("cpu")) as pool:
            together = threading.Barrier(3)
            numbers = list(pool.map(
                lambda _: (together.wait(30), torch.ones(9, 9).mm(torch.ones(9, 9)),
                           torch.get_num_threads())[-1], range(3)))
            assert numbers == [1, 1, 1]
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("short", [torch.float32, torch.bfloat16])
def test_networks_are_taken_apart_where_that_is_faster(small_bank, monkeypatch, short):
    monkeypatch.setattr(network, "short_floats", lambda device: short)
    bank, _ = network.load_network(UNetBank, "bank", small_bank, torch.device("cpu"))
    assert bool(bank.nets) == (short == torch.float32)


@pytest.mark.parametrize("frames", [0, 1, 7, 8, 100, 960, 961])
def test_chunks_keep_every_frame_once(frames):
    kept = []
    for read, keep in network.chunks(frames, chunk=320, margin=64):
        assert read.start % network.MULTIPLE == 0
        kept += range(frames)[read][keep]
    assert kept == list(range(frames))


@pytest.mark.parametrize("frames", [1, 7, 8, 9])
def test_aligning_repeats_the_last_frame(frames):
    x = np.random.default_rng(0).random((frames, 3))
    long = network.aligned(x)
    assert len(long) % network.MULTIPLE == 0
    np.testing.assert_array_equal(long[:frames], x)
    assert (long[frames:] == x[-1]).all()


@pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
def test_an_unusable_device_is_named(name):
    with pytest.raises(ConfigError, match="is not usable here .* use cpu"):
        network.pick_device(name)


# -- activations ----------------------------------------------------------------------


def test_single_steps_are_the_whole(transcriber):
    """audio → bands → activations → hits, each called alone."""
    audio = beat(6.0)
    steps = transcriber.bands_to_activations(transcriber.bands(audio, SAMPLE_RATE))
    whole = transcriber.activations(audio, SAMPLE_RATE)
    for field in dataclasses.fields(whole):
        a, b = getattr(steps, field.name), getattr(whole, field.name)
        for x, y in zip(a, b) if field.name == "overview" and a else [(a, b)]:
            np.testing.assert_array_equal(x, y)
    assert (whole.low is not None) == (whole.overview is not None) == transcriber.demix
    assert transcriber.hits(steps) == transcriber.hits(whole)


def test_first_frames_are_those_after_silence(transcriber):
    """A file may begin on a stroke: half a second of silence before it changes nothing much."""
    audio = beat(3.0)
    lead = np.zeros((2, 48 * HOP), np.float32)
    cut = transcriber.activations(audio, SAMPLE_RATE).onset
    padded = transcriber.activations(np.concatenate([lead, audio], 1), SAMPLE_RATE).onset[48:]
    np.testing.assert_allclose(cut[:20], padded[:20], atol=0.05)


def test_low_rates_are_told(transcriber):
    with pytest.warns(UserWarning, match="at 16000 Hz there are no hats"):
        transcriber.bands(beat(1.0, rate=16_000), 16_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transcriber.bands(beat(1.0, rate=22_050), 22_050)


def test_thresholds_that_are_none_are_refused(transcriber):
    zeros = np.zeros((5, 9), np.float32)
    for wrong in (0.5, {"hihat": "a"}, {"hihat": None}, {"bass": 0.5}):
        with pytest.raises(ConfigError):
            transcriber.hits(inference.Activations(zeros, zeros, zeros, 0.05), wrong)


def test_chunk_borders_leave_no_trace(transcriber, monkeypatch):
    bands = transcriber.bands(beat(12.3), SAMPLE_RATE)
    whole = transcriber.bands_to_activations(bands)
    monkeypatch.setattr(network, "CHUNK", 64)
    monkeypatch.setattr(network, "_SHORT_CHUNK", 64)
    cut = transcriber.bands_to_activations(bands)
    same(whole, cut)
    a, b = transcriber.hits(whole), transcriber.hits(cut)
    assert len(a) > 2
    assert [(h.piece, round(h.time, 3)) for h in a] == [(h.piece, round(h.time, 3)) for h in b]


def test_activations_describe_every_frame(transcriber):
    result = transcriber.activations(beat(1.0), SAMPLE_RATE)
    for array in (result.onset, result.velocity, result.offset):
        assert array.shape == (n_frames(SAMPLE_RATE), len(PIECES))
        assert array.dtype == np.float32 and np.isfinite(array).all()
    for array in (result.onset, result.velocity):
        assert 0 <= array.min() <= array.max() <= 1
    assert result.onset.std() > 0.01, "the untrained model says nothing"
    assert result.duration == 1.0 and result.source == ""


def test_stems_are_bands_of_the_mixture(transcriber):
    decibel = np.full((21, N_BANDS), -30.0, np.float32)
    if not transcriber.demix:
        with pytest.raises(ValueError, match="demix=False"):
            transcriber.stems(decibel)
        return
    stems = transcriber.stems(decibel)
    assert stems.shape == (5, 21, N_BANDS)
    assert -80 <= stems.min() and stems.max() <= -30


@pytest.mark.parametrize("rate, channels", [(44_100, 2), (48_000, 1), (22_050, 6)])
def test_file_and_array_agree(transcriber, tmp_path, rate, channels):
    audio = beat(2.0, channels, rate)
    path = tmp_path / "song.wav"
    soundfile.write(path, audio.T, rate, subtype="FLOAT")
    array, file = transcriber.activations(audio, rate), transcriber.activations(str(path))
    same(array, file)
    assert file.source == str(path) and array.source == ""
    assert file.duration == pytest.approx(2.0, abs=1e-3)
    hits = [transcriber(path), transcriber(audio, rate)]
    assert [(h.piece, round(h.time, 3)) for h in hits[0]] == \
        [(h.piece, round(h.time, 3)) for h in hits[1]]
    assert hits[0].source == str(path)


def test_level_and_copies_of_channels_do_not_matter(transcriber):
    audio = beat(2.0, 1)
    plain = transcriber.activations(audio[0], SAMPLE_RATE)
    same(plain, transcriber.activations(np.repeat(audio, 3, axis=0), SAMPLE_RATE), 1e-3)
    same(plain, transcriber.activations(4 * audio, SAMPLE_RATE), 1e-3)


@pytest.mark.parametrize("samples", [1, 10, 441, 882, 5000])
@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_short_and_silent_inputs(transcriber, samples, rate):
    for audio in (np.zeros(samples), beat(samples / rate, 1, rate)[0]):
        result = transcriber(audio, rate)
        assert all(0 <= hit.time <= result.duration for hit in result)
        result.to_midi()


def test_hits_stay_inside_the_audio(transcriber):
    onset = np.zeros((11, len(PIECES)), np.float32)
    onset[[0, 7, 10], 0] = 0.9
    outwards = np.full_like(onset, 0.8)
    outwards[0] = -0.8
    hits = transcriber.hits(Activations(onset, onset, outwards, 0.1, "x"))
    assert [h.time for h in hits] == pytest.approx([0.0, 0.078])  # 0.108 would be too late


def test_progress_rises_to_one(transcriber, tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, beat(1.0).T, SAMPLE_RATE)
    for arguments in ((path,), (beat(1.0), SAMPLE_RATE)):
        seen = []
        transcriber(*arguments, progress=seen.append)
        assert seen == sorted(seen) and 0 < seen[0] and seen[-1] == pytest.approx(1.0)


def test_bad_audio_is_refused(transcriber, tmp_path):
    for arguments in ((tmp_path / "missing.wav",), (np.full(100, np.nan), SAMPLE_RATE),
                      (np.zeros(100),)):
        with pytest.raises(AudioError):
            transcriber(*arguments)
    loud = 20_000 * beat(0.5)  # 16-bit samples as floats
    soundfile.write(tmp_path / "loud.wav", loud.T, SAMPLE_RATE, subtype="FLOAT")
    for arguments in ((loud, SAMPLE_RATE), (tmp_path / "loud.wav",)):
        with pytest.raises(AudioError, match="full scale"):
            transcriber(*arguments)


def test_transcribe_uses_the_packaged_names(small_bank, small_detectors, small_beat_networks,
                                            tmp_path, monkeypatch):
    own = {name: weights.find(name).read_bytes() for name in ("decoder", "velocity")}
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    with pytest.raises(WeightsError, match="no such weights"):
        adt.transcribe(beat(0.5), SAMPLE_RATE)
    for name, file in (("bank", small_bank), ("detectors", small_detectors[True]),
                       ("detectors_mixture", small_detectors[False]),
                       *small_beat_networks.items()):
        own[name] = file.read_bytes()
    for name, content in own.items():
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    assert [name for name, _ in weights.available()] == [
        "bank", "bars", "beats", "decoder", "detectors", "detectors_mixture", "velocity"]
    for demix in (True, False):
        ours = Transcriber(demix, bank=small_bank, detectors=small_detectors[demix])
        assert list(adt.transcribe(beat(0.5), SAMPLE_RATE, demix)) == \
            list(ours(beat(0.5), SAMPLE_RATE))


def test_the_same_audio_gives_the_same_bytes(demix, small_bank, small_detectors, tmp_path):
    written = []
    for run in range(2):
        song = Transcriber(demix, bank=small_bank, detectors=small_detectors[demix])
        activations = song.activations(beat(2.0), SAMPLE_RATE)
        files = [activations.save(tmp_path / f"{run}.npz")]
        for suffix in (".mid", ".csv"):
            files.append(tmp_path / f"{run}{suffix}")
            song.hits(activations).save(files[-1])
        written.append([f.read_bytes() for f in files])
    assert written[0] == written[1]


# -- timing ---------------------------------------------------------------------------


class Loudest(torch.nn.Module):
    """Says that every frame louder than its neighbours is a kick of its loudness."""

    demix, look_margin, in_integers = False, 0, False

    def look(self, mixture, stems=None):
        return mixture.sum(dim=2)[:, None, None]

    def streamed(self):
        return [Streamed(self.listen, reach=1)]

    def listen(self, x):
        level = x[0, 0, 0]
        loud = level > -75 * N_BANDS
        before = torch.cat([level[:1] - 1, level[:-1]])
        after = torch.cat([level[1:], level[-1:] - 1])
        out = torch.full((1, 3, len(level), len(PIECES)), -20.0)
        out[0, 2] = 0.0
        out[0, 0, (level > before) & (level > after) & loud, 0] = 20.0
        return out[:, :, 1:-1]


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize("chunk", [160, network.CHUNK])
def test_clicks_are_heard_on_time(demix, transcriber, monkeypatch, tmp_path, rate, chunk):
    """No delay anywhere between the file and the hits: ±5 ms is half a frame."""
    monkeypatch.setattr(transcriber, "network", Loudest())
    monkeypatch.setattr(network, "CHUNK", chunk)
    monkeypatch.setattr(network, "_SHORT_CHUNK", chunk)
    monkeypatch.setattr(inference, "decode", lambda network, onset, demix: onset)
    clicks = np.array([0.0, 0.25, 0.503, 1.007, 2.0131, 3.7777, 4.99])
    audio = np.zeros((2, 5 * rate), np.float32)
    audio[:, np.round(clicks * rate).astype(int)] = 0.9
    path = tmp_path / "clicks.wav"
    soundfile.write(path, audio.T, rate)
    for song in (transcriber(path), transcriber(audio, rate)):
        assert {hit.piece for hit in song} == {"kick"}
        np.testing.assert_allclose([h.time for h in song], clicks, atol=0.0052)


# -- activations on disk --------------------------------------------------------------


def test_activations_round_trip(transcriber, tmp_path):
    before = transcriber.activations(beat(1.0), SAMPLE_RATE)
    after = Activations.load(before.save(tmp_path / "song.npz"))
    same(before, after, 0)
    np.testing.assert_array_equal(after.chance, before.chance)
    assert after.judged is after.chance and after.chance is not None
    assert (after.duration, after.source) == (before.duration, before.source)
    assert transcriber.hits(after) == transcriber.hits(before)
    assert [p.name for p in tmp_path.iterdir()] == ["song.npz"]


def _damage(path, kind):
    onset = np.zeros((5, 9), np.float32)
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif kind == "flipped":
        with zipfile.ZipFile(path) as archive:
            at = archive.getinfo("onset.npy").header_offset + 60
        data = bytearray(path.read_bytes())
        data[at:at + 40] = bytes(40)
        path.write_bytes(data)
    elif kind == "array":
        with path.open("wb") as handle:
            np.save(handle, onset)
    elif kind == "other":
        np.savez(path, onset=onset)
    elif kind == "pieces":
        np.savez(path, onset=onset, velocity=onset, offset=onset, duration=1.0, source="",
                 pieces=np.array(PIECES[::-1]))
    elif kind == "shapes":
        np.savez(path, onset=onset, velocity=onset[:3], offset=onset[:, :2], duration=1.0,
                 source="", pieces=np.array(PIECES))
    elif kind == "chances":
        np.savez(path, onset=onset, velocity=onset, offset=onset, duration=1.0, source="",
                 pieces=np.array(PIECES), chance=onset[:3])
    elif kind == "missing":
        path.unlink()
    else:
        path.write_bytes(kind)


@pytest.mark.parametrize("change, said", [
    ({"onset": np.full((50, 9), np.nan), "chance": None}, "not all finite"),
    ({"chance": np.full((50, 9), np.inf)}, "not all finite"), ({"duration": np.nan}, "duration"),
    ({"levels": np.zeros((9, 6, GROUPS))}, "levels"), ({"toms": np.zeros((9, 16))}, "toms"),
    ({"velocity": np.zeros((50, 5))}, "shapes"), ({"duration": 0.4}, "50 frames last 0.50 s"),
    ({"onset": np.full((50, 9), -2.0)}, "onsets from -2 to -2"),
    ({"chance": np.full((50, 9), 1.5)}, "chances from 1.5"),
    ({"velocity": np.full((50, 9), 64.0)}, "velocities from 64 to 64"),
    ({"toms": np.full((50, 16), np.nan)}, "finite"), ({"low": np.full(9, np.nan)}, "finite"),
    ({"low": np.zeros((2, 2))}, "low end")])
def test_activations_that_cannot_be(change, said):
    noise = np.random.default_rng(0).random((50, 9)).astype(np.float32)
    song = Activations(noise, noise, noise, 0.5, "x", chance=noise)
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(song, **change)


@pytest.mark.parametrize("kind", ["cut", "flipped", "array", "other", "pieces", "shapes", "chances",
                                  "missing", b"", b"text"])
def test_bad_activations_are_named(tmp_path, kind):
    path = tmp_path / "song.npz"
    noise = np.random.default_rng(0).random((50, 9)).astype(np.float32)
    Activations(noise, noise, noise, 0.5, "x").save(path)
    _damage(path, kind)
    with pytest.raises(DataError, match="not an activations file") as caught:
        Activations.load(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


# -- weights --------------------------------------------------------------------------


def _bad_weights(folder, kind, bank):
    path = folder / f"{kind}.safetensors"
    tensors, description = weights.load_weights(bank)
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not weights at all, but text that is long enough")
    elif kind == "cut":
        path.write_bytes(bank.read_bytes()[:-100])
    elif kind == "foreign":
        from safetensors.torch import save_file
        save_file({"x": torch.zeros(1)}, path)
    elif kind == "kind":
        weights.save_weights(path, tensors, {**description, "kind": "detectors"})
    elif kind == "undescribed":
        weights.save_weights(path, tensors, {"kind": "bank"})
    elif kind == "list":
        weights.save_weights(path, tensors, ["bank"])
    elif kind == "wider":
        model = {"widths": [8, 8, 8, 8]}
        weights.save_weights(path, tensors, {**description, "model": model})
    elif kind == "unknown":
        weights.save_weights(path, tensors, {**description, "model": {"colour": "red"}})
    elif kind == "part":
        tensors.pop("leave.bias")
        weights.save_weights(path, tensors, description)
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "cut", "foreign", "kind", "list",
                                  "undescribed", "wider", "unknown", "part", "folder"])
def test_bad_weights_are_named_in_one_line(small_bank, tmp_path, kind):
    path = _bad_weights(tmp_path, kind, small_bank)
    with pytest.raises(WeightsError, match="reinstall adt, or give the path") as caught:
        separator.Separator(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_detectors_must_fit_demixing(small_bank, small_detectors):
    for demix in (True, False):
        with pytest.raises(WeightsError, match=f"not for demix={demix}"):
            Transcriber(demix, bank=small_bank, detectors=small_detectors[not demix])


def test_weights_keep_their_description(tmp_path):
    description = {"kind": "bank", "model": SMALL_BANK, "licence": "é", "metrics": {"a": 1.5}}
    model = UNetBank(**SMALL_BANK)
    path = tmp_path / "new" / "x.safetensors"
    weights.save_weights(path, model.state_dict(), description)
    assert weights.describe(path) == description
    tensors, _ = weights.load_weights(path)
    assert all(t.dtype == torch.float32 for t in tensors.values())
    first = path.read_bytes()
    weights.save_weights(path, model.state_dict(), description)
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["x.safetensors"]


def test_thresholds_of_their_own_unless_given(transcriber, monkeypatch):
    assert transcriber.thresholds == {}
    activations = transcriber.activations(beat(5.0), SAMPLE_RATE)
    own = transcriber.hits(activations)
    monkeypatch.setattr(transcriber, "thresholds", peaks.all_thresholds({}, transcriber.demix))
    assert transcriber.hits(activations).hits == own.hits
    monkeypatch.setattr(transcriber, "thresholds", {"kick": 1.0})
    assert [(h.time, h.piece) for h in transcriber.hits(activations)] == [
        (h.time, h.piece) for h in own if h.piece != "kick"]


def test_what_are_no_bands(transcriber):
    bands = transcriber.bands(beat(0.5), SAMPLE_RATE)
    for power in (bands.power[:, :50], bands.power[None], np.nan * bands.power):
        with pytest.raises(ValueError, match="bands of shape"):
            transcriber.bands_to_activations(bands._replace(power=power))
        if transcriber.demix:
            with pytest.raises(ValueError, match="bands of shape"):
                transcriber.stems(power)
    with pytest.raises(ValueError, match="from -1 to .*: expected powers"):
        transcriber.bands_to_activations(bands._replace(power=bands.power - 1))
    if transcriber.demix:
        with pytest.raises(ValueError, match="expected dB, as of adt.features.to_decibel"):
            transcriber.stems(bands.power + 100)
        assert transcriber.stems(bands.power[:0]).shape == (len(STEMS), 0, N_BANDS)


def test_loading_leaves_random_numbers_alone(small_bank, small_detectors):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    Transcriber(bank=small_bank, detectors=small_detectors[True])
    assert torch.equal(torch.rand(3), expected)


def test_loading_in_threads_leaves_the_default_type_alone(small_bank):
    from concurrent.futures import ThreadPoolExecutor
    torch.set_default_dtype(torch.float64)
    try:
        with ThreadPoolExecutor(6) as pool:
            loaded = list(pool.map(lambda _: network.load_network(
                UNetBank, "bank", small_bank, torch.device("cpu"))[0], range(24)))
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert not any(p.dtype == torch.float64 for bank in loaded for p in bank.parameters())


@pytest.mark.parametrize("change, back", [
    (partial(torch.set_default_dtype, torch.float64),
     partial(torch.set_default_dtype, torch.float32)),
    (partial(torch.set_default_device, "meta"), partial(torch.set_default_device, None))])
def test_torch_defaults_of_the_user_change_nothing(transcriber, small_bank, small_detectors,
                                                   small_beat_networks, change, back):
    from adt import BeatTracker
    audio = beat(2.0)
    expected = transcriber(audio, SAMPLE_RATE)
    strokes = Transcription([Hit(0.5 * k, "kick") for k in range(8)], 4.0)
    beats = BeatTracker(**small_beat_networks)(strokes)
    change()
    try:
        assert transcriber(audio, SAMPLE_RATE) == expected
        again = Transcriber(transcriber.demix, bank=small_bank, beats=False,
                            detectors=small_detectors[transcriber.demix])
        assert again(audio, SAMPLE_RATE).hits == expected.hits
        assert BeatTracker(**small_beat_networks)(strokes) == beats
    finally:
        back()


def test_beats_under_autocast(small_beat_networks):
    from adt import BeatTracker
    strokes = Transcription([Hit(0.5 * k, "kick") for k in range(8)], 4.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        BeatTracker(**small_beat_networks)(strokes)


def test_exchange_begins_as_nothing_and_joins_the_detectors():
    torch.manual_seed(0)
    plain = OnsetDetectors(False, (2, 2, 2, 2), 4, (1, 2)).eval()
    joined = OnsetDetectors(False, (2, 2, 2, 2), 4, (1, 2), exchange=(0,)).eval()
    joined.load_state_dict(plain.state_dict(), strict=False)
    x = 20 * torch.randn(1, 64, N_BANDS, generator=torch.Generator().manual_seed(1)) - 30
    with torch.inference_mode():
        np.testing.assert_array_equal(joined(x), plain(x))
        torch.nn.init.ones_(joined.exchange["0"].body[-1].weight)
        assert (joined(x) != plain(x)).any(dim=2).all(), "every output hears of the others"


def test_detectors_of_stems_alone_are_those_that_saw_nothing_of_the_mixture():
    from adt.training.detectors import warm_start

    torch.manual_seed(0)
    small = {"front": (2, 2, 2, 2), "width": 4, "dilations": (1, 2)}
    beside = OnsetDetectors(**small).eval()
    alone = OnsetDetectors(**small, beside="nothing").eval()
    warm_start(alone, beside.state_dict())
    mixture, *stems = 20 * torch.randn(
        1 + len(STEMS), 1, 64, N_BANDS, generator=torch.Generator().manual_seed(1)) - 30
    stems, silent = torch.stack(stems, dim=1), torch.full_like(mixture, -40.0)
    with torch.inference_mode():
        np.testing.assert_allclose(alone(mixture, stems), beside(silent, stems), atol=1e-5)
        assert not torch.equal(beside(mixture, stems), beside(silent, stems))


@pytest.fixture
def hearing():
    """Detectors that read the drums beside the stems, and bands of a mixture and of stems."""
    torch.manual_seed(0)
    network = OnsetDetectors(front=(2, 2, 2, 2), width=4, dilations=(1, 2), beside="drums",
                             blank=0.5)
    mixture, *stems = 20 * torch.randn(
        1 + len(STEMS), 8, 64, N_BANDS, generator=torch.Generator().manual_seed(1)) - 30
    return network, mixture, torch.stack(stems, dim=1)


def test_detectors_that_read_the_drums_do_not_hear_the_band(hearing):
    network, mixture, stems = hearing
    network.eval()
    quiet = stems.clone()
    quiet[:, 2:] = -90
    with torch.inference_mode():
        assert torch.equal(network(mixture, stems), network(mixture - 20, stems))
        heard, alone = network.look(mixture, stems), network.look(mixture, quiet)
    width = heard.shape[1] // len(STEMS)
    assert (heard - alone)[:, :width].abs().max() > 0.01, "the kick's detector hears the toms"


def test_sum_of_stems_is_that_of_their_powers(hearing):
    _, _, stems = hearing
    np.testing.assert_allclose(summed(stems).numpy(),
                               10 * np.log10((10 ** (stems.double().numpy() / 10)).sum(axis=1)),
                               atol=1e-3)


def test_some_training_clips_are_heard_as_stems_alone(hearing):
    network, mixture, stems = hearing
    seen = []
    network.front[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    network(mixture, stems)
    blank = (seen[-1][:, 1::2] == 0).flatten(1).all(dim=1)
    assert 0 < blank.sum() < len(blank)
    assert not (seen[-1][:, ::2] == 0).flatten(1).all(dim=1).any(), "stems are always seen"
    network.eval()(mixture, stems)
    assert not (seen[-1] == 0).flatten(1).all(dim=1).any()
    assert not (seen[-1][:, 1::2] == 0).flatten(1).all(dim=1).any(), "only in training"


def test_what_is_beside_the_stems_must_be_known():
    with pytest.raises(ConfigError, match="drums"):
        OnsetDetectors(beside="band")


def test_beats_of_a_tracker_of_ones_own(small_bank, small_detectors):
    from adt import Beats
    asked = []

    def tracker(hits, metre, first_beat, tempo_range, compound):
        asked.append((metre, compound))
        return Beats([0.0, 0.5, 1.0], [1, 2, 3])

    listen = Transcriber(True, bank=small_bank, detectors=small_detectors[True], beats=tracker)
    assert listen(beat(1.0), SAMPLE_RATE).beats.metre == 3 and asked == [(None, False)]
    listen.beats = False
    assert listen(beat(1.0), SAMPLE_RATE).beats is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked there")
def test_a_forked_process_transcribes_too(transcriber):
    import multiprocessing
    audio = beat(1.0)
    here = [hit.time for hit in transcriber(audio, SAMPLE_RATE)]
    context = multiprocessing.get_context("fork")
    there = context.SimpleQueue()
    child = context.Process(target=lambda: there.put(
        [hit.time for hit in transcriber(audio, SAMPLE_RATE)]), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of newer Pythons, of threads in the parent
        child.start()
    child.join(120)
    assert child.exitcode == 0 and there.get() == pytest.approx(here)
