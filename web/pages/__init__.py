"""The portal's pages for staff and clients: server-rendered, usable without JavaScript, under one strict content security
policy.

How to add a page (docs/pages.md has more):

1. Write a route in a module here and add the module to the list below. `TheVisitor` (signed-in staff) or `TheImporter`
   guard a page, `ThePosted` or `PostedByImporter` a form; `TheClient` and `PostedByClient` those of the clients' side,
   `TheAnyVisitor` and `PostedByAnybody` those about one's own account. They redirect to sign-in, check the role, and check
   the form's CSRF token; a page never checks that itself.
2. Call a handler, as the API's endpoints do; no rule, no SQL and no transaction belongs here.
3. Return `view.page(visitor, "room/name.html", …)` with every name that the template uses. The template extends
   `frame/app.html` (`frame/plain.html` on pages without a session) and has the macros of `frame/forms.html` and
   `frame/parts.html`.
4. After an accepted form return `view.redirect(path, message="code")`, with the text in `frame/messages.py`. After a
   refused one show the same page with what was typed and `FormErrors` at their fields. Each form has
   `forms.token(visitor)`.
5. Put names that people typed into `<bdi>`. No inline script, no style attributes: add a file to `web/static/` and load
   it in the block `scripts` as `<script type="module" src="{{ static('name.js') }}">`.
6. Leave other errors alone: `frame/errors.py` turns them into a page with the refusal's own words.

A page that asks one thing is a window; a link to it has `data-window`, and opens it over the page (`web/static/windows.js`).
A script that a window needs listens on the document, since the window may come later than the script.
"""

from __future__ import annotations

from fastapi import APIRouter

from web.pages.account import activate, confirm, passkeys, password, second_factor, second_step, sessions, sign_in
from web.pages.add_clients import from_xpm, new_batch
from web.pages.client_side import details as own_details
from web.pages.client_side import tasks as own_tasks
from web.pages.clients import (
    connect,
    connections,
    edit,
    import_items,
    invite,
    list,
    needs,
    reset_mfa,
    review,
    review_queue,
    search,
    tasks,
    unlink,
)
from web.pages.clients import show as client_show
from web.pages.imports import batch, progress
from web.pages.imports import show as import_show
from web.pages.settings import api_keys, audit, firm, integrations, security, sign_in_log, staff, terms, webhooks

#: In this order: of two routes that fit an address, the first one answers.
PARTS = (sign_in, second_step, passkeys, confirm, password, sessions, second_factor, list, needs, from_xpm, import_show,
         search, client_show, edit, connect, import_items, invite, reset_mfa, tasks, connections, activate, new_batch, batch,
         progress, integrations, review_queue, review, unlink, security, sign_in_log, staff, api_keys,
         webhooks, audit, firm, terms, own_tasks, own_details)  # fmt: skip

router = APIRouter(include_in_schema=False)
for _part in PARTS:
    router.include_router(_part.router)
