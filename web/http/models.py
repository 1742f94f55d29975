"""Base classes of the API's models: bodies that callers send, and answers filled from a row of the database."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request's body. Unknown fields are refused, and errors never repeat what was sent."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Answer(BaseModel):
    """An answer about one row."""

    @classmethod
    def from_row(cls, row: object, **others: Any) -> Self:
        """Fill the model from the row's columns of the same names; `others` are the fields that are no columns."""
        columns = {name: getattr(row, name) for name in cls.model_fields if name not in others}
        return cls.model_validate(columns | others)
