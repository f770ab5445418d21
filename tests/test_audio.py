"""Audio in and out: formats, rates, channels, defects."""

import fractions
import os
import sys
import warnings
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from adt import audio
from adt.errors import AudioError, OutputError
from adt.frames import SAMPLE_RATE


def tone(seconds=0.5, rate=SAMPLE_RATE, channels=2, seed=0):
    """Noise with a click in its middle, float32 (channels, samples)."""
    samples = round(seconds * rate)
    signal = 0.05 * np.random.default_rng(seed).standard_normal((channels, samples))
    signal[:, samples // 2] = 0.9
    return signal.astype(np.float32)


def encode(path, codec, signal, rate, layout):
    """Write `signal` with PyAV."""
    with av.open(str(path), "w") as container:
        out = container.add_stream(codec, rate=rate, layout=layout)
        if codec == "aac":
            out.bit_rate = 256_000
        frame = av.AudioFrame.from_ndarray(signal, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        frame.time_base = fractions.Fraction(1, rate)
        for packet in [*out.encode(frame), *out.encode(None)]:
            container.mux(packet)
    return path


@pytest.fixture
def wav(tmp_path):
    def write(signal, rate=SAMPLE_RATE, name="a.wav", subtype="FLOAT"):
        path = tmp_path / name
        soundfile.write(path, np.asarray(signal).T, rate, subtype=subtype)
        return path
    return write


# ---- reading ---------------------------------------------------------------------------

@pytest.mark.parametrize("channels", range(1, 9))
def test_channels(wav, channels):
    signal = tone(channels=channels)
    path = wav(signal)
    read, rate = audio.load(path)
    assert rate == SAMPLE_RATE and read.dtype == np.float32
    np.testing.assert_array_equal(read, signal)
    assert audio.probe(path) == audio.AudioInfo(SAMPLE_RATE, channels, signal.shape[1])


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 48000, 96000, 192000])
def test_rates(wav, rate):
    path = wav(tone(rate=rate), rate)
    read, _ = audio.load(path)
    assert abs(read.shape[1] - round(0.5 * rate) * SAMPLE_RATE / rate) <= 1
    assert abs(np.argmax(np.abs(read[0])) - 0.25 * SAMPLE_RATE) <= 0.5 * SAMPLE_RATE / rate + 1
    native, native_rate = audio.load(path, None)
    assert native_rate == rate and native.shape[1] == round(0.5 * rate)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.oga"])
def test_soundfile_formats(tmp_path, name):
    signal = tone()
    format = "OGG" if name.endswith("oga") else None
    soundfile.write(tmp_path / name, signal.T, SAMPLE_RATE, format=format)
    read, _ = audio.load(tmp_path / name)
    assert read.shape == signal.shape
    assert abs(int(np.argmax(np.abs(read[0]))) - signal.shape[1] // 2) <= 1


@pytest.mark.parametrize("name, codec, rate, layout", [
    ("a.m4a", "aac", 44100, "stereo"), ("a.mp4", "aac", 22050, "mono"),
    ("a.m4a", "aac", 48000, "5.1"), ("a.m4a", "alac", 44100, "stereo"),
    ("a.webm", "libopus", 48000, "stereo"), ("a.mp3", "libmp3lame", 44100, "stereo"),
    ("a.mka", "flac", 96000, "mono"), ("a b:c#%41.m4a", "aac", 44100, "stereo"),
])
def test_pyav_formats_keep_time(tmp_path, name, codec, rate, layout):
    channels = av.AudioLayout(layout).nb_channels
    signal = tone(rate=rate, channels=channels)
    if codec == "alac":
        signal = np.ascontiguousarray(signal)
    path = encode(tmp_path / name, codec, signal, rate, layout)
    read, _ = audio.load(path)
    assert len(read) == channels
    # Encoder delay is cut: the click is where it was, to a millisecond.
    click = np.argmax(np.abs(read).sum(0)) / SAMPLE_RATE
    assert abs(click - 0.25) < 1e-3


def test_content_decides_not_suffix(tmp_path):
    soundfile.write(tmp_path / "a.mp3", tone().T, SAMPLE_RATE)
    (tmp_path / "a.mp3").rename(tmp_path / "a.wav")
    assert audio.load(tmp_path / "a.wav")[0].shape == (2, 22050)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_sample_types(wav, subtype):
    signal = tone()
    read, _ = audio.load(wav(signal, subtype=subtype))
    np.testing.assert_allclose(read, signal, atol=1 / 100 if subtype == "PCM_U8" else 1e-4)


# ---- streaming -------------------------------------------------------------------------

def test_blocks(wav):
    signal = tone(1.0)
    blocks = list(audio.stream(wav(signal), block=1000))
    assert [b.shape[1] for b in blocks] == [1000] * 44 + [100]
    assert all(b.dtype == np.float32 and b.flags.c_contiguous for b in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks, 1), signal)


@settings(max_examples=25, deadline=None)
@given(rate=st.sampled_from([8000, 22050, 44100, 48000, 96000, 192000]),
       channels=st.integers(1, 3), samples=st.integers(200, 30_000),
       block=st.integers(50, 20_000), seed=st.integers(0, 99))
def test_streamed_resampling_is_whole_file_resampling(
        tmp_path_factory, rate, channels, samples, block, seed):
    path = tmp_path_factory.mktemp("stream") / "a.wav"
    signal = tone(samples / rate, rate, channels, seed)
    soundfile.write(path, signal.T, rate, subtype="FLOAT")
    streamed = np.concatenate(list(audio.stream(path, block=block)), axis=1)
    whole = signal.T if rate == SAMPLE_RATE else soxr.resample(signal.T, rate, SAMPLE_RATE)
    assert abs(streamed.shape[1] - len(whole)) <= 1
    shared = min(streamed.shape[1], len(whole))
    np.testing.assert_allclose(streamed[:, :shared], whole.T[:, :shared], atol=1e-4)


def test_stream_closes_its_file(wav):
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    path = wav(tone(1.0))
    blocks = audio.stream(path, block=100)
    next(blocks)
    blocks.close()  # abandoned
    if before is not None:
        assert set(os.listdir("/proc/self/fd")) == before
    path.unlink()


def test_bad_block(wav):
    with pytest.raises(ValueError, match="block"):
        next(audio.stream(wav(tone()), block=0))


# ---- defects ---------------------------------------------------------------------------

def fails(path, *words):
    with pytest.raises(AudioError) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        audio.load(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message and ";" in message
    for word in words:
        assert word in message


def test_missing(tmp_path):
    fails(tmp_path / "none.wav", "no such file")


def test_folder(tmp_path):
    fails(tmp_path, "folder")


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a"])
def test_empty(tmp_path, name):
    (tmp_path / name).touch()
    fails(tmp_path / name, "empty")


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.flac", "a.ogg", "a.raw", "a.txt"])
@pytest.mark.parametrize("content", [
    b"not audio at all\n" * 500, b"\0" * 5000, np.random.default_rng(1).bytes(50_000), b"RIFF"])
def test_not_audio(tmp_path, name, content, capfd):
    (tmp_path / name).write_bytes(content)
    fails(tmp_path / name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_only_a_header(tmp_path, name):
    soundfile.write(tmp_path / name, tone().T, SAMPLE_RATE)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:30])
    fails(tmp_path / name, "decoded")


def test_truncated_m4a(tmp_path):
    path = encode(tmp_path / "a.m4a", "aac", tone(), SAMPLE_RATE, "stereo")
    path.write_bytes(path.read_bytes()[:2000])
    fails(path, "decoded")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.aiff", "a.ogg", "a.opus"])
def test_cut_in_its_middle(tmp_path, name, capfd):
    path = tmp_path / name
    if name == "a.opus":
        encode(path, "libopus", tone(9, 48_000), 48_000, "stereo")
    else:
        soundfile.write(path, tone(9).T, SAMPLE_RATE)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    with pytest.warns(UserWarning, match=r"damaged, [345]\.\d s"):
        read, _ = audio.load(path)
    assert 3.0 <= read.shape[1] / SAMPLE_RATE <= 5.9
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("hole", ["overwritten", "cut out"])
def test_flac_goes_on_behind_its_damage(tmp_path, hole):
    path, signal = tmp_path / "a.flac", tone(5)
    soundfile.write(path, signal.T, SAMPLE_RATE, subtype="PCM_16")
    data = path.read_bytes()
    at = len(data) // 4
    path.write_bytes(data[:at] + (b"\xff" * 2000 if hole == "overwritten" else b"")
                     + data[at + 2000:])
    with pytest.warns(UserWarning, match="damaged, 4"):
        read, _ = audio.load(path)
    assert np.allclose(read[:, :40_000], signal[:, :40_000], atol=1e-4)
    assert np.allclose(read[:, -40_000:], signal[:, -40_000:], atol=1e-4)


def test_oggs_in_a_row(tmp_path):
    first, second, path = (tmp_path / name for name in ("1.ogg", "2.ogg", "a.ogg"))
    soundfile.write(first, tone(1).T, SAMPLE_RATE)
    soundfile.write(second, tone(2, seed=1).T, SAMPLE_RATE)
    data = bytearray(second.read_bytes())
    assert data[14:18] != first.read_bytes()[14:18]
    path.write_bytes(first.read_bytes() + data)
    assert audio.load(path)[0].shape[1] == pytest.approx(3 * SAMPLE_RATE, abs=2000)


@pytest.mark.parametrize("name, codec, options, muxer", [
    ("a.aac", "aac", {}, {}),
    ("a.mp3", "libmp3lame", {"global_quality": "236", "flags": "+qscale"}, {"write_xing": "0"})])
def test_an_estimated_length_says_nothing_of_damage(tmp_path, name, codec, options, muxer):
    """A quiet beginning has a low bit rate, by which the file would be far longer."""
    quiet = np.repeat([0.0, 0.3], [3 * SAMPLE_RATE, 5 * SAMPLE_RATE])
    signal = (quiet * np.random.default_rng(0).uniform(-1, 1, (2, len(quiet)))).astype(np.float32)
    with av.open(str(tmp_path / name), "w", options=muxer) as container:
        stream = container.add_stream(codec, rate=SAMPLE_RATE, layout="stereo", options=options)
        frame = av.AudioFrame.from_ndarray(signal, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        fit = av.AudioResampler(format=stream.codec_context.format, layout="stereo",
                                rate=SAMPLE_RATE, frame_size=1152 if codec != "aac" else 1024)
        for part in [*fit.resample(frame), *fit.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    info = audio.probe(tmp_path / name)
    assert info.estimated and info.n_samples > 1.5 * signal.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read, _ = audio.load(tmp_path / name)
    assert read.shape[1] == pytest.approx(signal.shape[1], abs=5000)


def test_damage_says_how_early_the_rest_is(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(9).T, SAMPLE_RATE)
    data = path.read_bytes()
    at = len(data) // 4
    path.write_bytes(data[:at] + data[at + 20_000:])
    with pytest.warns(UserWarning, match=r"what follows comes [1-9]\.\d\d s early"):
        audio.load(path)


def test_a_recorder_that_never_wrote_the_length(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1).T, SAMPLE_RATE, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at: at + 4] = data[4:8] = bytes(4)
    path.write_bytes(data)
    assert audio.load(path)[0].shape == (2, SAMPLE_RATE)


def test_a_flac_from_a_pipe_is_whole(tmp_path):
    """Its header does not say how long it is."""
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(3).T, SAMPLE_RATE)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the last 36 bits of bytes 18 to 25
    data[22:26] = bytes(4)
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert audio.load(path)[0].shape == (2, 3 * SAMPLE_RATE)


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin",
                    reason="names are any bytes on some systems alone")
def test_names_that_are_not_utf8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    with audio.AudioWriter(path, SAMPLE_RATE, 2) as writer:
        writer.write(tone())
    assert audio.load(path)[0].shape == tone().shape


def test_long_names(tmp_path):
    with audio.AudioWriter(tmp_path / ("\u9f13" * 82 + ".wav"), SAMPLE_RATE, 2) as writer:
        writer.write(tone())
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_file_cannot_hold_is_refused_at_once(tmp_path):
    with pytest.raises(OutputError, match="4 GB"):
        audio.AudioWriter(tmp_path / "a.wav", 48_000, 6, "FLOAT", n_samples=63 * 60 * 48_000)
    with pytest.raises(OutputError, match="use .wav"):
        audio.AudioWriter(tmp_path / "a.flac", 700_000, 2)


def test_broken_packet_keeps_time(tmp_path):
    signal = tone(3)
    path = encode(tmp_path / "a.m4a", "aac", signal, SAMPLE_RATE, "stereo")
    data = bytearray(path.read_bytes())
    data[10_000:11_000] = b"\xff" * 1000
    path.write_bytes(data)
    with pytest.warns(UserWarning, match="packets are broken"):
        read, _ = audio.load(path)
    assert abs(np.argmax(np.abs(read[0])) / SAMPLE_RATE - 1.5) < 1e-3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(wav, value):
    signal = tone()
    signal[1, 20_000] = value
    fails(wav(signal), "NaN or infinite")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff"])
def test_no_samples(wav, name):
    path = wav(np.zeros((2, 0), np.float32), name=name, subtype="PCM_16")
    fails(path)


def test_video_without_sound(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        out = container.add_stream("mpeg4", rate=25)
        out.width = out.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for packet in [*out.encode(frame), *out.encode(None)]:
            container.mux(packet)
    fails(path)


@pytest.mark.parametrize("samples", [1, 2, 441, 882])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_very_short(wav, samples, rate):
    read, _ = audio.load(wav(tone(samples / rate, rate), rate))
    assert read.shape[0] == 2
    assert abs(read.shape[1] - samples * SAMPLE_RATE / rate) <= 1


def test_shorter_than_a_sample(wav):
    path = wav(np.ones((1, 1), np.float32), 192_000)
    try:
        read, _ = audio.load(path)
    except AudioError as error:
        assert str(path) in str(error)
    else:
        assert read.shape[1] >= 1


# ---- arrays ----------------------------------------------------------------------------

def test_arrays():
    mono, rate = audio.as_audio(np.zeros(100), 8000)
    assert mono.shape == (1, 100) and mono.dtype == np.float32 and rate == 8000
    stereo, _ = audio.as_audio(tone(), 44100.0)
    np.testing.assert_array_equal(stereo, tone())
    assert audio.as_audio([0.0, 0.5], 44100)[0].tolist() == [[0.0, 0.5]]


@pytest.mark.parametrize("dtype, low, high", [
    (np.int16, -32768, 32767), (np.int32, -2**31, 2**31 - 1), (np.uint8, 0, 255)])
def test_pcm_arrays(dtype, low, high):
    scaled, _ = audio.as_audio(np.array([low, high], dtype), 44100)
    np.testing.assert_allclose(scaled, [[-1, 1]], atol=0.01)


def test_unusual_arrays():
    torch = pytest.importorskip("torch")
    swapped = np.array([-32768, 0, 16384], ">i2")
    assert audio.as_audio(swapped, 44100)[0].tolist() == [[-1, 0, 0.5]]
    for tensor in (torch.full((2, 9), 0.5, requires_grad=True),
                   torch.full((2, 9), 0.5, dtype=torch.bfloat16)):
        np.testing.assert_array_equal(audio.as_audio(tensor, 44100)[0], np.full((2, 9), 0.5))
    assert audio.as_audio(np.zeros((2, 1)), 44100)[0].shape == (2, 1)


@pytest.mark.parametrize("array, sr, word", [
    (np.zeros(10), None, "sr="), (np.zeros(10), 0, "sample rate"),
    (np.zeros(10), -44100, "sample rate"), (np.zeros(10), "44100", "sample rate"),
    (np.zeros(10), np.nan, "sample rate"), (np.zeros(10), 44100.5, "sample rate"),
    (np.zeros((1, 2, 3)), 44100, "shape"), (np.float32(1), 44100, "shape"),
    (np.zeros(0), 44100, "no samples"), (np.zeros((2, 0)), 44100, "no samples"),
    (np.zeros((44100, 2)), 44100, "transpose"), (np.zeros((65, 900)), 44100, "transpose"),
    (np.array([0, np.nan]), 44100, "NaN"), (np.array([0, 1e300]), 44100, "infinite"),
    (np.zeros(10, np.int64), 44100, "int64"), (np.zeros(10, bool), 44100, "bool"),
    (np.zeros(10, complex), 44100, "complex"), (np.array(["a", "b"]), 44100, "not audio"),
])
def test_bad_arrays(array, sr, word):
    with pytest.raises(AudioError, match=word):
        audio.as_audio(array, sr)


def test_an_open_file_is_left_open(wav):
    with open(wav(tone()), "rb") as file:
        for sr in (None, 44100):
            with pytest.raises(AudioError, match="pass its path"):
                audio.as_audio(file, sr)
        assert file.read(4) == b"RIFF"


@pytest.mark.parametrize("thing, name", [(None, "NoneType"), (123, "int"), ({"a": 1}, "dict")])
@pytest.mark.parametrize("sr", [None, 44100])
def test_what_is_no_audio_at_all(thing, name, sr):
    with pytest.raises(AudioError, match=f"^{name}: neither a path nor an array"):
        audio.as_audio(thing, sr)


def test_as_audio_of_a_file(wav):
    read, rate = audio.as_audio(wav(tone(rate=8000), 8000))
    assert rate == 8000 and read.shape == (2, 4000)


# ---- finding ---------------------------------------------------------------------------

def test_find_audio(tmp_path):
    for name in ["b.WAV", "sub/a.mp3", "notes.txt", ".hidden.wav", ".x/c.wav", "._b.wav"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    folder, odd = tmp_path, tmp_path / "notes.txt"
    assert audio.find_audio(folder) == [folder / "b.WAV", folder / "sub/a.mp3"]
    assert audio.find_audio([odd, folder / "b.WAV", folder]) == [
        odd, folder / "b.WAV", folder / "sub/a.mp3"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_find_audio_behind_links(tmp_path):
    for name in ["in/a.wav", "album/b.wav"]:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "in/more").symlink_to(tmp_path / "album")
    (tmp_path / "in/again").symlink_to(tmp_path / "in")  # round and round
    (tmp_path / "album/back").symlink_to(tmp_path / "in")
    assert audio.find_audio(tmp_path / "in") == [
        tmp_path / "in/a.wav", tmp_path / "in/more/b.wav"]
    (tmp_path / "in/z").mkdir()
    (tmp_path / "in/z/c.wav").touch()
    (tmp_path / "in/b").symlink_to(tmp_path / "in/z")
    assert tmp_path / "in/z/c.wav" in audio.find_audio(tmp_path / "in")  # not by the link


def test_find_audio_fails(tmp_path):
    with pytest.raises(AudioError, match="without audio.*;"):
        audio.find_audio([tmp_path])
    with pytest.raises(AudioError, match="no such file or folder"):
        audio.find_audio([tmp_path / "none"])
    with pytest.raises(AudioError, match="check the path"):
        audio.find_audio(["x" * 5000])


# ---- writing ---------------------------------------------------------------------------

@pytest.mark.parametrize("name, subtype, error", [
    ("a.wav", None, 2**-23), ("a.wav", "FLOAT", 0), ("a.wav", "PCM_16", 2**-14),
    ("a.flac", None, 2**-22)])
def test_writer(tmp_path, name, subtype, error):
    signal = tone(channels=3)
    path = tmp_path / "new" / "folder" / name
    with audio.AudioWriter(path, 48000, 3, subtype) as writer:
        for start in range(0, signal.shape[1], 1000):
            writer.write(signal[:, start:start + 1000])
        writer.write(signal[:, :0])
        assert not path.exists()
    read, rate = audio.load(path, None)
    assert rate == 48000
    np.testing.assert_allclose(read, signal, atol=error + 1e-9)
    assert [p.name for p in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_writer_leaves_nothing_on_error(tmp_path, kind):
    (tmp_path / "a.wav").write_bytes(b"old")
    with pytest.raises(kind), audio.AudioWriter(tmp_path / "a.wav", 44100, 1) as writer:
        writer.write(np.zeros((1, 10)))
        raise kind
    assert (tmp_path / "a.wav").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_writer_clips_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="clipped"), \
            audio.AudioWriter(tmp_path / "a.wav", 44100, 1) as writer:
        writer.write(np.array([[0.5, 1.5, -2.0]]))
    np.testing.assert_allclose(audio.load(tmp_path / "a.wav")[0], [[0.5, 1, -1]], atol=1e-6)


def test_writer_float_does_not_clip(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with audio.AudioWriter(tmp_path / "a.wav", 44100, 1, "FLOAT") as writer:
            writer.write(np.array([[0.5, 1.5, -2.0]]))
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav")[0], [[0.5, 1.5, -2.0]])


def test_writer_bad_targets(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.wav").mkdir()
    for path, channels in [("a.mp3", 2), ("a", 2), ("file/a.wav", 2), ("folder.wav", 2),
                           ("a.flac", 9)]:
        with pytest.raises(OutputError, match=";"), \
                audio.AudioWriter(tmp_path / path, 44100, channels):
            pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.wav"]


def test_writer_wrong_shape(tmp_path):
    with pytest.raises(ValueError, match="expected"), \
            audio.AudioWriter(tmp_path / "a.wav", 44100, 2) as writer:
        writer.write(np.zeros((10, 2)))
    assert not list(tmp_path.iterdir())


def test_the_same_audio_is_the_same_file(tmp_path):
    for name in ("a.wav", "b.wav"):
        with audio.AudioWriter(tmp_path / name, SAMPLE_RATE, 1, "FLOAT") as writer:
            writer.write(tone(0.1)[:1])
        content = (tmp_path / name).read_bytes()
        time_of_writing = content.index(b"PEAK") + 12
        assert content[time_of_writing:time_of_writing + 4] == bytes(4)
    assert content == (tmp_path / "a.wav").read_bytes()
    assert soundfile.info(tmp_path / "a.wav").frames == round(0.1 * SAMPLE_RATE)
