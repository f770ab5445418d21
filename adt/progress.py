"""How far long work is, told to whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable

#: Gets the share done, 0..1.
Progress = Callable[[float], None]


def share(progress: Progress | None, first: float, last: float) -> Progress | None:
    """What a part of the work tells, so that all of it goes from `first` to `last`."""
    if progress is None:
        return None
    return lambda done: progress(first + (last - first) * done)
