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

from web.pages import (
    activate,
    add_from_xpm,
    batch_requests,
    batches,
    client,
    clients,
    connections,
    import_items,
    imports,
    integration_progress,
    integrations,
    invite,
    review,
    search,
    security,
    sign_in,
    tasks,
    xpm_link,
)

PARTS = (
    sign_in,
    clients,
    add_from_xpm,
    imports,
    search,
    client,
    xpm_link,
    import_items,
    invite,
    tasks,
    connections,
    activate,
    batch_requests,
    batches,
    integration_progress,
    integrations,
    review,
    security,
)

router = APIRouter(include_in_schema=False)
for _part in PARTS:
    router.include_router(_part.router)
