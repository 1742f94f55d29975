"""The portal's pages for staff: server-rendered, usable without JavaScript, under one strict content security policy.

How a page is made (docs/pages.md has more):

1. A route in a module here: `TheVisitor` (who signed in) or `TheImporter` for looking, `ThePosted` or `PostedByImporter` for
   a form. These redirect to sign-in, check the role, and check the form's CSRF token; a page never checks that itself.
   Add the module to the list below.
2. It calls a handler, as the API's endpoints do; no rule and no SQL lives here.
3. `view.page(request, visitor, "name.html", …)` renders a template that extends `app.html` (`plain.html` for who has not
   signed in), with the macros of `forms.html` and `parts.html`. What the template names must be given.
4. After a form that was taken: `view.go(path, say="code")`, with the words in `said.py`. After one that was not: the
   same page with what was typed and `Faults` at their fields. Each form has `forms.token(visitor)`.
5. Names that people typed stand in `<bdi>`. No inline script, no style attributes: a file in `web/static/`, in the block
   `scripts` as `<script type="module" src="{{ static('name.js') }}">`.
6. What nobody caught becomes a page by itself (`errors.py`): a handler's refusal says what happened and what to do.
"""

from __future__ import annotations

from fastapi import APIRouter

from web.pages.account import activate, sign_in
from web.pages.clients import connections, import_items, invite, link, list, review, search, tasks
from web.pages.clients import show as client_show
from web.pages.imports import add, batch, new_batch, progress
from web.pages.imports import show as import_show
from web.pages.settings import integrations, security

PARTS = (
    sign_in,
    list,
    add,
    import_show,
    search,
    client_show,
    link,
    import_items,
    invite,
    tasks,
    connections,
    activate,
    new_batch,
    batch,
    progress,
    integrations,
    review,
    security,
)

router = APIRouter(include_in_schema=False)
for _part in PARTS:
    router.include_router(_part.router)
