"""The command line, through its real entry point; models are stubs unless weights ship."""

import gc
import io
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import click
import numpy as np
import pretty_midi
import pytest
import soundfile

from adt import audio, weights
from adt.beats import Beats
from adt.cli import batch, console, main
from adt.cli.wildcards import expanded
from adt.errors import OutputError
from adt.frames import SAMPLE_RATE
from adt.progress import share
from adt.transcription import Hit, Transcription
from adt.vocabulary import PIECES, STEMS

SETTINGS = ["transcribe", "separate", "render", "train", "train bank", "train detectors", "info",
            "demo"]


class StubActivations:
    def __init__(self, duration):
        self.duration, self.overview = duration, "all of it"

    def save(self, path):
        np.savez(path, onset=np.zeros((10, len(PIECES)), np.float32))


class StubTranscriber:
    """Reads its input for real and hears a hit of every piece."""

    made = []

    def __init__(self, demix=True, device="cpu", *, beats=True):
        self.made.append((demix, device))

    def activations(self, path_or_array, sr=None, progress=None, for_stems=False):
        total = sum(block.shape[1] for block in audio.stream(path_or_array))
        if progress is not None:
            progress(0.5)
            progress(1.0)
        if Path(path_or_array).stem == "bug":
            raise RuntimeError("first line\nsecond line")
        return StubActivations(total / SAMPLE_RATE)

    def hits(self, activations):
        hits = [Hit(0.1 * k, piece, 100, 0.9) for k, piece in enumerate(PIECES)]
        return Transcription(hits, activations.duration)

    def with_beats(self, hits, metre=None, first_beat=None, tempo_range=None, compound=False):
        if hits.duration < 0.9:
            return hits
        metre = metre or 2
        return Transcription(hits.hits, hits.duration, beats=Beats(
            (first_beat or 0.0) + (0.3 if tempo_range is None else 60 / tempo_range[0])
            * np.arange(2 * metre), np.arange(2 * metre) % metre + 1))


told = []  # by which hits each call of `stub_separate_file` was informed
overviews = []  # what it was told of the song


def stub_separate_file(path, folder, *, residual=False, wiener=None, device="cpu",
                       suffix=".wav", progress=None, separator=None, only=None, informed=True,
                       hits=None, transcriber=None, overview=None):
    if hits is None and informed:
        hits = transcriber.hits(transcriber.activations(path, progress=progress))
    told.append(hits)
    overviews.append(overview)
    info = audio.probe(path)
    names = (*STEMS, "residual") if residual else STEMS
    files = {name: Path(folder) / (name + suffix) for name in names
             if only is None or name in only}
    for file in files.values():
        with audio.AudioWriter(file, info.sample_rate, info.channels) as writer:
            for block in audio.stream(path, None):
                writer.write(block / len(names))
    return files


@pytest.fixture
def stub(monkeypatch):
    module = types.ModuleType("adt.inference")
    module.Transcriber = StubTranscriber
    monkeypatch.setitem(sys.modules, "adt.inference", module)
    import separation
    monkeypatch.setattr(separation, "separate_file", stub_separate_file, raising=False)
    monkeypatch.setattr(separation, "Separator", lambda **options: None, raising=False)
    monkeypatch.setattr(StubTranscriber, "made", [])
    told.clear(), overviews.clear()
    return StubTranscriber


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test runs in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ADT_DEBUG", raising=False)
    return tmp_path


def song(path="song.wav", seconds=0.5, rate=44100, channels=2, value=None):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    signal = 0.1 * np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    if value is not None:
        signal[:] = value
    soundfile.write(path, signal, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
    return str(path)


def files(folder="."):
    """Relative names of every file below `folder`."""
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def run(*arguments, **environment):
    """Run ``adt`` in a process of its own."""
    root = str(Path(__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "adt", *arguments], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": root, **environment})


def one_line(capsys, *words):
    """The single line on stderr, which says ``error:`` and all of `words`."""
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ") and "Traceback" not in lines[0]
    for word in words:
        assert str(word) in lines[0]
    return lines[0]


# ---- help ------------------------------------------------------------------------------

def test_help_is_fast_and_light():
    def seconds():
        start = time.perf_counter()
        result = run("--help")
        assert result.returncode == 0 and result.stderr == ""
        for command in SETTINGS:
            assert command.split()[0] in result.stdout
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.3
    code = ("import sys, adt.cli; adt.cli.main(['--help']); "
            "print([m for m in ('torch', 'numpy', 'scipy', 'pandas', 'tqdm') if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    assert out.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", SETTINGS)
def test_command_help_needs_no_torch(command):
    code = ("import sys, adt.cli; s = adt.cli.main(sys.argv[1:]); "
            "assert 'torch' not in sys.modules; sys.exit(s)")
    out = subprocess.run([sys.executable, "-c", code, *command.split(), "--help"],
                         capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    assert out.returncode == 0, out.stderr
    assert f"Usage: adt {command}" in out.stdout


def test_help_shows_defaults(capsys):
    assert main(["transcribe", "--help"]) == 0
    text = capsys.readouterr().out
    for default in ("[default: demix]", "[default: 9]", "[default: cpu]"):
        assert default in " ".join(text.split())


def test_version():
    import adt
    assert run("--version").stdout.strip() == f"adt, version {adt.__version__}"


def test_no_command(capsys):
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().out


def test_import_is_light():
    code = ("import sys, adt; adt.PIECES, adt.__version__; "
            "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'pretty_midi')))")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_package_exports():
    import adt
    assert adt.Hit is Hit and adt.Transcription is Transcription
    assert set(adt.__all__) <= set(dir(adt))
    assert adt.comparison.compare and adt.calibration.calibrate  # as the documents write them
    with pytest.raises(AttributeError, match="nothing"):
        adt.nothing  # noqa: B018


# ---- transcribe: where results go --------------------------------------------------------

def test_default_output(stub, capsys):
    song("music/song.wav")
    assert main(["transcribe", "music/song.wav"]) == 0
    assert files() == ["music/song.wav", "song.mid"]
    assert capsys.readouterr() == ("", "")  # quiet in a pipe
    assert len(Transcription.load("song.mid")) == len(PIECES)
    assert stub.made == [(True, "cpu")]


@pytest.mark.parametrize("out, format, expected", [
    ("x.mid", None, "x.mid"), ("x.midi", "mid", "x.midi"), ("x.csv", None, "x.csv"),
    ("x.TXT", None, "x.TXT"), ("new/x.txt", "txt", "new/x.txt"), ("new", None, "new/song.mid"),
    ("new", "csv", "new/song.csv"), ("new.d/", None, "new.d/song.mid"),
    ("there.mid", None, "there.mid/song.mid"), (None, "txt", "song.txt"),
    ("x.jams", None, "x.jams"),
])
def test_output_names(stub, out, format, expected):
    song("in/song.wav")
    Path("there.mid").mkdir()
    if expected.endswith("jams"):
        pytest.importorskip("jams")
    arguments = (["-o", out] if out else []) + (["--format", format] if format else [])
    assert main(["transcribe", "in/song.wav", *arguments]) == 0
    assert files() == sorted(["in/song.wav", expected])


def test_several_inputs_and_folders(stub):
    song("a/one.wav"), song("a/deep/two.flac"), song("three.wav")
    assert main(["transcribe", "a", "three.wav", "a/one.wav", "-o", "out"]) == 0
    assert files("out") == ["one.mid", "three.mid", "two.mid"]


def test_same_names_do_not_overwrite(stub):
    song("a/one.wav"), song("b/one.wav"), song("b/one.flac"), song("b/two.wav")
    assert main(["transcribe", "a", "b", "-o", "out"]) == 0
    assert files("out") == ["one.flac.mid", "one.mid", "one.wav.mid", "two.mid"]


@pytest.mark.parametrize("paths, names", [
    (["a.wav"], ["a"]),
    (["x/a.wav", "y/a.wav", "b.wav"], ["x/a", "y/a", "b"]),
    (["p/x/a.wav", "q/x/a.wav", "r/a.wav"], ["p/x/a", "q/x/a", "r/a"]),
    (["a.wav", "a.mp3", "a.wav.mp3"], ["a.wav", "a.mp3", "a.wav.mp3"]),
    (["x/A.wav", "y/a.wav"], ["x/A", "y/a"]),
    (["x/A.wav", "x/a.wav", "x/a.mp3", "x/b.wav"], ["A.wav", "a-2", "a.mp3", "b"]),
    (["x/A.wav", "x/a.wav", "x/a-2.wav"], ["A", "a-3", "a-2"]),
    (["v1.2.wav", "v1.3.wav"], ["v1.2", "v1.3"]),
    ([], []),
])
def test_unique_names(paths, names):
    assert batch.unique_names([Path(p) for p in paths]) == names


def test_one_file_for_two_inputs(stub, capsys):
    assert main(["transcribe", song("a.wav"), song("b.wav"), "-o", "x.mid"]) == 1
    one_line(capsys, "x.mid", "give a folder")
    assert files() == ["a.wav", "b.wav"]


@pytest.mark.parametrize("arguments, words", [
    (["-o", "x.xyz"], ["x.xyz", ".mid, .midi, .csv"]),
    (["-o", "x.mid", "--format", "csv"], ["x.mid", ".csv"]),
])
def test_out_and_format(stub, capsys, arguments, words):
    assert main(["transcribe", song(), *arguments]) == 1
    one_line(capsys, *words)
    assert files() == ["song.wav"]


def test_classes(stub):
    song()
    for n, pieces in [(3, 3), (5, 5), (7, 7), (9, 9)]:
        assert main(["transcribe", "song.wav", "-o", f"{n}.txt", "--classes", str(n)]) == 0
        labels = {line.split("\t")[1] for line in Path(f"{n}.txt").read_text().splitlines()}
        assert len(labels) == pieces


def test_activations_and_stems(stub):
    assert main(["transcribe", song(), "-o", "out", "--activations", "--stems", "st",
                 "--no-demix"]) == 0
    assert files("out") == ["song.mid", "song.npz"]
    assert files("st") == sorted(f"song/{s}.wav" for s in STEMS)
    assert stub.made == [(False, "cpu")]
    assert [len(hits) for hits in told] == [len(PIECES)]  # those heard, not reduced ones
    assert overviews == ["all of it"]  # of the transcription, so that it is not read again


# ---- existing and unwritable outputs -----------------------------------------------------

@pytest.mark.parametrize("arguments", [["transcribe"], ["separate", "-o", "out"], ["report"]])
def test_outputs_are_kept_or_replaced_but_not_both(stub, capsys, arguments):
    song()
    assert main([*arguments, "song.wav", "--force", "--skip-existing"]) == 1
    one_line(capsys, "--force and --skip-existing exclude each other")
    assert sorted(os.listdir()) == ["song.wav"]


@pytest.mark.parametrize("command", ["separate", "transcribe"])
def test_a_job_without_a_place_does_not_stop_the_others(stub, capsys, command):
    song("in/a.wav")
    song("in/b.wav")
    Path("out").mkdir()
    Path("out/b").write_text("a file where a folder is to be")
    assert main([command, "in", *(["--stems"] if command == "transcribe" else ["-o"]), "out",
                 *(["-o", "midi"] if command == "transcribe" else [])]) == 1
    assert "out/b: cannot be written to" in capsys.readouterr().err
    assert len(list(Path("out/a").iterdir())) == len(STEMS)


def test_no_output_lies_in_another_ones_file(stub, capsys):
    song()
    assert main(["transcribe", "song.wav", "-o", "t.mid", "--stems", "t.mid"]) == 1
    one_line(capsys, "lies in another output's file")
    assert not stub.made


def test_what_is_skipped_is_said(stub, capsys):
    song()
    assert main(["transcribe", "song.wav"]) == 0
    capsys.readouterr()
    assert main(["transcribe", "song.wav", "--skip-existing"]) == 0
    assert capsys.readouterr().err == "song.wav: skipped, what would be written is there\n"


@pytest.mark.parametrize("grid, words", [("1/4", "does not divide"), ("1/8T", "1/8, 1/16,")])
def test_grids_that_do_not_divide_compound_beats(stub, capsys, grid, words):
    song()
    assert main(["transcribe", "song.wav", "--time-signature", "6/8", "--tempo", "80",
                 "--quantize", grid]) == 1
    one_line(capsys, words)
    assert not stub.made


def test_beats_of_another_song(stub, capsys):
    song()
    Path("a.beats").write_text("100\t1\n101\t2\n")
    assert main(["transcribe", "song.wav", "--beats", "a.beats"]) == 1
    one_line(capsys, "begin at 100 s", "another song?")


def test_a_window_is_a_number(capsys):
    assert main(["score", "a.mid", "b.mid", "--window", "nan"]) == 2
    assert "nan is not a number" in capsys.readouterr().err


def test_existing_output(stub, capsys):
    song()
    Path("song.mid").write_text("old")
    assert main(["transcribe", "song.wav"]) == 1
    one_line(capsys, "song.mid", "song.wav", "--force", "--skip-existing")
    assert not stub.made  # found before any work
    assert main(["transcribe", "song.wav", "--skip-existing"]) == 0
    assert Path("song.mid").read_text() == "old" and not stub.made
    assert main(["transcribe", "song.wav", "--force"]) == 0
    assert len(Transcription.load("song.mid")) == len(PIECES)


def test_skip_existing_writes_what_is_missing(stub):
    song()
    Path("song.mid").write_text("old")
    assert main(["transcribe", "song.wav", "--skip-existing", "--activations"]) == 0
    assert files() == ["song.mid", "song.npz", "song.wav"]
    assert Path("song.mid").read_text() == "old"


@pytest.mark.parametrize("arguments", [
    ("separate", "song.wav", "-o", "st", "--residual"),
    ("transcribe", "song.wav", "-o", "song.mid", "--stems", "st")])
def test_stems_that_are_there_are_kept(stub, arguments):
    song()
    assert main([*arguments[:2], "-o", "st"] if arguments[0] == "separate" else arguments) == 0
    Path("st/song/kick.wav").write_text("edited")
    Path("st/song/toms.wav").unlink()
    assert main([*arguments, "--skip-existing"]) == 0
    assert Path("st/song/kick.wav").read_text() == "edited"
    assert Path("st/song/toms.wav").stat().st_size > 1000
    assert Path("st/song/residual.wav").exists() == ("--residual" in arguments)


@pytest.mark.parametrize("arguments", [
    "transcribe |", "transcribe song.wav -o |", "transcribe song.wav --stems |",
    "transcribe song.wav --plot |", "transcribe song.wav --save-beats |",
    "transcribe song.wav --beats |", "transcribe song.wav --calibrate |", "separate | -o out",
    "separate song.wav -o |", "report |", "report song.wav -o |", "score | song.wav",
    "demo -o |", "train bank --data |"])
def test_no_name_is_not_the_current_folder(stub, capsys, arguments):
    """As of a variable that is not set; a batch of all that lies about would be a surprise."""
    song()
    assert main([a.replace("|", "") for a in arguments.split()]) == 2
    one_line(capsys, "an empty name")
    assert files() == ["song.wav"]


def test_wildcards_of_windows(stub, monkeypatch):
    """Brackets are none: names have them."""
    for name in ("a1.wav", "a[1].wav", "b2.wav"):
        song(name)
    assert expanded(["x", "a[1].wav", "*.wav", "a[*].wav", "?2.wav", "*.mp3", "-o", "x/"]) == [
        "x", "a[1].wav", "a1.wav", "a[1].wav", "b2.wav", "a[1].wav", "b2.wav", "*.mp3", "-o", "x/"]
    monkeypatch.setattr(sys, "argv", ["adt", "transcribe", "a[1].wav"])
    monkeypatch.setattr(click.utils, "_expand_args", lambda *a, **k: pytest.fail("by click"))
    assert main() == 0
    assert [file for file in files() if file.endswith(".mid")] == ["a[1].mid"]


def test_outputs_that_are_one_file_where_case_does_not_count(stub, capsys):
    assert main(["transcribe", song(), "-o", "A.csv", "--save-beats", "a.csv"]) == 1
    one_line(capsys, "is another output's file")


def test_existing_output_in_a_batch(stub, capsys):
    song("a.wav"), song("b.wav")
    Path("a.mid").write_text("old")
    assert main(["transcribe", "a.wav", "b.wav"]) == 1
    assert files() == ["a.mid", "a.wav", "b.mid", "b.wav"]
    err = capsys.readouterr().err.splitlines()
    assert err[-1] == "error: 1 of 2 inputs failed: a.wav"


@pytest.mark.parametrize("command, out", [
    ("transcribe", "file/x.mid"), ("transcribe", "file/sub/"), ("separate", "file/x"),
    ("separate", "file"),
])
def test_unwritable_output_is_found_before_work(stub, capsys, command, out):
    Path("file").touch()
    assert main([command, song(), "-o", out]) == 1
    one_line(capsys, "file", "choose another")
    assert not stub.made and files() == ["file", "song.wav"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder nobody can write in")
@pytest.mark.parametrize("command", ["transcribe", "separate"])
def test_folder_without_permission(stub, capsys, command):
    assert main([command, song(), "-o", "/proc/none/"]) == 1
    one_line(capsys, "/proc/none", "choose another place")
    assert not stub.made


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(stub, capsys):
    song()
    Path("locked").mkdir(mode=0o500)
    assert main(["transcribe", "song.wav", "-o", "locked/x.mid"]) == 1
    one_line(capsys, "locked")


def test_output_is_the_input(stub, capsys):
    song("x/kick/kick.wav")
    assert main(["separate", "x/kick/kick.wav", "-o", "x", "--force"]) == 1
    one_line(capsys, "kick.wav", "is the input itself")


@pytest.mark.parametrize("arguments", ["separate x -o x", "transcribe x -o x --stems x",
                                       "separate x -o x --residual"])
@pytest.mark.parametrize("option", ["--force", "--skip-existing"])
def test_output_is_another_input(stub, capsys, arguments, option):
    """Raw tracks beside the mix, in a folder of its name."""
    song("x/mix.wav"), song("x/mix/kick.wav", value=0.25)
    assert main([*arguments.split(), option]) == 1
    err = capsys.readouterr().err
    assert "kick.wav: is another input; choose another place" in err
    assert f"1 of 2 inputs failed: {Path('x/mix.wav')}" in err
    assert soundfile.read("x/mix/kick.wav")[0].max() == 0.25
    assert Path("x/kick").is_dir() or Path("x/kick.mid").is_file()


@pytest.mark.parametrize("arguments", ["separate song.wav -o new/st",
                                       "transcribe song.wav -o song.mid --stems new/st"])
def test_no_folder_is_left_where_nothing_was_separated(stub, capsys, monkeypatch, arguments):
    def failing(path, folder, **options):
        Path(folder).mkdir(parents=True)
        raise OutputError("disk full")
    import separation
    monkeypatch.setattr(separation, "separate_file", failing)
    song()
    assert main(arguments.split()) == 1
    assert not Path("new").exists()
    Path("new").mkdir()
    assert main([*arguments.split(), "--force"]) == 1
    assert Path("new").is_dir() and not list(Path("new").iterdir())


def test_what_a_residual_goes_with_is_told(stub, capsys):
    song()
    assert main(["separate", "song.wav", "-o", "st"]) == 0
    assert "sum to the input" not in capsys.readouterr().err
    assert main(["separate", "song.wav", "-o", "st", "--residual", "--skip-existing",
                 "--wiener", "5"]) == 0
    assert "sum to the input if made alike (--wiener 5)" in capsys.readouterr().err


def test_failed_write_leaves_nothing(stub, capsys, monkeypatch):
    def save(self, path):
        raise OutputError(f"{path}: cannot be written (disk full); free some space")
    monkeypatch.setattr(Transcription, "save", save)
    assert main(["transcribe", song()]) == 1
    one_line(capsys, "song.mid", "disk full")
    assert files() == ["song.wav"]


# ---- bad input ---------------------------------------------------------------------------

def _no_samples(path):
    soundfile.write(path, np.zeros((0, 2)), 44100)


def _truncated(path):
    song(path, 1.0)
    Path(path).write_bytes(Path(path).read_bytes()[:36])


BAD = {
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: Path(path).mkdir(), "without audio"),
    "empty": (lambda path: Path(path).touch(), "empty"),
    "header": (_truncated, "decoded"),
    "text": (lambda path: Path(path).write_text("hello\n" * 1000), "decoded"),
    "nan": (lambda path: song(path, value=np.nan), "NaN or infinite"),
    "infinite": (lambda path: song(path, value=np.inf), "NaN or infinite"),
    "no_samples": (_no_samples, "0 s"),
    "bug": (song, "unexpected RuntimeError: first line second line"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input(stub, capsys, kind):
    make, word = BAD[kind]
    name = f"{kind}.wav"
    make(name)
    before = files()
    assert main(["transcribe", name, "-o", "out/"]) == 1
    one_line(capsys, name, word)
    assert files() == before


@pytest.mark.parametrize("kind", [kind for kind in BAD if kind != "bug"])
def test_bad_input_to_separate(stub, capsys, kind):
    make, word = BAD[kind]
    name = f"{kind}.wav"
    make(name)
    before = files()
    assert main(["separate", name, "-o", "out"]) == 1
    one_line(capsys, name, word)
    assert files() == before and not Path(f"out/{kind}").exists()


def test_a_bad_file_does_not_stop_the_others(stub, capsys):
    for kind, (make, _) in BAD.items():
        make(f"{kind}.wav")
    song("good.wav"), song("zebra/last.wav")
    names = [f"{kind}.wav" for kind in BAD]
    assert main(["transcribe", "good.wav", *names, "zebra", "-o", "out"]) == 1
    assert files("out") == ["good.mid", "last.mid"]
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    *lines, summary = err.splitlines()
    assert len(lines) == len(BAD)
    assert summary.startswith(f"error: {len(BAD)} of {len(BAD) + 2} inputs failed: ")
    assert all(name in summary for name in names)


def test_damaged_file_is_transcribed_with_a_warning(stub, capsys):
    song("cut.wav", 2.0)
    Path("cut.wav").write_bytes(Path("cut.wav").read_bytes()[:400_000])
    assert main(["transcribe", "cut.wav"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("warning: cut.wav: damaged, 1.1 s") and err.count("\n") == 1
    assert Path("cut.mid").is_file()


@pytest.mark.parametrize("arguments, words", [
    (["transcribe"], ["IN..."]),
    (["transcribe", "x.wav", "--classes", "4"], ["--classes", "4", "'5'"]),
    (["transcribe", "x.wav", "--format", "mp3"], ["--format", "mp3", "'jams'"]),
    (["transcribe", "x.wav", "--device", "tpu"], ["--device", "tpu", "cuda"]),
    (["demo", "--device", "cuda:x"], ["--device", "cuda:x"]),
    (["transcribe", "x.wav", "--frobnicate"], ["--frobnicate"]),
    (["separate", "x.wav"], ["-o"]),
    (["separate", "x.wav", "-o", "y", "--wiener", "-1"], ["--wiener", "-1"]),
    (["separate", "x.wav", "-o", "y", "--wiener", "two"], ["--wiener", "two"]),
    (["render", "--groove-root", "x"], ["--kits-root"]),
    (["train", "drummer"], ["drummer"]),
    (["nonsense"], ["nonsense"]),
    (["--nonsense"], ["--nonsense"]),
])
def test_wrong_usage_is_one_line(capsys, arguments, words):
    assert main(arguments) == 2
    one_line(capsys, *words, "--help")
    assert files() == []


def test_debug_shows_the_traceback(stub, capsys, monkeypatch):
    monkeypatch.setenv("ADT_DEBUG", "1")
    assert main(["transcribe", song("bug.wav")]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_real_process(folder):
    result = run("transcribe", "none.wav")
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr == "error: none.wav: no such file or folder; check the path\n"
    assert run("transcribe", "x.wav", "--classes", "4").returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("name, status", [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_interrupted(name, status):
    """Ctrl-C, or the terminal closed, while a file is being written: nothing half written stays."""
    song("a.wav")
    code = """
import signal, sys, time, separation
from adt import audio, cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background ignores it
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and under nohup this one
def separate_file(path, folder, **options):
    with audio.AudioWriter(f"{folder}/kick.wav", 44100, 2) as writer:
        for block in audio.stream(path):
            writer.write(block)
        print("writing", flush=True)
        time.sleep(60)
separation.separate_file = separate_file
separation.Separator = lambda **options: None
sys.exit(cli.main(["separate", "a.wav", "-o", "out", "--no-informed"]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    assert process.stdout.readline() == "writing\n"
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == status and "Traceback" not in err
    assert files() == ["a.wav"] and not Path("out").exists()


# ---- progress ----------------------------------------------------------------------------

def test_progress_on_a_terminal(stub, monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    assert main(["transcribe", song("a.wav"), song("b.wav"), "none.wav"]) == 1
    text = screen.getvalue()
    assert "[1/2] a.wav:   0%|" in text and "[2/2] b.wav:   0%|" in text
    assert "a.wav: 9 hits, a.mid" in text
    assert "error: 1 of 3 inputs failed: none.wav" in text


def test_share_of_progress():
    seen = []
    part = share(seen.append, 0.4, 1.0)
    part(0.0), part(0.5), part(1.0)
    assert seen == pytest.approx([0.4, 0.7, 1.0])
    assert share(None, 0, 1) is None


# ---- separate ----------------------------------------------------------------------------

def test_separate(stub, capsys):
    song("in/a.wav", rate=48000, channels=1), song("in/b.flac")
    assert main(["separate", "in", "-o", "out", "--residual", "--format", "flac"]) == 0
    stems = (*STEMS, "residual")
    assert files("out") == sorted(f"{n}/{s}.flac" for n in "ab" for s in stems)
    assert audio.probe("out/a/kick.flac") == audio.AudioInfo(48000, 1, 24000)
    assert capsys.readouterr() == ("", "")


def test_separate_informed(stub, capsys):
    song("a.wav"), song("b.wav")
    assert main(["separate", "a.wav", "b.wav", "-o", "plain", "--no-informed"]) == 0
    assert told == [None, None] and not stub.made
    assert main(["separate", "a.wav", "b.wav", "-o", "out"]) == 0
    assert [len(hits) for hits in told[2:]] == [len(PIECES)] * 2
    assert stub.made == [(True, "cpu")]
    Transcription([Hit(0.2, "ride", 77)], 0.5).save("a.mid")
    for flags in ([], ["--informed"], ["--no-informed"]):  # given ones need no transcriber
        assert main(["separate", "a.wav", "-o", "out", "--hits", "a.mid", "--force", *flags]) == 0
        assert [(h.piece, h.velocity) for h in told[-1]] == [("ride", 77)]
    assert len(stub.made) == 1 and capsys.readouterr().out == ""
    for how, flags in (("--wiener 3, --hits a.mid", ["--hits", "a.mid"]), ("--wiener 3", []),
                       ("--wiener 3, --no-informed", ["--no-informed"])):
        Path("out/a/kick.wav").unlink()
        assert main(["separate", "a.wav", "-o", "out", "--residual", "--skip-existing",
                     *flags]) == 0
        assert f"made alike ({how})" in capsys.readouterr().err
        Path("out/a/residual.wav").unlink()


def test_hits_to_separate_by(stub, capsys):
    song("a.wav"), song("b.wav")
    Path("bad.mid").write_text("no midi")
    Transcription([], 0.5).save("empty.csv")
    for arguments, words in ((["a.wav", "b.wav", "--hits", "a.mid"], ["one song", "each is"]),
                             (["a.wav", "--hits", "none.mid"], ["none.mid", "no such file"]),
                             (["a.wav", "--note-map", "gm"], ["--note-map goes with --hits"]),
                             (["a.wav", "--hits", "empty.csv"], ["empty.csv", "no hits"]),
                             (["a.wav", "--hits", "bad.mid"], ["bad.mid"])):
        assert main(["separate", *arguments, "-o", "out"]) == 1
        one_line(capsys, *words)
        assert not Path("out").exists()


def test_hits_of_a_plug_in_and_of_another_song(stub, capsys):
    song("a.wav")
    Transcription([Hit(0.2, "hihat_closed", 77)], 0.5).save("a.mid",
                                                            note_map="addictive_drums_2")
    midi = pretty_midi.PrettyMIDI("a.mid")
    midi.text_events.clear()
    midi.write("daw.mid")
    separate = ["separate", "a.wav", "-o", "out", "--force", "--hits"]
    assert main([*separate, "daw.mid", "--note-map", "addictive_drums_2"]) == 0
    assert [h.piece for h in told[-1]] == ["hihat_closed"] and capsys.readouterr().err == ""
    Transcription([Hit(0.2, "kick"), Hit(7, "kick")], 7).save("other.csv")
    assert main([*separate, "other.csv"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "other.csv: 1 of 2 hits are after the end of a.wav, which lasts 0.5 s" in line


def test_separate_again(stub, capsys):
    song("a.wav")
    assert main(["separate", "a.wav", "-o", "out"]) == 0
    assert main(["separate", "a.wav", "-o", "out"]) == 1
    one_line(capsys, "kick.wav", "--force")
    assert main(["separate", "a.wav", "-o", "out", "--skip-existing"]) == 0
    assert main(["separate", "a.wav", "-o", "out", "--force"]) == 0


def test_stems_inside_the_input_folder_are_not_inputs(stub, capsys):
    song("songs/a.wav")
    assert main(["separate", "songs", "-o", "songs"]) == 0
    before = files()
    assert main(["separate", "songs", "-o", "songs", "--skip-existing"]) == 0
    assert files() == before
    assert main(["transcribe", "songs", "-o", "midi/"]) == 0
    assert files("midi") == ["a.mid"]
    assert "songs: 5 drum stems are left out" in capsys.readouterr().err
    assert main(["transcribe", "songs/a/kick.wav", "-o", "midi/"]) == 0  # named outright
    assert files("midi") == ["a.mid", "kick.mid"]


def test_a_folder_of_stems_alone(stub, capsys):
    for stem in STEMS:
        song(f"st/{stem}.wav")
    assert main(["transcribe", "st", "-o", "midi/"]) == 1
    one_line(capsys, "st: holds nothing but drum stems; name the files")


@pytest.mark.parametrize("command", ["transcribe", "separate", "report"])
def test_pipes_are_refused(stub, capsys, command):
    assert main([command, song(), "-o", "-"]) == 2
    assert "name a file or a folder" in capsys.readouterr().err and files() == ["song.wav"]


def test_names_of_dots_stay_in_the_folder(stub):
    os.rename(song("a.wav"), "...wav")
    assert main(["separate", "./...wav", "-o", "deep/out"]) == 0
    assert all(name.startswith("out/...wav/") for name in files("deep"))


def test_beats_are_saved_to_be_corrected(stub, capsys):
    assert main(["transcribe", song(seconds=2), "-o", "a.mid", "--save-beats", "x/a.beats"]) == 0
    assert len(Beats.load("x/a.beats")) == 4
    assert main(["transcribe", "song.wav", "-o", "b.mid", "--beats", "x/a.beats"]) == 0
    assert Path("a.mid").read_bytes() == Path("b.mid").read_bytes()
    song("s.wav")
    for argument, words in ("--no-beats", "exclude each other"), ("s.wav", "one song"):
        assert main(["transcribe", "song.wav", argument, "-o", "o/",
                     "--save-beats", "y.beats"]) == 1
        one_line(capsys, words)
    assert main(["transcribe", "s.wav", "-o", "c.mid", "--save-beats", "c.beats"]) == 1
    one_line(capsys, "too little is struck")
    assert not Path("c.mid").exists()
    for arguments in (["--plot", "y.svg", "--save-beats", "y.svg"], ["--save-beats", "d.mid"],
                      ["--activations", "--save-beats", "d.npz"],
                      ["--stems", "st", "--save-beats", "st/song/kick.wav"]):
        assert main(["transcribe", "song.wav", "-o", "d.mid", *arguments]) == 1
        one_line(capsys, "is another output's file; give --save-beats another name")
    assert main(["transcribe", "song.wav", "-o", "x/a.mid", "--beats", "x/a.beats", "--force",
                 "--save-beats", "x/a.beats"]) == 1
    one_line(capsys, "a.beats: is a file that is read")


def test_first_beat_outside_the_song(stub, capsys):
    assert main(["transcribe", song(), "-o", "a.mid", "--first-beat", "500"]) == 1
    one_line(capsys, "not within the song, which lasts 0.5 s")


def test_a_note_map_for_the_corrected_file_alone(stub, capsys):
    hits = [Hit(0.1, "hihat_closed")]
    Transcription(hits, 0.5).save("right.mid", note_map="addictive_drums_2")
    assert main(["transcribe", song(), "-o", "a.csv", "--note-map", "addictive_drums_2"]) == 1
    one_line(capsys, "--note-map is for MIDI, not .csv")
    assert main(["transcribe", "song.wav", "-o", "a.csv", "--note-map", "nowhere",
                 "--calibrate", "right.mid"]) == 1
    one_line(capsys, "no note map 'nowhere'")
    assert main(["transcribe", "song.wav", "-o", "a.csv", "--note-map", "addictive_drums_2",
                 "--calibrate", "right.csv"]) == 1
    one_line(capsys, "--note-map is for MIDI, not .csv")


def test_a_correction_of_five_classes_is_refused_at_once(stub, capsys):
    Transcription([Hit(0.1, "KD")], 0.5, classes=5).save("five.csv")
    assert main(["transcribe", song(), "-o", "a.mid", "--calibrate", "five.csv"]) == 1
    one_line(capsys, "--calibrate", "needs all nine pieces, and there are 5 classes")
    assert not stub.made  # nothing was listened to


def test_the_demo_replaces_nothing(capsys):
    Path("demo.mid").write_text("edited")
    assert main(["demo", "-o", "."]) == 1
    one_line(capsys, "demo.mid: exists already; add --force")


# ---- the other commands ------------------------------------------------------------------

def test_render_passes_its_options_on(monkeypatch):
    from adt.data import render
    seen = {}
    monkeypatch.setattr(render, "render_dataset",
                        lambda *args, **named: seen.update(named, args=args))
    assert main(["render", "--groove-root", "g", "--kits-root", "k", "-o", "o", "--split", "test",
                 "--kits", "a", "--kits", "b", "--limit", "3", "--seconds", "2.5"]) == 0
    assert seen == {"args": (Path("g"), Path("k"), Path("o")), "split": "test",
                    "kits": ("a", "b"), "limit": 3, "seconds": 2.5, "seed": 0, "progress": True}


def test_render_missing_groove(capsys):
    assert main(["render", "--groove-root", "g", "--kits-root", "k", "-o", "o"]) == 1
    one_line(capsys, "g")


@pytest.mark.parametrize("name", ["bank", "detectors"])
def test_train_passes_its_options_on(monkeypatch, capsys, name):
    from adt import training
    from adt.config import load_config
    seen = {}

    def train(config, data, out, resume=False, device="auto"):
        seen.update(config=config, data=data, out=out, resume=resume, device=device)
        return out / f"{name}.safetensors"

    monkeypatch.setattr(training, f"train_{name}", train, raising=False)
    Path("data").mkdir()
    Path("c.yaml").write_text(f"base: {name}.yaml\ntrain: {{steps: 100, batch: 3}}\n")
    assert main(["train", name, "--config", "c.yaml", "--data", "data", "-o", "run", "--resume",
                 "--device", "cpu", "--set", "train.steps=2"]) == 0
    config = load_config("c.yaml", ["train.steps=2"])
    assert (config["train"]["steps"], config["train"]["batch"]) == (2, 3)
    assert seen == {"config": config, "data": Path("data"), "out": Path("run"), "resume": True,
                    "device": "cpu"}
    assert capsys.readouterr().out == f"weights: run/{name}.safetensors\n"


@pytest.mark.parametrize("arguments, words", [
    (["--config", "none.yaml"], ["none.yaml"]),
    (["--config", "c.yaml", "--set", "steps=3"], ["steps"]),
    (["--config", "c.yaml", "--data", "none"], ["none", "--data"]),
    (["--config", "c.yaml", "-o", "c.yaml/x"], ["c.yaml"]),
    (["--config", "detectors_mixture"], ["detectors_mixture", "adt train detectors", "--config"]),
    (["--config", "mine.yaml"], ["mine.yaml", "adt train bars", "adt train bank"]),
])
def test_train_bad_options(capsys, arguments, words):
    Path("c.yaml").write_text("train: {steps: 100}\n")
    Path("mine.yaml").write_text("base: bars.yaml\n")
    Path("data").mkdir()
    base = [] if "--data" in arguments else ["--data", "data"]
    out = [] if "-o" in arguments else ["-o", "run"]
    assert main(["train", "bank", "--device", "cpu", *arguments, *base, *out]) == 1
    one_line(capsys, *words)


def test_packaged_configurations():
    from adt.cli.train import _find_config
    from adt.config import load_config
    for name in ("bank", "detectors", "detectors_mixture", "bank.yaml"):
        assert "train" in load_config(_find_config(Path(name)))
    Path("bank").mkdir()  # of a run with -o bank
    assert _find_config(Path("bank")).name == "bank.yaml"
    Path("bank").rmdir()
    Path("bank").write_text("mine: 1")
    assert _find_config(Path("bank")) == Path("bank")


@pytest.fixture
def model(folder):
    import torch
    description = {"kind": "bank", "model": {"widths": [4, 8]}, "training_data": ["groove"],
                   "licence": "CC BY 4.0", "metrics": {"nsdr": 5.0}}
    weights.save_weights("tiny.safetensors", {"w": torch.zeros(2, 3)}, description)
    return description


def test_info(model, capsys, monkeypatch, folder):
    monkeypatch.setattr(weights, "FOLDER", folder)
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    for word in ("tiny:", "kind: bank", "CC BY 4.0", "nsdr: 5.0", "- groove", "size_mb"):
        assert word in text
    assert main(["info", "tiny.safetensors", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["tiny.safetensors"]
    assert {k: shown[k] for k in model} == model


def test_info_without_models(capsys, monkeypatch, folder):
    monkeypatch.setattr(weights, "FOLDER", folder)
    assert main(["info"]) == 1
    one_line(capsys, "no models", "install")
    assert main(["info", "none"]) == 1
    one_line(capsys, "none")
    Path("bad.safetensors").write_text("x")
    assert main(["info", "bad.safetensors"]) == 1
    one_line(capsys, "bad.safetensors")


def test_demo_passes_its_options_on(monkeypatch, capsys):
    from adt import demo
    seen = {}

    def run_demo(out=None, *, echo, **named):
        seen.update(named, out=out)
        echo("F 0.9")

    monkeypatch.setattr(demo, "run_demo", run_demo)
    assert main(["demo", "--no-demix", "-o", "x"]) == 0
    assert seen == {"out": Path("x"), "demix": False, "device": "cpu", "seed": 0}
    assert capsys.readouterr().out == "F 0.9\n"


# ---- beats --------------------------------------------------------------------------------

@pytest.mark.parametrize("options, metre, first", [
    ([], 2, 0.0), (["--time-signature", "3/4"], 3, 0.0), (["--first-beat", "0.2"], 2, 0.2),
    (["--tempo", "300", "--time-signature", "3/4", "--first-beat", "0.1"], 3, 0.1)])
def test_beats_are_tracked_or_given(stub, capsys, options, metre, first):
    song("a.wav", 3.0)
    assert main(["transcribe", "a.wav", "-o", "a.mid", *options]) == 0
    beats = Transcription.load("a.mid").beats
    assert beats.metre == metre
    assert beats.downbeats[0] == pytest.approx(first, abs=1e-3)


def test_no_beats(stub, capsys):
    song("a.wav", 3.0)
    assert main(["transcribe", "a.wav", "-o", "a.mid", "--no-beats"]) == 0
    assert Transcription.load("a.mid").beats is None
    for option in (["--tempo", "100"], ["--quantize", "1/16"], ["--first-beat", "0.3"]):
        assert main(["transcribe", "a.wav", "-o", "b.mid", "--no-beats", *option]) == 1
        one_line(capsys, "--no-beats", option[0])
    assert files(".") == ["a.mid", "a.wav"]


def test_beats_are_saved_as_tracked_though_hits_are_quantized(stub, monkeypatch):
    times = np.array([0.1, 0.52, 1.0, 1.47, 2.01, 2.5])
    monkeypatch.setattr(stub, "with_beats", lambda self, hits, *rest: hits.replace(
        beats=Beats(times, np.arange(6) % 2 + 1)))
    song("a.wav", 3.0)
    assert main(["transcribe", "a.wav", "-o", "a.mid", "--quantize", "1/16",
                 "--save-beats", "a.beats"]) == 0
    assert Beats.load("a.beats").times == pytest.approx(times, abs=1e-3)


def test_activations_beside_labels_for_audacity(stub):
    assert main(["transcribe", song(), "-o", "a.labels.txt", "--activations"]) == 0
    assert files() == ["a.labels.txt", "a.npz", "song.wav"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_no_bug():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "adt", "info"], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=120, env={
                                  **os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: No space left on device"
    assert "unexpected" not in done.stderr


def test_range_of_tempi(stub, capsys):
    song("a.wav", 3.0)
    assert main(["transcribe", "a.wav", "-o", "a.mid", "--tempo-range", "70:140",
                 "--save-beats", "a.beats"]) == 0
    assert Beats.load("a.beats").tempo == pytest.approx(70, abs=0.1)
    for wrong in ("70", "a:b", "140:70", "1:2"):
        assert main(["transcribe", "a.wav", "-o", "b.mid", "--tempo-range", wrong]) == 1
        one_line(capsys, "empo")
    for option in (["--tempo", "100"], ["--no-beats"]):
        assert main(["transcribe", "a.wav", "-o", "b.mid", "--tempo-range", "70:140", *option]) == 1
        one_line(capsys, "--tempo-range", option[0])


def test_quantizing_needs_beats(stub, capsys):
    song("a.wav", 0.5)
    assert main(["transcribe", "a.wav", "-o", "a.mid", "--quantize", "1/16"]) == 1
    one_line(capsys, "too little is struck", "--tempo")
    assert files(".") == ["a.wav"]


# ---- the real path, with untrained models ------------------------------------------------

@pytest.fixture
def models(untrained_models, monkeypatch):
    monkeypatch.setattr(weights, "FOLDER", untrained_models)


@pytest.mark.parametrize("seconds, rate, channels, value", [
    *((0.3, 44100, channels, None) for channels in range(1, 9)),
    *((0.3, rate, 2, None) for rate in (8000, 22050, 48000, 96000, 192000)),
    (0.02, 44100, 2, None), (1 / 44100, 44100, 1, None), (1.0, 44100, 2, 0.0),
    (0.5, 44100, 2, 0.99),
])
def test_unusual_audio(models, capsys, seconds, rate, channels, value):
    song("a.wav", seconds, rate, channels, value)
    assert main(["transcribe", "a.wav", "-o", "a.csv"]) == 0
    assert main(["transcribe", "a.wav", "-o", "b.csv", "--no-demix"]) == 0
    assert main(["separate", "a.wav", "-o", "out", "--residual"]) == 0
    printed = capsys.readouterr()
    said = [line for line in printed.err.splitlines() if "no drums are heard" not in line]
    assert printed.out == ""
    assert len(said) == (3 if rate == 8000 else 0)
    assert all("at 8000 Hz there are no hats" in line for line in said)
    total = 0
    for stem in (*STEMS, "residual"):
        file = Path("out/a") / f"{stem}.wav"
        assert audio.probe(file) == audio.probe("a.wav")
        total = total + audio.load(file, None)[0]
    np.testing.assert_allclose(total, audio.load("a.wav", None)[0], atol=1e-5)


def test_everything_at_once(models, capsys):
    song("a.wav", 1.0)
    assert main(["transcribe", "a.wav", "-o", "out", "--stems", "st", "--activations",
                 "--format", "txt", "--classes", "5"]) == 0
    assert capsys.readouterr() == ("", "")
    assert files("out") == ["a.npz", "a.txt"]
    assert files("st") == sorted(f"a/{s}.wav" for s in STEMS)
    from adt import Activations
    assert Activations.load("out/a.npz").onset.shape == (101, len(PIECES))


@pytest.mark.parametrize("arguments", [
    ["transcribe", "a.wav"], ["separate", "a.wav", "-o", "out"]])
def test_no_gpu(models, capsys, monkeypatch, arguments):
    import torch
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    song("a.wav")
    assert main([*arguments, "--device", "auto"]) == 0
    if torch.cuda.device_count() == 0:
        assert main([*arguments, "--device", "cuda", "--force"]) == 1
        one_line(capsys, "cuda", "use cpu")


def test_damaged_weights(models, untrained_models, capsys, monkeypatch, folder):
    monkeypatch.setattr(weights, "FOLDER", folder)
    song("a.wav")
    assert main(["transcribe", "a.wav"]) == 1
    one_line(capsys, "no such weights")
    for name in ("bank", "detectors"):
        data = (untrained_models / f"{name}.safetensors").read_bytes()
        Path(f"{name}.safetensors").write_bytes(data[:len(data) // 2])
    assert main(["transcribe", "a.wav"]) == 1
    one_line(capsys, "safetensors", "reinstall")
    assert not Path("a.mid").exists()


# ---- with the weights of the package -----------------------------------------------------

needs_weights = pytest.mark.skipif(len(weights.available()) < 2, reason="no weights in the package")


@needs_weights
def test_silence_has_no_hits():
    song("a.wav", 1.0, value=0.0)
    result = run("transcribe", "a.wav", "-o", "a.csv")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "warning: a.wav: no drums are heard in it\n"
    assert len(Transcription.load("a.csv")) == 0


@needs_weights
def test_info_names_what_a_model_is():
    result = run("info", "--json")
    assert result.returncode == 0
    for description in json.loads(result.stdout).values():
        assert {"kind", "training_data", "licence", "metrics"} <= set(description)


def test_names_of_two_drives_and_of_two_ways_to_write_an_accent():
    from pathlib import PureWindowsPath

    from adt.cli.batch import _names
    drives = [PureWindowsPath(f"{drive}:/Music/one.wav") for drive in "CD"]
    assert _names(drives) == ["C/Music/one", "D/Music/one"]
    assert _names([PureWindowsPath("C:/one.wav"), PureWindowsPath("D:/one.wav")]) == [
        "C/one", "D/one"]
    assert _names([Path("/a/\u00e9.wav"), Path("/b/e\u0301.wav")]) == ["a/\u00e9", "b/e\u0301"]
    assert _names([Path("/a/Song .wav"), Path("/a/Wait...wav"), Path("/a/.wav")]) == [
        "Song", "Wait", ".wav"]


def test_output_in_a_narrow_encoding(tmp_path):
    (tmp_path / "a.txt").write_text("0.5\tkick\n")
    done = subprocess.run([sys.executable, "-m", "adt", "score", "a.txt", "a.txt"], cwd=tmp_path,
                          capture_output=True, env={**os.environ, "PYTHONIOENCODING": "cp437"})
    assert done.returncode == 0 and b"KD" in done.stdout and b"?" in done.stdout


def test_a_drive_that_is_not_there(monkeypatch):
    from adt.cli import outputs
    monkeypatch.setattr(Path, "exists", lambda self: False)
    with pytest.raises(OutputError, match="there is no"):
        outputs.check_writable([Path("/nowhere/at/all")])


def test_garbage_is_collected_again_after_loading():
    with console.loading():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError), console.loading():
        raise ValueError
    assert gc.isenabled()
    gc.unfreeze()
