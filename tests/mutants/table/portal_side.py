"""Guards of what clients and staff do in the portal after an import: activation, tasks, and webhooks."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

ACTIVATIONS = "portal_db/access/activations.py"
ACTIVATION = "tests/handlers/access/test_activation.py"
INVITES = "tests/handlers/imports/test_invite.py"

ACTIVATING = (
    Mutant(
        "activation-once",
        "the link of a welcome email works once, also for two requests at the same time",
        "b.6: whoever finds an old email takes over the account",
        (Edit(ACTIVATIONS, "table.token_used_at.is_(None), table.token_expires_at", "table.token_expires_at"),),
        (f"{ACTIVATION}::test_a_link_is_taken_once_and_a_login_activated_once[sqlite]",),
    ),
    Mutant(
        "activation-first-time",
        "only a login that is not active gets a password by a link",
        "b.6: an old link sets the password of a login that is already active",
        (Edit(ACTIVATIONS, "LoginKind.CLIENT, Login.activated_at.is_(None))", "LoginKind.CLIENT)"),),
        (f"{ACTIVATION}::test_a_link_is_taken_once_and_a_login_activated_once[sqlite]",),
    ),
    Mutant(
        "activation-30-days",
        "a link works within its 30 days only",
        "b.6: a link in an old mailbox works for ever",
        (
            Edit(ACTIVATIONS, ", table.token_expires_at > db_now())", ",)"),
            Edit(
                "handlers/access/activation.py",
                "return LinkState.LIVE if expires is not None and expires > found.now else LinkState.ENDED",
                "return LinkState.LIVE",
            ),
        ),
        (f"{ACTIVATION}::test_a_link_that_has_ended[age]",),
    ),
)

INVITING = (
    Mutant(
        "invite-once-a-press",
        "a repeated request to invite sends no second email",
        "b.6: after a lost response and a retry the client gets two emails",
        (
            Edit(
                "handlers/imports/welcome_email.py",
                "        if any(job.dedupe_key == dedupe_key for job in earlier):",
                "        if False:",
            ),
        ),
        (f"{INVITES}::test_one_more_email_a_press_and_the_link_before_ends[sqlite]",),
    ),
    Mutant(
        "invite-unknown-stays",
        "staff cannot send an email of unknown outcome again",
        "invariant 3: a second welcome email, silently",
        (
            Edit(
                "handlers/imports/welcome_email.py",
                "        case EmailState.UNKNOWN:\n            raise refusals.INVITE_OUTCOME_UNKNOWN()\n",
                "        case EmailState.UNKNOWN:\n            version = welcome_emails.renew(tx, email)\n",
            ),
        ),
        (f"{INVITES}::test_an_unknown_outcome_stays_with_operations",),
    ),
    Mutant(
        "staff-act-in-sight",
        "staff act only on imports that they may see",
        "invariant 6: another practice's import is cancelled by its id",
        (
            Edit(
                "handlers/imports/reopen.py",
                "found = import_list.get(tx, act.viewer, import_id) if import_id",
                "found = imports.get(tx, import_id) if import_id",
            ),
        ),
        (
            "tests/web/test_access.py::test_the_things_of_another_practice_are_not_there[sqlite]",
            "tests/web/test_access.py::test_the_things_of_a_colleague_are_not_there_for_who_does_not_see_all[sqlite]",
        ),
    ),
    Mutant(
        "staff-act-in-sight-batch",
        "staff cancel only batches that they may see",
        "invariant 6: another practice's batch is cancelled by its id",
        (
            Edit(
                "handlers/imports/cancel.py", "if not rows or (act.viewer is not None and", "if not rows or (False and"
            ),
        ),
        ("tests/web/test_access.py::test_the_things_of_another_practice_are_not_there[sqlite]",),
    ),
)

MANY_TASKS = "tests/web/api/test_tasks.py::test_many_ended_tasks_hide_no_open_one_and_all_are_listed_page_by_page"
TASKS = (
    Mutant(
        "task-needs-connection",
        "an entity without a connection gets no task",
        "design §5: a task that nobody receives",
        (
            Edit(
                "handlers/clients/tasks.py",
                "    if not known:\n        raise",
                "    if not known:\n        return None\n        raise",
            ),
        ),
        ("tests/web/api/test_tasks.py::test_an_entity_needs_a_connection_first[sqlite]",),
    ),
    Mutant(
        "tasks-open-first",
        "a client's page shows open tasks before those that have ended",
        "a client with many completed tasks has open ones that nobody sees",
        (Edit("portal_db/clients/tasks.py", "Task.ended_at.desc().nulls_first(), Task.due_date", "Task.due_date"),),
        (f"{MANY_TASKS}[sqlite]",),
    ),
    Mutant(
        "tasks-paged",
        "a client's tasks are listed page by page",
        "a program that reads the completed tasks of a client misses those beyond the first page",
        (
            Edit(
                "handlers/clients/tasks.py",
                "states, limit=limit + 1, after=after)",
                "states, limit=limit, after=after)",
            ),
        ),
        (f"{MANY_TASKS}[sqlite]",),
    ),
    Mutant(
        "task-ended-once",
        "a task ends once",
        "design §5: a withdrawn task is recorded as completed",
        (
            Edit(
                "portal_db/clients/tasks.py",
                "Task.client_id == client_id, Task.state == TaskState.OPEN)\n    return",
                "Task.client_id == client_id)\n    return",
            ),
        ),
        ("tests/web/api/test_tasks.py::test_a_connection_with_open_tasks_stays_until_they_have_ended[sqlite]",),
    ),
    Mutant(
        "erase-tasks",
        "a privacy request removes a person from tasks",
        "invariant 6: the person is named in a task",
        (Edit("handlers/operations/erase.py", '"mentions in tasks": _scrub_tasks(tx, found, naming),'),),
        (
            "tests/handlers/operations/test_erase.py::test_nothing_of_the_person_is_left_and_neighbours_are_as_they_were[sqlite]",
        ),
    ),
)

HOOKS = "tests/handlers/webhooks/test_webhooks.py"
POST = "handlers/webhooks/post.py"
PUBLIC = "handlers/webhooks/public_addresses.py"
ADDRESSES = "tests/handlers/webhooks/test_public_addresses.py"
DELIVERY = "handlers/webhooks/deliver.py"
TESTS = "tests/handlers/webhooks/test_tests.py"
DISABLED = "tests/handlers/webhooks/test_disabled.py"
TURNS = "portal_db/webhook_turns.py"
SLOW = "tests/handlers/webhooks/test_slow.py"
IN_TURN = "tests/handlers/webhooks/test_turns.py"
GROWTH = "tests/portal_db/test_webhook_growth.py"

WEBHOOKS = (
    Mutant(
        "webhook-once-a-close",
        "an endpoint is notified of a close once, by a unique index",
        "invariant 1: one close is reported as two",
        (
            Edit(
                "portal_db/webhooks.py",
                'WebhookDelivery, {**row, "created_at": db_now()})',
                'WebhookDelivery, {**row, "event_id": tx.new_id(), "created_at": db_now()})',
            ),
            Edit(
                "handlers/webhooks/announce.py",
                'key = f"{JobKind.DELIVER_WEBHOOK}:{endpoint.id}:{event_id}"',
                'key = f"{JobKind.DELIVER_WEBHOOK}:{delivery_id}"',
            ),
        ),
        (f"{HOOKS}::test_a_close_is_told_once_however_often_it_is_announced_and_another_one_anew[sqlite]",),
    ),
    Mutant(
        "webhook-batch-once",
        "a batch is looked at once for the closes of a set, after all of them",
        "a receiver is told of one closed batch as often as its last set has jobs",
        (
            Edit(
                "handlers/webhooks/announce.py",
                "            last[row.batch_id] = event\n",
                "            _announce_batches(tx, _wanting(endpoints, Event.BATCH_CLOSED), {row.batch_id: event})\n",
            ),
        ),
        (f"{HOOKS}::test_a_batch_whose_last_imports_close_together_is_told_once[sqlite]",),
    ),
    Mutant(
        "webhook-batch-order",
        "batches are locked in the order of ids",
        "two sets of the same batches wait for each other, and PostgreSQL ends one of them",
        (Edit("handlers/webhooks/announce.py", "for batch_id in sorted(last):", "for batch_id in last:"),),
        (f"{HOOKS}::test_batches_are_locked_in_the_order_of_ids",),
    ),
    Mutant(
        "webhook-batch-words",
        "whether a batch is closed is looked up in the index of open imports",
        "each close reads the closed imports of its batch, while the batch is locked",
        (
            Edit(
                "portal_db/webhooks.py",
                'Import.practice_id == bindparam("practice_id"), import_is_open())',
                'Import.practice_id == bindparam("practice_id"), Import.state.in_(OPEN_IMPORT_STATES))',
            ),
            Edit("portal_db/webhooks.py", "import OPEN_JOB_STATES", "import OPEN_IMPORT_STATES, OPEN_JOB_STATES"),
        ),
        (f"{GROWTH}::test_open_imports_of_a_batch_are_found_in_their_own_index",),
    ),
    Mutant(
        "webhook-batch-fence",
        "of the open imports of a practice, one of the batch is looked for; not of the batch, one that is open",
        "with statistics of when all of it was open, PostgreSQL reads the whole batch at each close, while it is locked",
        (Edit("portal_db/webhooks.py", '    .offset(literal_column("0"))\n'),),
        (f"{GROWTH}::test_a_batch_is_found_open_by_a_few_rows_however_many_are_closed[True-new postgresql]",),
    ),
    Mutant(
        "webhook-public-only",
        "webhooks connect to public addresses only, checked at the connection",
        "design §4: a practice reaches the internal network through its own host name",
        (Edit(POST, "DeadlineTransport(1, addresses=reach.addresses)", "DeadlineTransport(1)"),),
        (f"{HOOKS}::test_a_name_that_leads_to_a_private_address_is_not_connected_to",),
    ),
    Mutant(
        "webhook-special-addresses",
        "no address of IANA's special-purpose registries is public",
        "what Python calls global differs between versions and holds addresses that lead inside",
        (Edit(PUBLIC, "    return not any(address in block for block in _special())", "    return address.is_global"),),
        (f"{ADDRESSES}::test_what_is_no_public_address[168.63.129.16]",),
    ),
    Mutant(
        "webhook-given-out",
        "of IPv6 only what is given out is public",
        "design §4: the metadata service is reached by an address that holds an IPv4 one",
        (Edit(PUBLIC, "address not in _GIVEN_OUT", "False"),),
        (f"{ADDRESSES}::test_what_is_no_public_address[64:ff9b::a00:1]",),
    ),
    Mutant(
        "webhook-mapped-addresses",
        "an IPv4 address that is written as IPv6 is judged as what it is",
        "every receiver of a machine that writes IPv4 addresses so is refused",
        (Edit(PUBLIC, "    address = unmapped(address)\n", ""),),
        (f"{ADDRESSES}::test_an_ipv4_address_written_as_ipv6_is_what_it_is",),
    ),
    Mutant(
        "webhook-rests",
        "after a failed delivery the endpoint's other deliveries wait",
        "P16: a receiver that is down occupies every worker for 15 seconds for each event",
        (Edit(DELIVERY, "    if 0 < wait <= LONGEST_REST_SECONDS:", "    if False:"),),
        (f"{HOOKS}::test_what_is_not_taken_is_tried_again_and_the_endpoint_rests[sqlite]",),
    ),
    Mutant(
        "webhook-disabled",
        "an endpoint that has failed for three days is disabled",
        "invariant 7: deliveries wait for ever for a receiver that is gone",
        (Edit(DELIVERY, "        _disable(tx, endpoint, reason, PATIENCE_DAYS * 86_400)\n"),),
        (f"{HOOKS}::test_an_endpoint_that_takes_nothing_for_days_is_disabled_until_a_test_is_taken[sqlite]",),
    ),
    Mutant(
        "webhook-disabled-keeps",
        "what waits for a disabled endpoint is kept for three days",
        "invariant 6: a button that is pressed for a minute loses every event that falls due meanwhile",
        (Edit(DELIVERY, "        if left > 0:", "        if False:"),),
        (f"{DISABLED}::test_what_waits_for_a_disabled_endpoint_is_sent_once_a_test_enables_it[sqlite-quickly]",),
    ),
    Mutant(
        "webhook-enabled-wakes",
        "an endpoint that is enabled again is sent what waits for it",
        "events of an outage arrive days after the receiver is back",
        (Edit(TURNS, "or_(Job.error_code == BUSY_CODE, is_enabled_again)", "Job.error_code == BUSY_CODE"),),
        (f"{DISABLED}::test_what_waits_for_a_disabled_endpoint_is_sent_once_a_test_enables_it[sqlite-quickly]",),
    ),
    Mutant(
        "webhook-disabled-rests",
        "what waits for a disabled endpoint is not looked at before it is enabled",
        "deliveries that wait for one endpoint wake each other without end",
        (
            Edit(
                TURNS,
                "and_(Job.error_code == DISABLED_CODE, WebhookEndpoint.disabled_at.is_(None))",
                "Job.error_code == DISABLED_CODE",
            ),
        ),
        (f"{DISABLED}::test_a_test_that_fails_wakes_nothing",),
    ),
    Mutant(
        "webhook-url-as-sent",
        "the length of an address is checked as it is sent",
        "an address in Chinese is an internal error on PostgreSQL",
        (
            Edit(
                "handlers/webhooks/endpoints.py",
                "    if len(str(parts)) > LONGEST_URL:",
                "    if len(url) > LONGEST_URL:",
            ),
        ),
        (f"{HOOKS}::test_addresses_that_are_refused_at_once[longer-as-it-is-sent]",),
    ),
    Mutant(
        "webhook-removed",
        "a removed endpoint gets nothing, not even waiting deliveries",
        "invariant 6: a practice's events go to an address that it removed",
        (Edit(DELIVERY, "    if found is None or found.endpoint.removed_at is not None:", "    if found is None:"),),
        (f"{HOOKS}::test_what_waits_for_a_removed_endpoint_is_not_sent",),
    ),
    Mutant(
        "webhook-test-once",
        "a test that fails is not retried",
        "P16: forty presses of a button call a receiver that hangs four hundred times",
        (Edit(DELIVERY, "== TEST:\n        return refusals", "is None:\n        return refusals"),),
        (f"{TESTS}::test_a_test_that_fails_is_not_tried_again[sqlite]",),
    ),
    Mutant(
        "webhook-test-open",
        "an endpoint has one open test",
        "somebody who presses the button all day fills the lane",
        (Edit("portal_db/webhooks.py", "    if has_open_test(tx, endpoint):", "    if False:"),),
        (f"{TESTS}::test_an_endpoint_has_one_open_test[sqlite]",),
    ),
    Mutant(
        "webhook-test-race",
        "of tests that are asked for at once, a compare-and-set lets one in",
        "forty presses at once are forty tests",
        (
            Edit(
                "portal_db/webhooks.py",
                "WebhookEndpoint.id == endpoint.id, is_last, test_id",
                "WebhookEndpoint.id == endpoint.id, test_id",
            ),
        ),
        (f"{TESTS}::test_of_many_presses_at_once_one_sends_a_test[postgresql]",),
    ),
    Mutant(
        "webhook-one-in-flight",
        "an endpoint is sent one message at a time",
        "a receiver that drips occupies every thread of the lane",
        (
            Edit(
                TURNS,
                "claim = (WebhookEndpoint.id == endpoint_id, is_free)",
                "claim = (WebhookEndpoint.id == endpoint_id,)",
            ),
        ),
        (f"{IN_TURN}::test_an_endpoint_is_sent_one_message_at_a_time[sqlite]",),
    ),
    Mutant(
        "webhook-two-of-a-practice",
        "a practice is sent two messages at a time",
        "ten webhooks of one practice at a receiver that drips occupy every thread of the lane",
        (Edit(TURNS, "        if len(others) < self.most:", "        if True:"),),
        (f"{IN_TURN}::test_other_practices_do_not_wait",),
    ),
    Mutant(
        "webhook-turns-in-a-row",
        "a practice's endpoints are locked while a turn is given",
        "deliveries that begin at once are more than a practice may have",
        (Edit(TURNS, "            .with_for_update(key_share=True)\n"),),
        (
            f"{IN_TURN}::"
            "test_of_deliveries_that_begin_at_once_one_posts_to_an_endpoint_and_two_for_a_practice[postgresql]",
        ),
    ),
    Mutant(
        "webhook-slow-rests",
        "a slow answer rests the endpoint, also one that accepts",
        "a receiver that answers 200 after 14 seconds is called again at once, for ever",
        (Edit(DELIVERY, "        if answer.is_slow:", "        if False:"),),
        (f"{SLOW}::test_a_receiver_that_accepts_slowly_rests_as_one_that_fails[sqlite]",),
    ),
    Mutant(
        "webhook-next-turn",
        "the end of a turn makes the delivery that has waited longest due",
        "deliveries to a receiver that answers at once wait for more than a minute",
        (Edit(TURNS, "        if following is not None:", "        if False:"),),
        (
            f"{IN_TURN}::test_an_endpoint_is_sent_one_message_at_a_time[sqlite]",
            f"{IN_TURN}::test_a_turn_that_ends_while_another_delivery_decides_to_wait_is_not_missed[sqlite]",
        ),
    ),
    Mutant(
        "webhook-turn-runs-out",
        "a turn ends by itself",
        "P14: a worker that was killed leaves an endpoint that gets nothing any more",
        (
            Edit(
                TURNS,
                "has_ended(WebhookEndpoint.sending_until, self.lasts_seconds)\n            )\n            until",
                "WebhookEndpoint.sending_until.is_(None)\n            )\n            until",
            ),
        ),
        (f"{IN_TURN}::test_a_worker_that_was_killed_holds_its_turn_until_it_runs_out[sqlite]",),
    ),
)

NAMES = "tests/web/api/test_names.py"

SEARCHING = (
    Mutant(
        "name-key-rename",
        "a client that is renamed is found by its new name",
        "a client is found only by the name it had when it was added",
        (Edit("handlers/directory/person_names.py", '"name_key": name_key(name)', '"name_key": None'),),
        (f"{NAMES}::test_a_client_that_was_renamed_is_found_by_its_new_name_only[sqlite]",),
    ),
    Mutant(
        "search-key-rename",
        "a review item is found by the names that XPM has now",
        "a review item is found only by the name that the other party had at first",
        (
            Edit(
                "portal_db/clients/relationships.py",
                '"search_key": name_key(row["other_name"], row["label"])',
                '"search_key": row["search_key"]',
            ),
        ),
        (
            "tests/handlers/relationships/test_review.py"
            "::test_an_item_is_found_by_the_names_and_the_label_that_xpm_has_now",
        ),
    ),
    Mutant(
        "name-key-before",
        "a migration folds all names that are there, not only the first piece",
        "clients that were added before an upgrade are not found",
        (Edit("portal_db/migrations/versions/0014_searched_names.py", "    while found:\n", "    if found:\n"),),
        ("tests/portal_db/test_migrations.py::test_names_that_were_there_before_are_found_as_new_ones_are[sqlite]",),
    ),
    Mutant(
        "name-key-rolling",
        "housekeeping folds names that an earlier release wrote",
        "clients that were added during a rolling deploy are never found",
        (Edit("handlers/operations/housekeeping.py", "        _fold_names(database)\n", ""),),
        (
            "tests/handlers/operations/test_housekeeping.py"
            "::test_names_that_an_earlier_release_wrote_are_found_after_it[sqlite]",
        ),
    ),
    Mutant(
        "guess-after-all",
        "names are guessed only where nothing matches exactly, on any page",
        "the page after the last exact match lists other people",
        (
            Edit(
                "handlers/paging.py",
                "if found or (after is not None and find(None, 1, False)):",
                "if found:",
            ),
        ),
        (f"{NAMES}::test_after_the_last_exact_match_nothing_is_guessed",),
    ),
    Mutant(
        "guess-one-heading",
        "XPM's names are not guessed where the portal has an exact match",
        "guesses stand under a search that has its answer, unmarked",
        (Edit("handlers/directory/search.py", "if known[1] or xpm_total:", "if known[1] and xpm_total:"),),
        (
            "tests/handlers/directory/test_search.py"
            "::test_what_the_portal_has_exactly_is_no_reason_to_guess_in_xpm[sqlite]",
        ),
    ),
    Mutant(
        "list-totals",
        "totals are counted where more may follow than is shown",
        "a list says that it has as many clients as it shows",
        (Edit("portal_db/paging.py", "len(found) < limit and (found or not offset)", "found or not offset"),),
        ("tests/portal_db/test_paging.py::test_a_total_is_counted_where_the_page_does_not_show_it[more may follow]",),
    ),
    Mutant(
        "guess-halves",
        "a word whose letters are swapped in its middle is likely, although neither half is right",
        "a typing error is forgiven everywhere but in the middle of a word",
        (Edit("portal_db/names.py", "(word[:half], word[half:], swapped)", "(word[:half], word[half:])"),),
        ("tests/portal_db/test_names.py::test_two_errors_and_short_words_are_not_guessed[sqlite]",),
    ),
)

MUTANTS = (*ACTIVATING, *INVITING, *TASKS, *WEBHOOKS, *SEARCHING)
