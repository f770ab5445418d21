"""Writing files so that a failure leaves nothing half written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from .errors import ConfigError, OutputError

_COUNT = count()  # threads may write files of one name, or of names that begin alike


def plain(text: str) -> str:
    """Text that any file can hold: names of files may have bytes and signs that are none."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text)


def same_file(first: Path | str, second: Path | str) -> bool:
    """Whether two paths are of one file that exists, also where case does not count."""
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False


def check_place(path: Path | str) -> None:
    """Raise `OutputError` if `path` is a folder, or its folder does not exist."""
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: folder {path.parent} does not exist; create it first")


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Name to write to instead of `path`; renamed to it when the block succeeds.

    The temporary name lies in the same folder and has the same suffix. If the
    block raises, the temporary file is removed and `path` stays as it was.

    Parameters
    ----------
    path : path

    Yields
    ------
    Path

    Raises
    ------
    OutputError
        If the folder does not exist, `path` is a folder, or writing fails with
        an `OSError`.
    """
    path = Path(path)
    check_place(path)
    suffix = path.suffix
    if path.is_symlink():  # the file that it leads to is written, and the link stays
        path = Path(os.path.realpath(path))
        check_place(path)
    stem = path.stem.encode("utf-8", "ignore")[:100].decode("utf-8", "ignore")
    temporary = path.with_name(f".{stem}.{os.getpid()}-{next(_COUNT)}.tmp{suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"{path}: cannot be written ({reason}); choose another place") from error
    finally:
        try:
            temporary.unlink(missing_ok=True)
        except OSError:  # the folder itself is gone or not ours to write in
            pass


def keep_settings(path: Path, settings: dict) -> None:
    """Keep settings for runs that go on in a folder; refuse others than those kept there.

    Raises
    ------
    ConfigError
        If they are others.
    """
    if not path.is_file():
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(settings), encoding="utf-8")
        return
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        kept = None
    if kept != settings:
        raise ConfigError(f"{path.parent}: was rendered with {kept}, not {settings}; "
                          "go on with those, or choose another folder")
