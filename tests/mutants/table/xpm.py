"""Guards of the upstream: quota and client (xpm)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

SCRIPT = "xpm/quota/script.lua"
LIMITER = "xpm/quota/limiter.py"
CLIENT = "xpm/client.py"
LIMITS = "tests/xpm/quota/test_limits.py"
MEMORY = "tests/xpm/quota/test_lost_memory.py"
UNUSED = f"{MEMORY}::test_a_tenant_without_a_call_for_a_day_has_used_nothing"
REFUSALS = "tests/xpm/quota/test_refusals.py"
WAITING = "tests/xpm/quota/test_waiting.py"
CALIBRATION = "tests/xpm/quota/test_calibration.py"
TEST_CLIENT = "tests/xpm/client/test_client.py"
BOUNDS = "tests/xpm/client/test_bounds.py"
TRANSPORT = "tests/xpm/client/test_transport.py"
WIRE = "tests/xpm/client/test_wire_refusals.py"
ODD = "tests/xpm/client/test_odd_values.py"


def _unlimited(
    name: str, guard: str, line: str, *tests: str, answers: str = "invariant 4: XPM sees more than its quota"
) -> Mutant:
    return Mutant(f"quota-{name}", guard, answers, (Edit(SCRIPT, f"  {line}\n"),), tests)


QUOTA = (
    _unlimited(
        "minute",
        "a permit needs room in the tenant's minute",
        "consider(log_wait(MINUTE, caps.minute), 'minute')",
        f"{LIMITS}::test_the_sixty_first_call_waits_for_the_first_to_leave_the_minute[fakeredis]",
    ),
    _unlimited(
        "concurrent",
        "a permit needs room among the concurrent calls",
        "if redis.call('ZCARD', CALLS) >= caps.concurrent then consider(rules.brief, 'concurrent') end",
        f"{LIMITS}::test_five_calls_at_once_over_all_processes[fakeredis]",
    ),
    _unlimited(
        "day",
        "a permit needs room in the tenant's day",
        "consider(day_wait(caps.day), 'day')",
        f"{LIMITS}::test_the_day_rolls[fakeredis]",
    ),
    _unlimited(
        "app-minute",
        "a permit needs room in the app's minute",
        "consider(log_wait(APP_MINUTE, caps.app_minute), 'appminute')",
        f"{LIMITS}::test_the_app_wide_minute_is_shared_by_all_tenants[fakeredis]",
    ),
    _unlimited(
        "pace",
        "background calls are paced once half of the minute is used",
        "consider(pace_wait(), 'minute')",
        f"{LIMITS}::test_half_of_a_minute_may_come_at_once_and_the_rest_a_second_apart[fakeredis]",
        answers="invariant 4: an interactive call waits for the minute to end",
    ),
    _unlimited(
        "parked-tenant",
        "a 429 parks the tenant for all workers",
        "consider(parked(TENANT))",
        f"{REFUSALS}::test_every_kind_in_every_spelling_parks_every_worker[fakeredis-minute-minute-60-27]",
    ),
    _unlimited(
        "parked-app",
        "a 429 of the app's minute parks every tenant",
        "consider(parked(APP))",
        f"{REFUSALS}::test_every_kind_in_every_spelling_parks_every_worker[fakeredis-appminute-appminute-60-27]",
    ),
    _unlimited(
        "lost-memory",
        "nobody gets a permit for two renewals after Redis lost its memory",
        "consider(closed_for(), 'recovering')",
        f"{MEMORY}::test_a_new_redis_is_a_redis_that_lost_its_memory[fakeredis]",
        answers="P17, invariant 4: running calls are not counted",
    ),
    _unlimited(
        "probe",
        "one probe goes first where the books are empty",
        "if probing and not known then consider(rules.brief, 'recovering') end",
        f"{MEMORY}::test_then_exactly_one_probe_a_tenant_whose_answer_refills_the_books[fakeredis]",
        answers="P17, invariant 4: earlier calls are not counted",
    ),
    _unlimited(
        "leases",
        "a dead holder's place among the calls is free after its lease",
        "redis.call('ZREMRANGEBYSCORE', CALLS, '-inf', text(now))",
        f"{LIMITS}::test_a_dead_holders_place_is_free_after_its_lease[fakeredis]",
        answers="P22: killed workers use up the quota for ever",
    ),
    Mutant(
        "quota-unused",
        "a tenant without a call for a day needs no probe",
        "while the first full list of a practice is awaited, for minutes, nobody there gets an answer from XPM",
        (Edit(SCRIPT, "if found[1] == '1' or is_unused() then", "if found[1] == '1' then"),),
        (f"{UNUSED}[fakeredis-2]",),
    ),
    Mutant(
        "quota-unused-remembered",
        "a tenant that needed no probe needs none for its second call",
        "while the first full list of a practice is awaited, for minutes, nobody there gets an answer from XPM",
        (
            Edit(
                SCRIPT,
                "  redis.call('HSET', TENANT, known and 'known' or 'probe', known and '1' or ask.permit)\n",
                "  if not known then redis.call('HSET', TENANT, 'probe', ask.permit) end\n",
            ),
        ),
        (f"{UNUSED}[fakeredis-2]",),
    ),
    Mutant(
        "quota-unused-for-a-day",
        "a ledger younger than a day does not know of a tenant that it has used nothing",
        "invariant 4: after lost memory XPM sees more than its quota",
        (Edit(SCRIPT, " and now - opened > day_kept and ", " and "),),
        (
            f"{UNUSED}[fakeredis-0.9]",
            f"{MEMORY}::test_a_tenant_whose_books_are_gone_is_probed_alone[fakeredis]",
        ),
    ),
    Mutant(
        "quota-all-or-nothing",
        "a call that one limit refuses uses up none",
        "waiting uses up the day",
        (
            Edit(SCRIPT, "  local wait, limit = refusal()\n", "  local wait, limit = refusal()\n  add_to_day(1)\n"),
            Edit(SCRIPT, "  count_pace()\n  add_to_day(1)\n", "  count_pace()\n"),
        ),
        (f"{LIMITS}::test_a_call_refused_by_one_limit_uses_up_none[fakeredis]",),
    ),
    Mutant(
        "quota-answer-time",
        "a call leaves the minute sixty seconds after its answer",
        "invariant 4: a slow answer lets one call too many through",
        (
            Edit(
                SCRIPT,
                "redis.call('ZADD', MINUTE, text(ends + rules.minute), permit)",
                "redis.call('ZADD', MINUTE, 'NX', text(now + rules.minute), permit)",
            ),
            Edit(
                SCRIPT,
                "  for _, log in ipairs({MINUTE, APP_MINUTE}) do redis.call('ZADD', log, text(now + rules.minute), ask.permit) end\n",
            ),
        ),
        (f"{LIMITS}::test_a_call_leaves_the_minute_sixty_seconds_after_its_answer[fakeredis]",),
    ),
    Mutant(
        "quota-asked-again",
        "requesting a permit again that is held takes no second one",
        "P7: a lost reply uses up quota",
        (Edit(SCRIPT, "  if redis.call('ZSCORE', CALLS, ask.permit) then return {1, '', text(now)} end\n"),),
        (f"{LIMITS}::test_asking_again_for_a_permit_whose_answer_was_lost_takes_no_second_one[fakeredis]",),
    ),
    Mutant(
        "quota-reserve",
        "background lanes stop a little short of each limit",
        "invariant 4: an interactive call finds no room",
        (Edit("xpm/quota/ledger.py", "asdict(limits.for_background() if background else limits)", "asdict(limits)"),),
        (
            f"{LIMITS}::test_one_of_the_calls_at_once_is_kept_for_interactive_ones[fakeredis]",
            f"{LIMITS}::test_background_lanes_stop_short_of_each_limit[fakeredis-import-limits1-day]",
        ),
    ),
    Mutant(
        "quota-down-only",
        "where XPM counted fewer calls than we did, our count stands",
        "invariant 4: an old answer frees quota that is used",
        (Edit(SCRIPT, "    if unknown > 0 then add_to_day(unknown) end\n", "    add_to_day(unknown)\n"),),
        (f"{CALIBRATION}::test_books_are_never_corrected_up[fakeredis]",),
    ),
    Mutant(
        "quota-longest-park",
        "a shorter refusal does not end a longer one",
        "invariant 4: workers call XPM during a refusal that lasts a day",
        (Edit(SCRIPT, "  if ask.wait > until_now then\n", "  if ask.wait then\n"),),
        (f"{REFUSALS}::test_a_shorter_refusal_does_not_end_a_longer_one[fakeredis]",),
    ),
    Mutant(
        "quota-429-heard",
        "the limiter is notified of every 429",
        "invariant 4: each worker must find the limit itself",
        (Edit(LIMITER, "            self._park(tenant_id, refused)\n"),),
        (f"{REFUSALS}::test_every_kind_in_every_spelling_parks_every_worker[fakeredis-minute-minute-60-27]",),
    ),
    Mutant(
        "quota-fails-closed",
        "without Redis there are no permits",
        "invariant 4: an outage of Redis lifts every limit",
        (
            Edit(
                LIMITER,
                '            raise QuotaDeferred("unavailable", UNAVAILABLE_SECONDS) from error\n',
                "            yield RedisPermit(self, tenant_id, holder, 0, deadline)\n            return\n",
            ),
        ),
        (f"{WAITING}::test_without_redis_there_are_no_permits",),
    ),
    Mutant(
        "quota-lease-deadline",
        "a permit's lease is renewed until its call's deadline only",
        "P22: a call that hangs keeps its place for ever",
        (
            Edit(LIMITER, "            if permit.ends > now:\n", "            if permit.ends:\n"),
            Edit(LIMITER, "= min(self._timing.lease_seconds, permit.ends - now)", "= self._timing.lease_seconds"),
        ),
        (f"{LIMITS}::test_a_living_holders_place_is_kept_by_renewals_until_its_deadline[fakeredis]",),
    ),
)

CALLING = (
    Mutant(
        "client-truncated",
        "a body that ends early is an error, whether the connection, the format or the missing status shows it",
        "a short list is treated as the whole",
        (
            Edit(
                CLIENT,
                '                raise XpmMalformed("the connection ended before it did", truncated=True) from None\n',
                "                return\n",
            ),
            Edit("xpm/wire/decode.py", '    raise XpmMalformed("it ended early", truncated=True)\n'),
            Edit(
                "xpm/wire/decode.py",
                '            raise XpmMalformed("it ended without a status", truncated=True)\n',
                "            return\n",
            ),
        ),
        (
            f"{TRANSPORT}::test_a_connection_closed_within_the_body_truncates_it",
            f"{WIRE}::test_a_truncated_list_gives_its_clients_and_then_the_error[10-json]",
        ),
    ),
    Mutant(
        "client-gzip-cut-off",
        "a compressed body that ends early counts as cut off",
        "an import whose answer was cut off is a dead letter for the developers",
        (Edit("xpm/wire/inflate.py", "raise EndsEarly", "raise BadCompression"),),
        (f"{BOUNDS}::test_an_answer_whose_compression_ends_early_or_goes_on_is_malformed[short]",),
    ),
    Mutant(
        "client-entities",
        "document types and entities in XML are refused",
        "a small answer expands until memory is full, or reads our files",
        (Edit("xpm/wire/xml_events.py", "forbid_dtd=True)", "forbid_entities=False, forbid_external=False)"),),
        (f"{WIRE}::test_document_types_and_entities_are_refused[<!DOCTYPE Response>]",),
    ),
    Mutant(
        "wire-omissions",
        "a value that cannot be read is left out and named",
        "one odd date makes a client unimportable",
        (
            Edit(
                "xpm/wire/fields.py",
                "        except ValueError:\n            self.omit(name)\n            return None\n",
                '        except ValueError:\n            raise XpmMalformed(f"{name} cannot be read") from None\n',
            ),
        ),
        (f"{ODD}::test_a_birth_date_that_cannot_be_is_left_out_and_named[1970-02-31-xml]",),
    ),
    Mutant(
        "wire-characters",
        "characters that XML forbids are dropped before the parser sees them, also as references across pieces",
        "one control character in one name stops the sync of a practice",
        (
            Edit(
                "xpm/wire/characters.py", 'return _REFERENCE.sub(_allowed, raw) if b"&#" in raw else raw', "return raw"
            ),
        ),
        (f"{ODD}::test_characters_that_xml_forbids_are_dropped_from_xml[utf-8-&#11;-7]",),
    ),
    Mutant(
        "wire-characters-raw",
        "raw control characters are dropped before the parser sees them",
        "one control character in one name stops the sync of a practice",
        (Edit("xpm/wire/characters.py", "raw.translate(self._table, _CONTROLS)", "raw.translate(self._table)"),),
        (f"{ODD}::test_characters_that_xml_forbids_are_dropped_from_xml[utf-8-\\x0b-1]",),
    ),
    Mutant(
        "wire-held-reference",
        "the beginning of a reference waits for the next piece",
        "a reference across two pieces stops the sync of a practice",
        (Edit("xpm/wire/characters.py", "if begun < 0 or raw", "if True or raw"),),
        (f"{ODD}::test_characters_that_xml_forbids_are_dropped_from_xml[utf-8-&#11;-1]",),
    ),
    Mutant(
        "wire-text-for-a-list",
        "a text where the list of clients should be is not an empty list",
        "every client counts as gone",
        (Edit("xpm/wire/envelope.py", 'elif path == ("clients",) and text.strip():', "elif False:"),),
        (f"{ODD}::test_a_text_in_place_of_the_clients_is_not_an_empty_list[json]",),
    ),
    Mutant(
        "wire-shape-of-a-value",
        "a text where a value with fields of its own is expected is left out and named",
        "a relationship vanishes, and counts as ended",
        (
            Edit(
                "xpm/wire/fields.py",
                "        if child is not None and not child.is_empty():\n            self.omit(name)\n        return None\n",
                "        return None\n",
            ),
        ),
        (f"{ODD}::test_a_relationship_that_cannot_be_read_leaves_the_others[row6-omissions6-json]",),
    ),
    Mutant(
        "wire-shape-of-a-list",
        "a text where a list or a row of one is expected is left out and named",
        "a client's relationships vanish, and count as ended",
        (Edit("xpm/wire/fields.py", "if any(not row.children and not row.is_empty() for row in rows):", "if False:"),),
        (f"{ODD}::test_what_stands_in_place_of_a_list_is_named[relationships-see notes-json]",),
    ),
    Mutant(
        "wire-shape-of-a-text",
        "an object where a text is expected is left out and named",
        "a value vanishes and nobody is told",
        (Edit("xpm/wire/envelope.py", "if kept is not _KEPT:", "if False:"),),
        (f"{ODD}::test_an_object_or_a_list_in_place_of_a_text_is_left_out_and_named[phone-written0-json]",),
    ),
    Mutant(
        "wire-bare-ampersand",
        "an ampersand in XML that begins no reference stands for itself",
        "one company's name stops the sync of a practice",
        (Edit("xpm/wire/characters.py", '    raw = _BARE.sub(b"&amp;", raw)\n'),),
        (f"{ODD}::test_an_ampersand_that_begins_no_reference_is_one[Smith & Jones-Smith & Jones-7]",),
    ),
    Mutant(
        "wire-cdata",
        "an ampersand in a CDATA section is left as it is",
        "a name is changed while it is read",
        (Edit("xpm/wire/characters.py", "if self._mark is _CDATA and _CDATA not in raw:", "if True:"),),
        (
            f"{ODD}::test_an_ampersand_that_begins_no_reference_is_one"
            "[<![CDATA[]]>&<![CDATA[<![CDATA[ &]]>&-&<![CDATA[ &&-7]",
        ),
    ),
    Mutant(
        "wire-cdata-across-pieces",
        "the beginning and the end of a CDATA section are found across two pieces",
        "a name is changed while it is read",
        (Edit("xpm/wire/characters.py", "for mark, length in _BEGUN_MARKS if raw", "for mark, length in () if raw"),),
        (
            f"{ODD}::test_an_ampersand_that_begins_no_reference_is_one"
            "[<![CDATA[Smith & Jones &amp; &#11; ]]]> & &amp; Co-Smith & Jones &amp; &#11; ] & & Co-1]",
        ),
    ),
    Mutant(
        "wire-skipped-text",
        "a text of a client in JSON that hardly ends is skipped",
        "one client stops the sync of a practice",
        (
            Edit(
                "xpm/wire/decode.py", "and not (self._envelope.is_in_client and characters.skip_text(fed))", "and True"
            ),
        ),
        (f"{ODD}::test_a_text_in_json_that_nearly_never_ends_costs_no_other_client[phone--999]",),
    ),
    Mutant(
        "wire-skipped-text-only",
        "nothing but a text is skipped",
        "values are lost and nobody notices",
        (Edit("xpm/wire/characters.py", "self._is_json and _OF_TEXTS.search(last) is not None", "self._is_json"),),
        (f"{ODD}::test_what_never_ends_in_json_and_is_no_text_ends_the_list[ ]",),
    ),
    Mutant(
        "wire-deep-record",
        "a client that nests too deeply is skipped",
        "one client stops the sync of a practice",
        (Edit("xpm/wire/envelope.py", "if not self._record or self._depth > DEEPEST:", "if True:"),),
        (f"{ODD}::test_a_record_that_nests_too_deeply_leaves_the_others[notes-json]",),
    ),
    Mutant(
        "wire-deepest",
        "a body that nests without end is refused, in a client too",
        "the parser holds every level until memory is full",
        (Edit("xpm/wire/envelope.py", "if not self._record or self._depth > DEEPEST:", "if not self._record:"),),
        (f"{WIRE}::test_a_body_that_nests_too_deep_is_refused[in a client-json]",),
    ),
    Mutant(
        "left-out-of-an-import",
        "an import that reads XPM itself logs what was left out",
        "a field is missing and nobody can find out why",
        (Edit("handlers/directory/lookup.py", "    if record.omissions:", "    if False:"),),
        (
            "tests/handlers/directory/test_odd_values.py"
            "::test_a_day_before_its_month_is_left_out_where_not_everybody_writes_so[Asia/Tokyo]",
        ),
    ),
    Mutant(
        "relationships-lost-list",
        "relationships do not end where their list is something else",
        "a relationship that XPM still has is shown as ended",
        (Edit("handlers/relationships/labels.py", '{"relationships", "relationships.type"', '{"relationships.type"'),),
        (
            "tests/handlers/directory/test_odd_values.py"
            "::test_a_relationship_that_can_no_longer_be_read_has_not_ended[postgresql]",
        ),
    ),
    Mutant(
        "relationships-known-values",
        "a value of a relationship that can no longer be read stays as it was",
        "a director who has left is shown as one",
        (Edit("handlers/relationships/merge.py", '**kept, "gone_at"', '"gone_at"'),),
        (
            "tests/handlers/directory/test_odd_values.py"
            "::test_a_value_of_a_relationship_that_can_no_longer_be_read_stays_as_it_was[postgresql]",
        ),
    ),
    Mutant(
        "relationships-unread-end",
        "a row whose end date cannot be read is not the current one",
        "a director whose other row is current is shown as one who has left",
        (Edit("handlers/relationships/labels.py", ' and "endDate" not in record.omissions'),),
        ("tests/handlers/relationships/test_labels.py::test_a_row_whose_end_cannot_be_read_is_not_the_running_one",),
    ),
    Mutant(
        "relationships-whole",
        "relationships end only if all of the record's could be read",
        "a relationship that XPM still has is shown as ended",
        (
            Edit(
                "handlers/relationships/merge.py",
                "rows.keys() - current.keys() if update.is_whole else ():",
                "rows.keys() - current.keys():",
            ),
        ),
        (
            "tests/handlers/directory/test_odd_values.py"
            "::test_a_relationship_that_can_no_longer_be_read_has_not_ended[postgresql]",
        ),
    ),
    Mutant(
        "client-deadline-body",
        "a body that drips past the deadline is abandoned",
        "P16: a server that sends a byte now and then holds a worker for ever",
        (Edit(CLIENT, "        call.check()\n        if chunk is None:\n", "        if chunk is None:\n"),),
        (f"{BOUNDS}::test_a_body_that_drips_past_the_deadline_times_out[get-json]",),
    ),
    Mutant(
        "client-deadline-operations",
        "no read, write or connect lasts longer than the time left",
        "P16: httpx has no total timeout",
        (
            Edit(
                "xpm/wire/transport.py",
                "        return left if timeout is None else min(timeout, left)\n",
                "        return timeout\n",
            ),
        ),
        (f"{TRANSPORT}::test_a_byte_just_before_the_deadline_does_not_move_it",),
    ),
    Mutant(
        "client-bound",
        "a body past its bound is abandoned",
        "an endless answer fills the memory",
        (Edit(CLIENT, "        if size > call.max_bytes:\n", "        if size < 0:\n"),),
        (f"{BOUNDS}::test_a_body_past_its_bound_is_too_large[True-get-max_bytes-json]",),
    ),
    Mutant(
        "client-same-client",
        "another client than the one requested is refused",
        "invariant 6: another person's data in a client",
        (Edit(CLIENT, "        if fetched.value.uuid != uuid:\n", "        if fetched.value.uuid is None:\n"),),
        (f"{TEST_CLIENT}::test_another_client_than_the_one_asked_for_is_refused",),
    ),
    Mutant(
        "client-foreign",
        "an answer of something between the portal and XPM is retried",
        "one page of a firewall ends a sync",
        (
            Edit(
                CLIENT,
                "    return isinstance(error, XpmUnreachable | XpmForeign)\n",
                "    return isinstance(error, XpmUnreachable)\n",
            ),
        ),
        (
            "tests/xpm/client/test_foreign.py::test_a_list_answered_once_by_something_else_is_read_at_the_second_try[reply0]",
        ),
    ),
    Mutant(
        "answers-own-words",
        "a refusal counts only in XPM's or Xero's own words",
        "a firewall's page breaks a connection, and its owner is mailed",
        (
            Edit(
                "xpm/wire/answers.py",
                "    if status not in (429, *range(500, 600)) and not _is_own(envelope, found):\n",
                "    if status < 400:\n",
            ),
        ),
        ("tests/xpm/client/test_answers.py::test_what_neither_xpm_nor_xero_wrote_is_foreign[-403]",),
    ),
    Mutant(
        "transport-idle",
        "an answer that has begun and falls silent is given up after a minute",
        "a connection that a router has forgotten holds a directory's sync for twelve minutes",
        (
            Edit(
                "xpm/wire/transport.py",
                "            with self._backend.until(self._until_idle):\n",
                "            with self._backend.until(self._time_left):\n",
            ),
        ),
        ("tests/xpm/client/test_transport.py::test_an_answer_that_falls_silent_is_given_up_long_before_the_deadline",),
    ),
    Mutant(
        "client-429",
        "a 429 is not retried",
        "invariant 4: retries make it worse",
        (
            Edit(
                CLIENT,
                "    return isinstance(error, XpmUnreachable | XpmForeign)\n",
                '    return isinstance(error, XpmUnreachable) or type(error).__name__ == "XpmRateLimited"\n',
            ),
        ),
        (f"{TEST_CLIENT}::test_what_would_fail_again_is_not_tried_again[get-reply2-XpmRateLimited]",),
    ),
    Mutant(
        "client-token-quoted",
        "a network error does not quote the token",
        "invariant 6: a token in logs and errors",
        (
            Edit(
                CLIENT,
                "        raise XpmUnreachable(type(error).__name__) from None\n",
                "        raise XpmUnreachable(str(error)) from error\n",
            ),
        ),
        (f"{TEST_CLIENT}::test_a_network_error_does_not_quote_the_token",),
    ),
)


MUTANTS = (*QUOTA, *CALLING)
