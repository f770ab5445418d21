"""What is said where an optional library is missing.

The libraries are named, not an extra of the package: how the package was installed is not known.
"""

from __future__ import annotations

#: Libraries of the optional dependencies in pyproject.toml that users are told of.
EXTRAS = {"jams": ("jams", "pandas"), "notation": ("music21", "verovio", "typst"),
          "plot": ("matplotlib",)}


def lacking(what: str, library: str, extra: str, error: ImportError | None = None) -> str:
    """One line on a library that is not there, or is there and cannot be imported.

    Parameters
    ----------
    what : str
        What it is needed for, such as ``writing JAMS``.
    library : str
    extra : str
        A key of `EXTRAS`.
    error : ImportError, optional
        What its import ended in.
    """
    if error is not None and getattr(error, "name", None) != library:
        return (f"{what} needs the library {library}, which cannot be imported ({error}); "
                f"install it again: pip install --upgrade {library}")
    return f"{what} needs the library {library}; pip install {' '.join(EXTRAS[extra])}"
