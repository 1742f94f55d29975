"""Paged lists over HTTP: the query, and the page that answers it."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from handlers import paging
from handlers.fields import Text

T = TypeVar("T")


class ListPage(BaseModel, Generic[T]):
    """One page. `next_cursor` requests the page after it; null at the end."""

    items: list[T]
    next_cursor: str | None

    @classmethod
    def of(cls, found: paging.Page[Any], item: Any, **more: Any) -> Self:
        """The page as it is sent; `item` converts each of its items. `more`: fields of a subclass."""
        return cls(items=[item(each) for each in found.items], next_cursor=found.next, **more)


class SearchedPage(ListPage[T]):
    """One page of a list that can be searched for a text."""

    is_guess: bool = Field(description="nothing matches the text exactly; these names do but for a typing error")

    @classmethod
    def of(cls, found: paging.Page[Any], item: Any, **more: Any) -> Self:
        return super().of(found, item, is_guess=found.is_guess, **more)


class ListQuery(BaseModel):
    """Which page, and how many items at most."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[Text, Field(max_length=200)] | None = Field(
        None, description="`next_cursor` of the previous page"
    )
