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
LEFT_OPEN = "test_an_open_page_that_follows_work_keeps_no_session_from_timing_out"
SHOW = "tests/web/pages/imports/test_show.py"
REVIEW = "tests/web/pages/clients/test_review.py"
SEARCH = "tests/web/pages/clients/test_search.py"
UNDO = "handlers/relationships/undo.py"
QUERIES = "portal_db/clients/client_queries.py"

STAFF = "tests/web/pages/settings/test_staff.py"
KEPT = "tests/web/pages/frame/test_kept_form.py"
EDIT = "tests/web/pages/clients/test_edit.py"
WAY_BACK = "tests/web/pages/frame/test_way_back.py"
BATCH = "tests/web/pages/imports/test_batch.py"
FIRM = "tests/web/pages/settings/test_firm.py"
AUDIT = "tests/web/pages/settings/test_programs.py::test_the_audit_says_who_did_what_when_and_from_where"

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
        "page-told-redirects",
        "the script that shows windows over a page is told where a form leads",
        "the place on the page that the form leads to is lost, and each such page is made twice",
        (Edit("web/http/told_redirects.py", 'message["status"] = 200', "pass"),),
        (
            "tests/web/http/test_told_redirects.py::test_a_script_is_told_where_a_form_leads_with_the_place_on_the_page",
            "tests/web/http/test_told_redirects.py::test_who_has_to_sign_in_first_is_told_so",
        ),
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
        "page-watching-is-no-use",
        "a page that follows work keeps no session from timing out",
        "a page that somebody left open is signed in all night, and the idle limit never comes",
        (
            Edit(
                "handlers/access/sessions.py",
                "            is_use\n            and found is not None",
                "            found is not None",
            ),
        ),
        (
            f"{PROGRESS}::{LEFT_OPEN}[part of the page]",
            f"{PROGRESS}::{LEFT_OPEN}[part of an import]",
            f"{PROGRESS}::{LEFT_OPEN}[part of a batch]",
            f"{PROGRESS}::{LEFT_OPEN}[events]",
            f"{PROGRESS}::{LEFT_OPEN}[API]",
        ),
    ),
    Mutant(
        "api-watching-is-no-use",
        "events of the API keep no session from timing out",
        "an import's page that somebody left open is signed in all night",
        (Edit("web/http/identity.py", 'is_use = EVENTS not in request.headers.get("accept", "")', "is_use = True"),),
        (f"{PROGRESS}::{LEFT_OPEN}[API]",),
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
    Mutant(
        "undo-own-decision",
        "a reviewer undoes only their own decision",
        "a colleague takes back what somebody else has just decided",
        (Edit(UNDO, "decisions[0].staff_id == caller.staff_id and ", "True and "),),
        (f"{REVIEW}::test_what_something_was_built_on_and_a_colleagues_decision_are_not_undone",),
    ),
    Mutant(
        "undo-built-on",
        "a decision is not undone once its team member has an account, access or a task",
        "an undo deletes a co-owner with the login that others sign in with",
        (Edit(UNDO, "if others or team.is_used(tx, member_id):", "if others:"),),
        (f"{REVIEW}::test_what_something_was_built_on_and_a_colleagues_decision_are_not_undone",),
    ),
    Mutant(
        "undo-once",
        "only a decided item is undone",
        "Undo pressed twice moves an item that awaits review, and says that it worked",
        (Edit(UNDO, "return is_last and row.state in DECIDED", "return is_last"),),
        (f"{REVIEW}::test_the_ticked_are_imported_after_a_preview_and_the_decision_is_undone",),
    ),
    Mutant(
        "new-until-opened",
        "a client stays New until somebody it is assigned to opens it (b.7)",
        "an owner who looks at a client takes the mark away from the person who works with it",
        (Edit("portal_db/clients/clients.py", "Client.id.in_(assigned), ", ""),),
        (f"{CLIENT}::test_a_client_is_new_until_somebody_it_is_assigned_to_opens_it",),
    ),
    Mutant(
        "new-14-days",
        "a client is New for 14 days at most",
        "a client that nobody opens is New for ever",
        (Edit(QUERIES, "and_(Client.is_new, Client.created_at > db_time(-NEW_SECONDS))", "Client.is_new.is_(True)"),),
        (f"{CLIENT}::test_a_client_is_new_for_14_days_at_most",),
    ),
    Mutant(
        "search-counts-in-sight",
        "the totals of a search count what the viewer may see",
        "how many clients of colleagues have a name in theirs",
        (Edit(QUERIES, ".where(viewer.may_see_client(), wanted)", ".where(wanted)"),),
        (f"{SEARCH}::test_the_total_of_a_search_counts_no_colleagues_clients",),
    ),
    Mutant(
        "links-in-sight",
        "a record whose client the viewer may not see counts as one without",
        "a search tells which records colleagues have clients of",
        (Edit("portal_db/visibility.py", ", XpmLink.client_id.in_(self._visible_clients()))", ")"),),
        (f"{SEARCH}::test_a_record_of_a_colleagues_client_counts_as_only_in_xpm",),
    ),
    Mutant(
        "connect-again-in-sight",
        "a record offers to be connected only to a client in sight",
        "the name of a colleague's client under a record of XPM",
        (
            Edit(
                QUERIES,
                ".where(viewer.may_see_client(), XpmLink.xpm_uuid.in_(list(xpm_uuids)), ~is_linked)",
                ".where(XpmLink.xpm_uuid.in_(list(xpm_uuids)), ~is_linked)",
            ),
        ),
        (f"{SEARCH}::test_a_colleagues_clients_are_neither_counted_nor_offered",),
    ),
    Mutant(
        "names-of-imports-in-sight",
        "an import's page names its client only if the viewer may see it",
        "what a colleague calls a client that the requester no longer sees",
        (
            Edit(
                "portal_db/work/recent_imports.py",
                ".where(viewer.may_see_client(), Import.id.in_(",
                ".where(Import.id.in_(",
            ),
        ),
        (f"{PROGRESS}::test_the_client_of_an_own_import_is_told_only_where_it_is_in_sight",),
    ),
    Mutant(
        "repeated-import-in-sight",
        "a repeated request leads to the first only if the viewer may see it",
        "who else imports the same record",
        (
            Edit(
                "portal_db/work/import_list.py",
                "        viewer.may_see_import(),\n        Import.practice_id == row.practice_id,\n",
                "        Import.practice_id == row.practice_id,\n",
            ),
        ),
        (f"{SHOW}::test_a_colleagues_import_of_the_same_record_is_not_shown",),
    ),
    Mutant(
        "items-need-a-connection",
        "items are not requested without a connection of one's own (b.13)",
        "an import that is turned down at once, or waits for three days",
        (Edit("web/pages/clients/import_items.py", "    if visitor.xpm.trouble is not None:", "    if False:"),),
        (f"{SHOW}::test_items_are_not_asked_for_without_a_connection_of_ones_own",),
    ),
    Mutant(
        "needs-are-ones-own",
        "what needs a person are their own failed imports",
        "everybody is told of everybody's failures",
        (Edit("portal_db/work/needs.py", "        Import.requested_by == staff_id,\n"),),
        (
            "tests/web/pages/clients/test_needs.py::test_everything_that_needs_a_person_is_in_one_list_and_counted[sqlite]",
        ),
    ),
    Mutant(
        "excel-without-formulas",
        "a client's name in an Excel export is text",
        "a name that begins with = runs in the spreadsheet of whoever opens the export",
        (
            Edit(
                "handlers/imports/batch_xlsx.py",
                "            if isinstance(cell.value, str):\n",
                "            if False:\n",
            ),
        ),
        (f"{LIST}::test_the_list_is_exported_as_it_is_narrowed",),
    ),
    Mutant(
        "staff-owners-by-owners",
        "only an owner adds, changes or deactivates an owner",
        "an account admin takes the firm over",
        (
            Edit(
                "handlers/access/staff.py",
                "    if Role.OWNER in roles and now.role is not Role.OWNER:",
                "    if False:",
            ),
        ),
        (f"{STAFF}::test_only_an_owner_decides_about_owners_and_nobody_about_themselves",),
    ),
    Mutant(
        "staff-never-oneself",
        "nobody changes their own role, so a practice keeps an owner",
        "a firm without an owner, which nobody can mend",
        (Edit("handlers/access/staff.py", "    if staff_id == caller.staff_id:", "    if False:"),),
        (f"{STAFF}::test_only_an_owner_decides_about_owners_and_nobody_about_themselves",),
    ),
    Mutant(
        "staff-role-of-now",
        "who decides about staff is judged by their role now, with nobody else deciding",
        "two owners take each other's role away, and none is left",
        (Edit("handlers/access/staff.py", "or not now.role.may_manage:", "or False:"),),
        (f"{STAFF}::test_only_an_owner_decides_about_owners_and_nobody_about_themselves",),
    ),
    Mutant(
        "assign-what-one-sees",
        "staff assign only clients that they see themselves",
        "6: whoever guesses an id shows somebody else's client to a colleague",
        (
            Edit(
                "handlers/clients/assign.py", "    if not client_ids or count != len(set(client_ids)):", "    if False:"
            ),
        ),
        (f"{STAFF}::test_clients_are_assigned_in_bulk_and_singly[sqlite]",),
    ),
    Mutant(
        "assign-to-colleagues",
        "clients are assigned to people of the same practice only",
        "6: a firm's client is shown to another firm's staff",
        (
            Edit(
                "handlers/clients/assign.py",
                "people.at_work(tx, staff_id, practice_id=caller.practice_id) is None",
                "not staff_id",
            ),
        ),
        (f"{STAFF}::test_clients_are_assigned_in_bulk_and_singly[sqlite]",),
    ),
    Mutant(
        "kept-of-the-same-person",
        "what somebody typed is for their next session only",
        "the next person at a shared browser reads a client's data",
        (
            Edit(
                "portal_db/access/kept_forms.py",
                "KeptForm.token_hash == before, KeptForm.staff_id == staff_id,",
                "KeptForm.token_hash == before,",
            ),
        ),
        (f"{KEPT}::test_nobody_else_gets_it",),
    ),
    Mutant(
        "kept-ticks-of-the-list",
        "who was ticked in the Client list is ticked again after signing in",
        "the page says that everything is still there, and the act leaves clients out",
        (
            Edit(
                "web/templates/clients/clients.html",
                '{% if kept and client.id | string in kept.getlist("client") %} checked{% endif %}',
                "",
            ),
        ),
        (f"{KEPT}::test_the_ticks_of_a_list_are_there_again",),
    ),
    Mutant(
        "kept-ticks-of-the-queue",
        "what was ticked in a review queue is ticked again after signing in",
        "the page says that everything is still there, and the act leaves items out",
        (
            Edit(
                "web/templates/clients/review_parts.html",
                '{% if kept and packed(party) | string in kept.getlist("item") %} checked{% endif %}',
                "",
            ),
        ),
        (f"{KEPT}::test_the_ticks_of_a_list_are_there_again",),
    ),
    Mutant(
        "kept-an-hour",
        "what somebody typed is kept for an hour",
        "clients' data stays where nobody expects it",
        (Edit("portal_db/access/kept_forms.py", "statement.where(KeptForm.ends_at > db_now())", "statement"),),
        (f"{KEPT}::test_it_is_kept_for_an_hour",),
    ),
    Mutant(
        "kept-of-a-session",
        "only a session that ended by itself within the hour has a form kept",
        "anybody fills the database with forms",
        (
            Edit(
                "web/pages/frame/forms.py",
                "    if found is None and not kept_form.may_keep(",
                "    if found is None and False and kept_form.may_keep(",
            ),
            Edit(
                "handlers/access/kept_form.py",
                "        if staff_id is not None:\n",
                "        if staff_id is None:\n            raise LookupError\n        else:\n",
            ),
        ),
        (f"{KEPT}::test_only_a_session_that_has_just_ended_keeps_anything",),
    ),
    Mutant(
        "kept-bounded",
        "a form that is kept has a bounded size",
        "sessions that have ended fill the database",
        (Edit("handlers/access/kept_form.py", "len(content) > MOST_BYTES or ", ""),),
        (f"{KEPT}::test_only_a_session_that_has_just_ended_keeps_anything",),
    ),
    Mutant(
        "kept-or-said",
        "who comes back to a form that was not kept is told so",
        "people believe that what they typed was sent",
        (
            Edit(
                "web/pages/frame/errors.py",
                'messages.KEPT if getattr(request.state, "is_kept", False) else messages.NOT_KEPT',
                "messages.KEPT",
            ),
        ),
        (
            f"{KEPT}::test_only_a_session_that_has_just_ended_keeps_anything",
            f"{BATCH}::test_rows_that_are_too_many_to_be_kept_are_not_lost_without_a_word",
        ),
    ),
    Mutant(
        "kept-rows",
        "rows that were being corrected are there after signing in again",
        "the emails that somebody collected for an hour are lost",
        (Edit("web/pages/add_clients/new_batch.py", "    if kept is None:\n", "    if True:\n"),),
        (
            f"{BATCH}::test_emails_that_were_typed_are_there_after_signing_in_again[/batches/new]",
            f"{BATCH}::test_what_was_ticked_is_ticked_after_signing_in_again",
        ),
    ),
    Mutant(
        "way-back-to-a-page",
        "the way back from signing in or confirming leads to an address that has a page",
        "who signs in or confirms comes to an error, and what they typed is lost",
        (Edit("web/pages/frame/way_back.py", "    while template and template not in pages:", "    while False:"),),
        (
            f"{WAY_BACK}::test_each_page_that_answers_a_form_leads_back_to_one_that_is_there",
            f"{WAY_BACK}::test_a_refused_role_leads_back_to_the_member",
            f"{BATCH}::test_emails_that_were_typed_are_there_after_signing_in_again[/batches/csv]",
            "tests/web/pages/account/test_second_factor.py::"
            "test_who_confirms_on_the_page_of_new_recovery_codes_comes_to_the_page_that_makes_them",
        ),
    ),
    Mutant(
        "confirmed-said",
        "who confirmed that it is them is told to do the act again",
        "an owner believes that a stolen session has ended, and it goes on",
        (Edit("web/pages/frame/errors.py", "way_back(request, messages.CONFIRMED)", 'way_back(request, "")'),),
        ("tests/web/http/test_confirmation.py::test_who_confirmed_is_told_to_do_the_act_again_on_the_page_it_is_on",),
    ),
    Mutant(
        "edit-before-the-deploy",
        "a form of the release before, which does not say what it showed, is compared with what is stored",
        "a page that was opened before a deploy saves nothing of what is emptied, and says “Saved.”",
        (
            Edit(
                "web/pages/clients/edit.py",
                ' for name in typed if f"{SHOWN}{name}" in posted.form}',
                " for name in typed}",
            ),
        ),
        ("tests/web/pages/clients/test_edit.py::test_a_form_of_the_release_before_changes_what_it_names",),
    ),
    Mutant(
        "edit-what-was-changed",
        "a form writes only the fields that differ from what it showed",
        "an open form takes back what a colleague or an import wrote since, and keeps XPM from correcting it",
        (
            Edit("handlers/clients/edit.py", "        if value in (before, now):\n", "        if value == now:\n"),
            Edit("handlers/clients/edit.py", "        if before != now:\n", "        if False:\n"),
        ),
        (
            f"{EDIT}::test_a_form_takes_back_nothing_that_changed_while_it_was_open[edit]",
            f"{EDIT}::test_a_form_takes_back_nothing_that_changed_while_it_was_open[import]",
        ),
    ),
    Mutant(
        "edit-changed-meanwhile",
        "a value that was changed meanwhile is shown before it is replaced",
        "of two people who edit a client at once, one undoes what the other wrote, and neither knows",
        (Edit("handlers/clients/edit.py", "        if before != now:\n", "        if False:\n"),),
        (f"{EDIT}::test_a_change_of_what_changed_meanwhile_is_refused_with_the_new_value",),
    ),
    Mutant(
        "audit-own-practice",
        "the audit shows the acts at one's own practice",
        "6: a firm reads what another one does",
        (
            Edit(
                "portal_db/access/practice_audit.py",
                "_acts().where(AuditEntry.practice_id == practice_id, ",
                "_acts().where(",
            ),
        ),
        (f"{AUDIT}[sqlite]",),
    ),
    Mutant(
        "audit-addresses-end",
        "the network address of an act is forgotten after KEEP_AUDIT_DAYS",
        "where people were is kept for ever",
        (
            Edit(
                "handlers/operations/housekeeping.py",
                "        _in_batches(database, retention.forget_addresses, settings.keep_audit_days)\n",
            ),
        ),
        (f"{AUDIT}[sqlite]",),
    ),
    Mutant(
        "logo-by-its-bytes",
        "a logo is a picture from its first to its last byte",
        "a page or a script is served from the portal's own address",
        (Edit("handlers/access/images.py", " and content.endswith(_PNG_END)", ""),),
        (f"{FIRM}::test_a_picture_is_what_its_bytes_say[png with a tail]",),
    ),
    Mutant(
        "logo-bounded",
        "a logo has a bounded size",
        "a picture of gigapixels stops the browser of every client",
        (Edit("handlers/access/firm.py", " or not 0 < max(picture.width, picture.height) <= MOST_PIXELS", ""),),
        (f"{FIRM}::test_a_file_that_is_no_logo_is_refused_and_what_was_typed_stays",),
    ),
)
