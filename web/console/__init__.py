"""The operators' console: an application and a listener of its own (`portal-sync ops`), rendered on the server.

How to add a page:

1. Write a route in a module here and add the module to `PARTS`. `TheOperator` guards a page: everybody who is signed in may
   look. A form names what it does: `Annotated[OpsPosted, Depends(posted(OpsAct.CANCEL))]` checks session, origin, CSRF token
   and role (`handlers/access/operator_roles.py`). `tests/web/console/test_roles.py` finds it by itself.
2. Call a use case, as the command line does. No rule, no SQL and no transaction belongs here.
3. Return `view.page(operator, "console/name.html", …)`. Show an act's button only if `operator.may("act")`.
4. After an act return to the page that it was on, with its filters: `view.back(form, …)`.
"""
