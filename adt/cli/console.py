"""What the user sees on stderr: single lines, and progress on a terminal only."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import AdtError
from ..progress import Progress


def debug() -> bool:
    """Whether tracebacks are wanted (environment variable ``ADT_DEBUG``)."""
    return os.environ.get("ADT_DEBUG", "") not in ("", "0")


def on_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def lossy_output() -> None:
    """Let stdout replace what its encoding lacks: no result is lost for a letter of its name."""
    if getattr(sys.stdout, "errors", None) == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")


def say(text: str) -> None:
    """Print one line on stderr, above a progress bar if there is one."""
    line = " ".join(str(text).split())
    if "tqdm" in sys.modules and on_terminal():
        sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr, flush=True)


def note(text: str) -> None:
    """Print one line on a terminal, nothing in a pipe."""
    if on_terminal():
        say(text)


def error(text: str) -> None:
    """Print one ``error:`` line."""
    say(f"error: {text}")


def describe(problem: Exception, source: Path | None = None) -> str:
    """One line about `problem` that names the file `source`.

    An error that is neither ours nor the system's (a full disk) is a bug, and is said to be
    unexpected; with ``ADT_DEBUG=1`` its traceback is printed first.
    """
    if debug():
        import traceback
        traceback.print_exception(problem)
    if isinstance(problem, AdtError):
        text = str(problem)
    elif isinstance(problem, MemoryError):
        text = "not enough memory; close other programs or use a smaller input"
    elif isinstance(problem, OSError) and problem.strerror:
        named = [str(problem.filename)] if problem.filename else []
        text = ": ".join([*named, problem.strerror])
    else:
        text = (f"unexpected {type(problem).__name__}: {problem};"
                " set ADT_DEBUG=1 for the traceback and report it")
    if source is not None and source.name not in text:
        text = f"{source}: {text}"
    return text


@contextmanager
def loading() -> Iterator[None]:
    """Load modules and weights without looking for garbage among them, then or later.

    There is none to find, and looking for it takes a twelfth of a cold start.
    """
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if wanted:
            gc.enable()


@contextmanager
def progress(label: str) -> Iterator[Progress | None]:
    """Progress bar on a terminal; gives a callable of the fraction done, else None."""
    if not on_terminal():
        yield None
        return
    from tqdm import tqdm
    with tqdm(total=1.0, desc=label, leave=False, file=sys.stderr,
              bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}") as bar:
        yield lambda fraction: bar.update(min(fraction, 1.0) - bar.n)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print our own warnings as single lines; hide those of libraries unless debugging."""
    with warnings.catch_warnings():
        if not debug():
            said: set[str] = set()

            def show(message, *rest, **named):
                if str(message) not in said:  # a file that is read twice is damaged once
                    said.add(str(message))
                    say(f"warning: {message}")

            warnings.simplefilter("ignore")
            warnings.filterwarnings("always", category=UserWarning, module=r"(adt|separation)\b")
            warnings.showwarning = show
        yield


@contextmanager
def exit_on_termination() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `SystemExit`, so that temporary files are removed.

    SIGHUP is what closing the terminal sends; under ``nohup`` it stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number, frame):
        sys.exit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in numbers
              if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
