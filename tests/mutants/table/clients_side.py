"""Guards of the clients' side: which side a session reaches, what a client sees, how they hear of tasks, and the terms."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

SESSIONS = "handlers/access/sessions.py"
CREDENTIALS = "portal_db/access/credentials.py"
SIDE = "portal_db/clients/client_side.py"
EMAIL = "handlers/clients/task_email.py"
EMAILS = "portal_db/clients/task_emails.py"
ACTIVATION = "handlers/access/activation.py"
SIDES = "tests/web/pages/client_side/test_sides.py"
HOME = "tests/web/pages/client_side/test_home.py"
ACCOUNT = "tests/web/pages/client_side/test_account.py"
EMAIL_TEST = "tests/handlers/clients/test_task_email.py"
ACTIVATION_TEST = "tests/handlers/access/test_activation.py"
OTHERS = f"{HOME}::test_nobody_reads_or_completes_anything_of_another_client[sqlite]"
ENTITY = f"{HOME}::test_an_entitys_task_goes_to_the_person_who_acts_for_it_and_guests_read_its_details[sqlite]"
TERMS = f"{ACTIVATION_TEST}::test_the_terms_that_were_shown_are_accepted_and_on_record"

CO_OWNERS = "handlers/clients/co_owners.py"
CO_OWNERS_TEST = "tests/handlers/clients/test_co_owners.py"
INVITED = f"{CO_OWNERS_TEST}::test_they_are_invited_activate_and_sign_in[sqlite]"
PRESSED = f"{CO_OWNERS_TEST}::test_one_more_email_a_press_and_the_link_before_ends[sqlite]"
CONFINED = f"{CO_OWNERS_TEST}::test_a_co_owner_is_invited_for_their_own_client_and_practice_only"

INVITING_CO_OWNERS = (
    Mutant(
        "co-owner-once-a-press",
        "a repeated request to invite a co-owner sends no second email",
        "b.6: after a double click the co-owner gets two emails",
        (
            Edit(
                CO_OWNERS,
                "        if not jobs.add(tx, [job], rung=True):\n",
                "        if jobs.add(tx, [job], rung=True) is None:\n",
            ),
        ),
        (PRESSED,),
    ),
    Mutant(
        "co-owner-under-way",
        "an invitation on its way is not sent again",
        "b.6: two colleagues send two emails, and the first one's link is dead on arrival",
        (Edit(CO_OWNERS, "    if email.state in (EmailState.PENDING, EmailState.SENDING):\n", "    if False:\n"),),
        (PRESSED,),
    ),
    Mutant(
        "co-owner-active",
        "a co-owner who is active is not invited",
        "b.6: somebody who signs in every day is asked to activate their account",
        (Edit(CO_OWNERS, "        if found.login.activated_at is not None:\n", "        if False:\n"),),
        (INVITED,),
    ),
    Mutant(
        "co-owner-intent",
        "who finds another attempt's intent to send an invitation does not decide that nothing was sent",
        "invariant 3: an email that may have left is on record as never sent",
        (Edit(CO_OWNERS, "    if found.invitation.state is EmailState.SENDING:", "    if False:"),),
        (f"{CO_OWNERS_TEST}::test_a_worker_killed_while_sending_leaves_it_unknown_for_staff_to_decide[True]",),
    ),
    Mutant(
        "co-owner-wanted",
        "an invitation that is not wanted any more is not sent",
        "an archived client's co-owner is invited to an account that nobody can open",
        (Edit(CO_OWNERS, "found.login.activated_at is None and found.client.archived_at is None", "True"),),
        (
            f"{CO_OWNERS_TEST}::test_what_is_not_wanted_any_more_is_not_sent[activated-login_activated]",
            f"{CO_OWNERS_TEST}::test_what_is_not_wanted_any_more_is_not_sent[archived-client_archived]",
        ),
    ),
    Mutant(
        "co-owner-of-client",
        "a co-owner is found at their own client only",
        "invariant 6: whoever sees one client sends emails to another one's family",
        (
            Edit(
                "portal_db/clients/team.py",
                "        .where(TeamMember.client_id == client_id)\n    )\n    return {row[0].id: CoOwnership",
                "    )\n    return {row[0].id: CoOwnership",
            ),
        ),
        (CONFINED,),
    ),
    Mutant(
        "co-owner-practice",
        "a co-owner's invitation is read for its own practice only",
        "invariant 6: a job of one practice writes to another one's clients",
        (
            Edit(
                "portal_db/co_owner_invitations.py",
                "CoOwnerInvitation.id == invitation_id, TeamMember.practice_id == practice_id",
                "CoOwnerInvitation.id == invitation_id",
            ),
        ),
        (CONFINED,),
    ),
    Mutant(
        "co-owner-given-up",
        "an invitation that operations gave up is cancelled",
        "nobody can ever invite the co-owner again: one is said to be on its way",
        (
            Edit(
                "handlers/operations/dead_letters.py",
                '            co_owner_invitations.cancel_pending(tx, job_arg(job, "invitation_id"))\n',
                "            pass\n",
            ),
        ),
        (f"{CO_OWNERS_TEST}::test_after_an_operator_gave_it_up_staff_may_send_it",),
    ),
    Mutant(
        "co-owner-bug",
        "a bug while an invitation is sent leaves its outcome unknown",
        "invariant 3: it stays in sending for ever, and nobody can invite the co-owner again",
        (Edit(CO_OWNERS, "    if failure.error_class is ErrorClass.PERMANENT:\n", "    if False:\n"),),
        (f"{CO_OWNERS_TEST}::test_a_bug_while_sending_leaves_it_unknown",),
    ),
    Mutant(
        "co-owner-of-a-backup",
        "a co-owner's invitation of a backup is of unknown outcome",
        "invariant 3: after a restore invitations are sent again",
        (
            Edit(
                "portal_db/upkeep/restores.py",
                "SecurityNotice, TaskEmail, CoOwnerInvitation):",
                "SecurityNotice, TaskEmail):",
            ),
        ),
        (f"{CO_OWNERS_TEST}::test_an_invitation_of_a_backup_is_not_sent",),
    ),
    Mutant(
        "co-owner-limit",
        "one co-owner gets five invitations a day at most",
        "whoever has a session fills a mailbox in our name",
        (
            Edit(
                "web/pages/clients/invite.py",
                "Use.WELCOME_EMAIL, visitor.caller, to=member_id",
                "Use.WELCOME_EMAIL, visitor.caller",
            ),
        ),
        (
            "tests/web/pages/clients/test_co_owners.py::test_one_co_owner_gets_so_many_emails_and_their_client_their_own",
        ),
    ),
)

MUTANTS = (
    Mutant(
        "sides-apart",
        "a client's session is none of a staff member's",
        "invariant 6: a client reads the whole firm",
        (Edit(SESSIONS, "    return found if isinstance(found, Caller) else None\n", "    return found\n"),),
        (f"{SIDES}::test_each_side_is_out_of_reach_for_the_other",),
    ),
    Mutant(
        "sides-api",
        "clients are unknown to the API",
        "a client signs in where programs of staff do",
        (Edit("web/api/session.py", "        staff_only=True,\n"),),
        (f"{SIDES}::test_a_client_is_nobody_to_the_api",),
    ),
    Mutant(
        "sides-active",
        "who has not activated their account does not sign in",
        "an account is open before its owner accepted the terms",
        (
            Edit(
                CREDENTIALS,
                "Client.archived_at.is_(None), Login.activated_at.is_not(None)",
                "Client.archived_at.is_(None)",
            ),
        ),
        (f"{SIDES}::test_only_clients_with_an_active_account_who_are_not_archived_sign_in",),
    ),
    Mutant(
        "sides-archived",
        "a client who was archived does not sign in",
        "somebody whose firm has parted with them reads on",
        (Edit(CREDENTIALS, "Client.archived_at.is_(None), Login", "Login"),),
        (f"{SIDES}::test_only_clients_with_an_active_account_who_are_not_archived_sign_in",),
    ),
    Mutant(
        "sides-signed-out",
        "a new password ends a client's sessions",
        "whoever knew the old password stays signed in",
        (Edit(CREDENTIALS, "    end_sessions_of(tx, SessionOwner(LoginKind.CLIENT, login_id), keep=keep)\n"),),
        (f"{ACCOUNT}::test_a_client_sets_a_forgotten_password_and_is_signed_out_everywhere",),
    ),
    Mutant(
        "client-own-tasks",
        "a client sees and completes their own tasks only",
        "invariant 6: anybody reads what somebody else is asked, and answers it",
        (Edit(SIDE, "        .where(Task.state.in_(SHOWN), is_theirs)\n", "        .where(Task.state.in_(SHOWN))\n"),),
        (OTHERS,),
    ),
    Mutant(
        "client-own-details",
        "a client reads their own details only",
        "invariant 6: anybody reads where the other clients live",
        (Edit(SIDE, "select(Client).where(or_(holder.owned(), entities))", "select(Client)"),),
        (OTHERS,),
    ),
    Mutant(
        "client-guests",
        "an entity's details are for connections with guest access",
        "a connection that was only recorded reads the entity's details",
        (Edit(SIDE, ".where(EntityConnection.access == ConnectionAccess.GUEST)", ""),),
        (ENTITY,),
    ),
    Mutant(
        "client-by-record",
        "a connection that is tied to a client's record is that client, whatever its email",
        "b.32: an entity's task is read by whoever has the address that somebody typed",
        (Edit(SIDE, "and_(~_is_some_person(), func", "and_(func"),),
        (ENTITY,),
    ),
    Mutant(
        "client-mfa-reset",
        "owners and account admins reset a client's second factor",
        "anybody who learned a client's password has a colleague take the second factor away",
        (Edit("handlers/clients/client_mfa.py", "    caller.require(Scope.MANAGE)\n"),),
        (f"{ACCOUNT}::test_where_it_is_mandatory_a_client_sets_a_second_factor_up_and_an_owner_resets_it",),
    ),
    Mutant(
        "task-email-once",
        "an email that somebody began to send is not sent again",
        "invariant 3: a client gets the same email twice",
        (
            Edit(EMAIL, "found.email.state in (EmailState.SENDING, EmailState.UNKNOWN)", "False"),
            Edit(EMAIL, "found.email.state is not EmailState.PENDING or", "False or"),
            Edit(EMAILS, "or_(TaskEmail.state == EmailState.PENDING, _IS_OURS)", "TaskEmail.state.is_not(None)"),
        ),
        (f"{EMAIL_TEST}::test_a_worker_killed_while_sending_leaves_it_unknown_and_nobody_sends_again[True]",),
    ),
    Mutant(
        "task-email-held",
        "a job that was taken back begins no email of a task",
        "invariant 3: a worker that was suspended sends a second email",
        (Edit(EMAILS, "        IS_HELD,\n"),),
        (f"{EMAIL_TEST}::test_an_email_whose_job_was_taken_back_meanwhile_is_not_begun",),
    ),
    Mutant(
        "task-email-address",
        "a task's email goes to the address that the login has",
        "what a client is asked goes to an address that was corrected before",
        (
            Edit(
                EMAILS,
                'select(Login.email).where(Login.id == TaskEmail.login_id).scalar_subquery() == bindparam("address"),',
                "",
            ),
        ),
        (f"{EMAIL_TEST}::test_an_email_goes_to_the_address_that_the_login_has_when_it_is_sent",),
    ),
    Mutant(
        "task-email-wanted",
        "a task that was withdrawn is not told of",
        "a client is asked for what nobody wants any more",
        (Edit(EMAIL, " or found.task.state is not TaskState.OPEN:", ":"),),
        (f"{EMAIL_TEST}::test_a_task_that_was_withdrawn_is_not_told_of",),
    ),
    Mutant(
        "task-email-active",
        "who cannot sign in is sent no task",
        "the email promises what its reader cannot open",
        (Edit(EMAIL, "    if login is None or login.activated_at is None:\n", "    if login is None:\n"),),
        (f"{EMAIL_TEST}::test_who_cannot_open_a_task_is_sent_no_email_and_staff_see_why",),
    ),
    Mutant(
        "task-email-of-a-backup",
        "an email of a backup is of unknown outcome",
        "invariant 3: after a restore every task is told of again",
        (
            Edit(
                "portal_db/upkeep/restores.py",
                "PasswordReset, SecurityNotice, TaskEmail, CoOwnerInvitation):",
                "PasswordReset, SecurityNotice, CoOwnerInvitation):",
            ),
        ),
        (f"{EMAIL_TEST}::test_an_email_of_a_backup_is_not_sent",),
    ),
    Mutant(
        "terms-accepted",
        "an account is activated once the firm's terms are accepted",
        "a client uses the portal without having agreed to anything",
        (Edit(ACTIVATION, "    if its_terms is not None and not accepts_terms:\n", "    if False:\n"),),
        (TERMS,),
    ),
    Mutant(
        "terms-shown",
        "the terms that are accepted are those that were shown",
        "it is on record that a client accepted what they never read",
        (
            Edit(
                ACTIVATION,
                "    if its_terms is not None and terms_id not in (None, its_terms.id):\n",
                "    if False:\n",
            ),
        ),
        (TERMS,),
    ),
    Mutant(
        "terms-safe-link",
        "a link to terms begins with https",
        "an owner's account that was taken over runs scripts in clients' browsers",
        (Edit("handlers/access/terms.py", 'if address and (parts.scheme != "https" or', "if address and (False or"),),
        ("tests/web/pages/account/test_activate.py::test_terms_are_a_text_or_a_safe_link_and_set_by_owners",),
    ),
)
