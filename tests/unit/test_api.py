"""What `import seqguard` offers."""

from __future__ import annotations

import pytest

import seqguard


def test_every_public_name_is_there() -> None:
    assert [name for name in seqguard.__all__ if not hasattr(seqguard, name)] == []


def test_dir_shows_every_public_name() -> None:
    assert set(seqguard.__all__) <= set(dir(seqguard))


def test_a_name_that_is_not_there_is_an_error_for_python_and_for_mypy() -> None:
    with pytest.raises(AttributeError, match="nosuch"):
        _ = seqguard.nosuch  # type: ignore[attr-defined]
