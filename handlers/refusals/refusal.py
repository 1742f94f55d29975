"""A refusal: what a person is told of a request or a job that is turned down, and the error that carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from handlers.errors import Rejected, RequestRefused

E = TypeVar("E", Rejected, RequestRefused)


@dataclass(frozen=True)
class Refusal(Generic[E]):
    """A refusal's words. Calling it makes the error to raise: `values` fill the braces, `field` replaces the table's."""

    error: type[E]
    code: str
    message: str
    remedy: str
    field: str | None = None

    def __call__(self, *, field: str | None = None, **values: object) -> E:
        field = field or self.field
        message, remedy = (words.format(field=field, **values) for words in (self.message, self.remedy))
        return self.error(self.code, message, remedy, field=field)
