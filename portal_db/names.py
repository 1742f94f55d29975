"""Finding people and entities by name: conditions on folded names (`config.folding`), alike on SQLite and PostgreSQL.

Words match in any order, anywhere in a name. A guess also finds names with one typing error in a word of five letters or
more: a letter too many, one missing, a wrong one, or two swapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, ColumnElement, SQLColumnExpression, String, and_, bindparam, false, or_
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import Boolean

from config.folding import code_key, fold_name

#: Letters of a word in which a typing error is looked for; among shorter ones nearly every word is similar to another.
SHORTEST, LONGEST = 5, 30

Key = SQLColumnExpression[str] | SQLColumnExpression[str | None]


def contain(text: str, *keys: Key, is_guess: bool = False) -> ColumnElement[bool]:
    """Whether each word of a text is in one of the folded names `keys`. Nothing is found by a text without any word, nor
    guessed without a word in which an error is looked for."""
    words = fold_name(text).split()
    if not words or (is_guess and not any(map(_may_have_error, words))):
        return false()
    exact = [or_(*(_contains(key, word) for key in keys)) for word in words if not (is_guess and _may_have_error(word))]
    # The cheap conditions come first.
    similar = [or_(*(_is_similar(key, word) for key in keys)) for word in words if is_guess and _may_have_error(word)]
    return and_(*exact, *similar)


def code_begins_with(text: str, key: Key) -> ColumnElement[bool]:
    """Whether a stored client code begins with a text."""
    begin = code_key(text)
    return key.startswith(begin, autoescape=True) if begin else false()


def _may_have_error(word: str) -> bool:
    return SHORTEST <= len(word) <= LONGEST


def _contains(key: Key, word: str) -> ColumnElement[bool]:
    return key.contains(word, autoescape=True)


def _is_similar(key: Key, word: str) -> ColumnElement[bool]:
    """Whether a name has the word with at most one error. All but one of the spellings have a half without error, so most
    names are ruled out by three comparisons."""
    half = len(word) // 2
    swapped = word[: half - 1] + word[half] + word[half - 1] + word[half + 1 :]
    is_likely = or_(*(_contains(key, part) for part in (word[:half], word[half:], swapped)))
    return and_(is_likely, is_like_one_of(key, [f"%{spelling}%" for spelling in _spellings(word)]))


def _spellings(word: str) -> Iterator[str]:
    """Patterns of what was meant if the word has one error; `_` is any letter."""
    letters = [f"\\{letter}" if letter in r"\%_" else letter for letter in word]
    for at, letter in enumerate(letters):
        before, after = "".join(letters[:at]), "".join(letters[at + 1 :])
        yield before + after
        yield f"{before}_{after}"
        yield f"{before}_{letter}{after}"
        if after:
            yield before + letters[at + 1] + letter + "".join(letters[at + 2 :])


class is_like_one_of(FunctionElement[bool]):
    """Whether a text is like one of some patterns, where a backslash escapes. They are one parameter, so that the statement
    is the same for each word."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, of: Any, patterns: list[str]) -> None:
        type_ = postgresql.ARRAY(String).with_variant(JSON(), "sqlite")
        super().__init__(of, bindparam("patterns", patterns, type_=type_, unique=True))


@compiles(is_like_one_of, "postgresql")
def _like_any(element: is_like_one_of, compiler: SQLCompiler, **kw: Any) -> str:
    of, patterns = (compiler.process(each, **kw) for each in element.clauses)
    return f"{of} LIKE ANY ({patterns})"


@compiles(is_like_one_of, "sqlite")
def _like_each(element: is_like_one_of, compiler: SQLCompiler, **kw: Any) -> str:
    of, patterns = (compiler.process(each, **kw) for each in element.clauses)
    return f"EXISTS (SELECT 1 FROM json_each({patterns}) AS pattern WHERE {of} LIKE pattern.value ESCAPE '\\')"  # noqa: S608 -- parameters
