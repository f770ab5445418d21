"""Configuration files: YAML, with `base` to build on another file and `key=value` changes."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterable

import yaml

from .errors import ConfigError

_PACKAGE = Path(__file__).parent
#: Where the project's configurations lie: in the package, or beside it in a checkout.
PROJECT = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


def _merge(base: dict, change: dict) -> dict:
    merged = dict(base)
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = _merge(merged[key], value)
        merged[key] = value
    return merged


@lru_cache
def _settings() -> dict:
    """Every setting that one of the project's configurations has."""
    every: dict = {}
    for folder in PROJECT:
        for file in sorted(folder.glob("*.yaml")):
            every = _merge(every, yaml.safe_load(file.read_text(encoding="utf-8")))
    if "louder" in every:  # in place of those of randomise
        every["louder"]["randomise"] = every["randomise"]
    return every


def _changed(base: dict, change: dict, known: dict, path: Path | str, section: str = "") -> dict:
    """Settings with some of them changed.

    Those that neither the base nor the project has are refused, and values of another kind.
    """
    changed = dict(base)
    for key, value in change.items():
        if key not in base and key not in known:
            raise ConfigError(f"{path}: no setting {section}{key}; there are "
                              f"{', '.join(map(str, {**base, **known}))}")
        name, old = f"{section}{key}", base.get(key, {} if isinstance(value, dict) else None)
        if isinstance(old, dict) and isinstance(value, dict):
            further = known.get(key) if isinstance(known.get(key), dict) else {}
            changed[key] = _changed(old, value, further, path, f"{name}.")
        else:
            changed[key] = _like(old, value, f"{path}: {name}")
    return changed


def load_config(path: Path | str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """Read a configuration.

    Parameters
    ----------
    path : path
        YAML file; a key ``base`` names a file beside it, or one of the project's, to start
        from.
    overrides : iterable of str
        ``section.key=value`` changes, values in YAML; the key must exist.

    Returns
    -------
    dict

    Raises
    ------
    ConfigError
        If the file is missing or not a mapping, its base leads back to it, or a change names no
        setting or is of another kind than what it replaces.
    """
    path = Path(path)
    config = _read(path)
    for override in overrides:
        key, equals, text = override.partition("=")
        *sections, last = key.strip().split(".")
        place = config
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict) or last not in place:
            raise ConfigError(f"{override!r}: not a setting of {path}; write section.key=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"{override!r}: not a value; write section.key=value "
                              "in YAML") from None
        if value == {}:
            raise ConfigError(f"{override!r}: a section, not a setting; write section.key=value")
        place.update(_changed(place, {last: value}, {}, repr(override),
                              "".join(f"{section}." for section in sections)))
    return config


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Settings of a file and its base, which is none of the files above, begun with them."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a YAML file "
                          "such as configs/bank.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: expected a mapping of settings")
    base = config.pop("base", None)
    if base is None:
        return config
    above = (*above, path.resolve())
    found = [file for folder in (path.parent, *PROJECT) if (file := folder / str(base)).is_file()]
    other = next((file for file in found if file.resolve() not in above), None)
    if other is None:
        raise ConfigError(f"{path}: base: {base} " + (
            "leads back to itself; name another file" if found
            else "is neither beside it nor one of the project's"))
    return _changed(_read(other, above), config, _settings(), path)


def complete(config: dict[str, Any], base: Path, path: Path) -> dict[str, Any]:
    """A configuration that has all settings of the one it should build on, and of their kinds.

    Parameters
    ----------
    config : dict
        From `load_config`.
    base : path
        One of the project's files.
    path : path
        What `config` was read from.

    Raises
    ------
    ConfigError
        If settings are missing or of another kind.
    """
    whole = load_config(base)
    missing = _missing(config, whole)
    if missing:
        raise ConfigError(f"{path}: lacks {', '.join(missing)}; write 'base: {base.name}' in it, "
                          "or give another --config")
    return _changed(whole, config, config, path)


def _missing(config: dict, whole: dict, section: str = "") -> list[str]:
    """Names of the settings, or sections, that a configuration lacks."""
    names = []
    for key, value in whole.items():
        if key not in config:
            names.append(f"{section}{key}")
        elif isinstance(value, dict) and isinstance(config[key], dict):
            names += _missing(config[key], value, f"{section}{key}.")
    return names


def save_config(config: dict[str, Any], path: Path) -> None:
    """Write a configuration as it is used, without ``base``."""
    from .output import atomic_path
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _like(old: Any, new: Any, name: str) -> Any:
    """A value in the place of another, of whose kind it must be."""
    def kind(value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float if number else type(value)

    if kind(old) is float and isinstance(new, str):
        with suppress(ValueError):
            new = float(new)  # YAML 1.1 takes 2e-3 for text
    if type(old) is int and isinstance(new, float):
        if not new.is_integer():
            raise ConfigError(f"{name}: expected a whole number")
        new = int(new)
    free = (old is None and not isinstance(new, dict)
            or new is None and isinstance(old, (str, list)))
    if not free and kind(old) is not kind(new):
        wanted = "a section, not a setting" if isinstance(old, dict) \
            else f"expected a value like {old!r}"
        raise ConfigError(f"{name}: {wanted}")
    return new
