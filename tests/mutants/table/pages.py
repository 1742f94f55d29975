"""Guards of the portal's pages: whose form it is, who may send it, and that what people typed is never markup."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

FORMS = "web/pages/frame/forms.py"
VISITOR = "web/pages/frame/visitor.py"
VIEW = "web/pages/frame/view.py"
SIGNING_IN = "tests/web/pages/account/test_sign_in.py"
ADDING = "tests/web/pages/add_clients/test_from_xpm.py"
FRAME = "tests/web/pages/frame/test_frame.py"
LIST = "tests/web/pages/clients/test_list.py"
CLIENT = "tests/web/pages/clients/test_show.py"
INTEGRATIONS = "tests/web/pages/settings/test_integrations.py"
PROGRESS = "tests/web/pages/imports/test_progress.py"

MUTANTS = (
    Mutant(
        "page-csrf-token",
        "a form contains its session's token",
        "another site sends a form with the cookie of the person who views it",
        (Edit(FORMS, "    require_csrf_token(session, text(form, CSRF_FIELD))\n"),),
        (
            f"{SIGNING_IN}::test_a_strangers_page_signs_nobody_in_or_out",
            f"{ADDING}::test_a_window_without_the_sessions_token_is_refused",
            f"{CLIENT}::test_a_form_without_the_sessions_token_does_nothing",
        ),
    ),
    Mutant(
        "page-own-origin",
        "forms without a session must come from our own pages",
        "another site signs somebody in as somebody else",
        (
            Edit(
                FORMS,
                "    require_own_page(request, portal)\n    return form\n",
                "    return form\n",
            ),
        ),
        (f"{SIGNING_IN}::test_a_strangers_page_signs_nobody_in_or_out",),
    ),
    Mutant(
        "page-role-of-forms",
        "a viewer who may not import is refused by every form that imports",
        "staff with the role Basic import by sending the form themselves",
        (Edit(FORMS, "    found.visitor.caller.require(Scope.IMPORT)\n"),),
        (f"{CLIENT}::test_who_only_looks_is_offered_nothing_and_refused",),
    ),
    Mutant(
        "page-escaping",
        "templates escape every value",
        "a client's name in XPM runs as script in the browser of staff",
        (Edit(VIEW, "    autoescape=True,", "    autoescape=False,"),),
        (f"{LIST}::test_names_are_shown_as_they_are_and_are_never_markup",),
    ),
    Mutant(
        "page-next-is-ours",
        "signing in leads to one of our own pages",
        "a link to our sign-in page leads on to another site",
        (
            Edit(
                VISITOR, 'path.startswith("/") and not path.startswith(("//", "/\\\\")) and path.isprintable()', "True"
            ),
        ),
        (f"{SIGNING_IN}::test_signing_in_leads_to_pages_of_ours_only[https://evil.example]",),
    ),
    Mutant(
        "page-errors-say-nothing",
        "an unexpected error shows no details",
        "a stack trace, with what people typed, in a browser",
        (
            Edit(
                "web/http/problems.py",
                "            await self._shape(Request(scope), _INTERNAL)(scope, receive, send)",
                "            await JSONResponse(repr(error), 500)(scope, receive, send)",
            ),
        ),
        (f"{FRAME}::test_what_is_not_there_and_what_breaks_are_pages_for_browsers_and_problems_for_programs",),
    ),
    Mutant(
        "page-old-static",
        "a style sheet or script is served only under the digest of its version",
        "browsers keep a newer file under an older one's name for a year, or the reverse",
        (
            Edit(
                "web/http/static_files.py", "    if digest != DIGEST or name not in FILES:", "    if name not in FILES:"
            ),
        ),
        (f"{FRAME}::test_style_sheets_and_scripts_are_kept_by_browsers_until_they_change",),
    ),
    Mutant(
        "mfa-mandated-by-managers",
        "only owners and account admins can require MFA",
        "any staff member changes how everybody in the practice signs in, permanently",
        (Edit("handlers/access/practices.py", "    if not caller.role.may_manage:\n", "    if False:\n"),),
        (f"{INTEGRATIONS}::test_mfa_comes_first_and_only_its_link_is_there_until_it_is_on",),
    ),
    Mutant(
        "progress-in-sight",
        "Integration progress shows what the viewer may see",
        "colleagues and other practices see whom somebody imports",
        (Edit("portal_db/work/recent_imports.py", ".where(viewer.may_see_import(), Import", ".where(Import"),),
        (f"{PROGRESS}::test_only_what_is_in_sight_and_in_the_last_72_hours_is_told",),
    ),
    Mutant(
        "progress-72-hours",
        "Integration progress covers 72 hours (b.28)",
        "the list grows without limit",
        (Edit("portal_db/work/recent_imports.py", "Import.created_at >= db_time(-seconds), "),),
        (f"{PROGRESS}::test_only_what_is_in_sight_and_in_the_last_72_hours_is_told",),
    ),
)
