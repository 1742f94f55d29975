"""Clients > Client list: filtered, sorted and paged by its address, with acts on the ticked clients and exports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field, ValidationError

from handlers import refusals
from handlers.clients import assign, queries, saved_filters
from handlers.clients.queries import ClientList, Invitation
from handlers.errors import RequestRefused
from handlers.fields import Text
from handlers.imports import accept, batch_csv, batch_xlsx, welcome_email
from portal_db.clients.client_queries import ClientEntry, ClientFilter, Order
from portal_db.states import ClientKind, ClientType, EntityType
from web.http.bodies import CSV
from web.pages.frame.forms import NO_ERRORS, FormErrors, Posted, PostedByImporter, ThePosted
from web.pages.frame.step_up import asked_first
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheVisitor, Visitor
from web.usage import Use

router = APIRouter()

PATH = "/clients"
#: Clients in one export, and clients that one form acts on, at most.
MOST_EXPORTED, MOST_CHOSEN = 20_000, 200


class ClientQuery(BaseModel):
    """The list's filters as its form sends them; an empty value means all."""

    q: Annotated[Text, Field(max_length=200)] = ""
    kind: ClientKind | Literal[""] = ""
    type: EntityType | ClientType | Literal[""] = ""
    invitation: Literal["", "not_invited", "being_sent", "invited", "not_delivered", "unknown", "active"] = ""
    connected: Literal["", "yes", "no"] = ""
    assigned: UUID | Literal[""] = ""
    is_new: Literal["", "yes"] = ""
    archived: Literal["", "yes"] = ""
    order: Order = Order.NEWEST
    size: Literal["20", "50", "100"] = "50"
    density: Literal["", "compact"] = ""
    page: Annotated[int, Field(ge=1, le=10_000)] = 1

    @property
    def wanted(self) -> ClientFilter:
        return ClientFilter(
            text=self.q.strip() or None,
            kind=self.kind or None,
            type=self.type or None,
            invitation=self.invitation or None,
            is_connected=None if not self.connected else self.connected == "yes",
            assigned_to=self.assigned or None,
            is_new=True if self.is_new else None,
            is_archived=bool(self.archived),
        )

    @property
    def filters(self) -> dict[str, str]:
        """What narrows the list, as in its address."""
        shown = ("order", "size", "density", "page")
        return {name: str(value) for name, value in self if value and name not in shown}

    def address(self, **changed: object) -> str:
        """The list's address with other values; what is as usual is left out."""
        usual = ClientQuery()
        values = dict(self) | changed
        given = {name: str(value) for name, value in values.items() if value != getattr(usual, name)}
        return f"{PATH}?{urlencode(given)}" if given else PATH


@router.get(PATH)
def client_list(visitor: TheVisitor, query: Annotated[ClientQuery, Query()]) -> Response:
    """A page of the clients that the visitor may see. With words it is a search, and counted as one."""
    visitor.portal.uses.take_search(visitor.caller, query.q)
    return _page(visitor, query)


@router.get(f"{PATH}/export.{{form}}")
def export(visitor: TheVisitor, form: Literal["csv", "xlsx"], query: Annotated[ClientQuery, Query()]) -> Response:
    """The whole filtered list as a file, for somebody who confirmed that it is them."""
    if (asked := asked_first(visitor, query.address(page=1))) is not None:
        return asked
    found = queries.listing(visitor.database, visitor.caller, query.wanted, query.order, offset=0, limit=MOST_EXPORTED)
    return _file(visitor, form, found.items)


@router.post(f"{PATH}/chosen", max_body_size=256 * 1024)
def act_on_chosen(posted: PostedByImporter) -> Response:
    """Invite the ticked clients, import their items, assign them to a colleague, or export them."""
    visitor, act = posted.visitor, posted.text("act")
    chosen = _chosen(posted)
    if act in ("assign", "unassign") and chosen:
        if (asked := asked_first(visitor, PATH, "confirmed-act")) is not None:
            return asked
        colleague = posted.id("colleague")
        if colleague is None:
            raise refusals.UNKNOWN_COLLEAGUE()
        change = assign.assign if act == "assign" else assign.unassign
        change(visitor.database, visitor.caller, chosen, colleague)
        return _page(visitor, ClientQuery(), outcome={"act": act, "done": len(chosen), "refused": {}})
    if act in ("csv", "xlsx"):
        if (asked := asked_first(visitor, PATH)) is not None:
            return asked
        wanted = ClientFilter(ids=chosen)
        found = queries.listing(visitor.database, visitor.caller, wanted, Order.NAME, offset=0, limit=MOST_CHOSEN)
        return _file(visitor, act, found.items)
    key = posted.text("idempotency_key")
    done, refused = 0, dict[str, int]()
    for client_id in chosen:
        try:
            if act == "invite":
                _invite(visitor, client_id, f"{key} {client_id}")
            elif act == "import":
                _import_items(visitor, client_id, f"{key} {client_id}")
            done += 1
        except RequestRefused as refusal:
            refused[refusal.message] = refused.get(refusal.message, 0) + 1
    return _page(visitor, ClientQuery(), outcome={"act": act, "done": done, "refused": refused})


@router.post(f"{PATH}/filters")
def save_filter(posted: ThePosted) -> Response:
    """Save the list's filters by name, for this person."""
    visitor, query = posted.visitor, _query_of(posted.text("query"))
    try:
        saved_filters.save(
            visitor.database, visitor.caller, posted.text("name"), query.address(page=1).partition("?")[2]
        )
    except RequestRefused as refused:
        return _page(visitor, query, errors=FormErrors.of(refused, ("name",)))
    return redirect(query.address(page=1), message="filter-saved")


@router.post(f"{PATH}/filters/{{filter_id}}/removal")
def remove_filter(posted: ThePosted, filter_id: UUID) -> Response:
    saved_filters.remove(posted.visitor.database, posted.visitor.caller, filter_id)
    return redirect(PATH, message="filter-removed")


def _query_of(text: str) -> ClientQuery:
    """The filters in a form's hidden field; what is not valid counts as none."""
    try:
        return ClientQuery.model_validate(dict(parse_qsl(text)))
    except ValidationError:
        return ClientQuery()


def _invite(visitor: Visitor, client_id: UUID, key: str) -> None:
    if not welcome_email.is_repeated(visitor.database, visitor.caller, client_id, key):
        visitor.portal.uses.take(Use.WELCOME_EMAIL, visitor.caller, to=client_id)
    welcome_email.invite(visitor.database, visitor.portal.bell, visitor.caller, client_id, key)


def _import_items(visitor: Visitor, client_id: UUID, key: str) -> None:
    accept.import_items(
        visitor.database, visitor.portal.bell, visitor.caller, client_id, key, details=True, relationships=True
    )


def _chosen(posted: Posted) -> list[UUID]:
    found = []
    for text in posted.form.getlist("client")[:MOST_CHOSEN]:
        try:
            found.append(UUID(str(text)))
        except ValueError:
            raise refusals.UNKNOWN_CLIENT() from None
    return found


def _page(
    visitor: Visitor, query: ClientQuery, outcome: dict[str, Any] | None = None, errors: FormErrors = NO_ERRORS
) -> Response:
    size = int(query.size)
    found = _listed(visitor, query, size)
    pages = max(1, -(-found.total // size))
    staff = [(str(each.id), each.name) for each in queries.colleagues(visitor.database, visitor.caller)]
    return page(
        visitor,
        "clients/clients.html",
        errors,
        found=found,
        query=query,
        first=(query.page - 1) * size + 1,
        before=query.address(page=query.page - 1) if query.page > 1 else None,
        after=query.address(page=query.page + 1) if query.page < pages else None,
        by_name=_turned(query, Order.NAME, Order.NAME_BACKWARDS),
        by_time=_turned(query, Order.NEWEST, Order.OLDEST),
        export=urlencode(query.filters),
        staff=staff,
        saved=saved_filters.listing(visitor.database, visitor.caller),
        present=query.address(page=1).partition("?")[2],
        outcome=outcome,
    )


def _listed(visitor: Visitor, query: ClientQuery, size: int) -> ClientList:
    offset = (query.page - 1) * size
    return queries.listing(visitor.database, visitor.caller, query.wanted, query.order, offset=offset, limit=size)


def _turned(query: ClientQuery, usual: Order, other: Order) -> str:
    """The address of the list sorted by a column; by the column that it is sorted by already, the other way round."""
    return query.address(order=other if query.order is usual else usual, page=1)


def _file(visitor: Visitor, form: str, entries: Sequence[ClientEntry]) -> Response:
    visitor.portal.uses.take(Use.EXPORT, visitor.caller)
    rows = _table(visitor, entries)
    headers = {"Content-Disposition": f'attachment; filename="clients.{form}"'}
    if form == "xlsx":
        return Response(batch_xlsx.write_table(rows), media_type=batch_xlsx.MEDIA_TYPE, headers=headers)
    return StreamingResponse(batch_csv.write_table(rows), media_type=CSV, headers=headers)


def _table(visitor: Visitor, entries: Sequence[ClientEntry]) -> Iterable[list[str]]:
    yield ["Name", "Kind", "Type", "Subscription", "Login email", "Invitation", "Connected to XPM", "New", "Added"]
    for entry in entries:
        client, login = entry.client, entry.login
        yield [
            client.name,
            client.kind.value,
            (client.entity_type or client.client_type or ""),
            client.subscription or "",
            login.email if login else "",
            Invitation.of(login, entry.email).state.replace("_", " ") if login else "",
            "yes" if entry.link else "no",
            "yes" if entry.is_new else "no",
            client.created_at.astimezone(visitor.time_zone).date().isoformat(),
        ]
