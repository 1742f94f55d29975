"""Guards of traces: what belongs to which, and what may be in them."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

TEST = "tests/test_traces.py"
TEST_OUTCOMES = "tests/worker/runner/test_outcomes.py"
ONE_TRACE = (f"{TEST}::test_an_import_is_one_trace_over_processes",)

MUTANTS = (
    Mutant(
        "trace-inherited",
        "a follow-up belongs to the trace of the job before it",
        "what a request led to cannot be found in the logs",
        (Edit("handlers/jobs/enqueue.py", "        trace=parent.trace_context,\n"),),
        (f"{TEST_OUTCOMES}::test_an_import_is_one_trace_from_its_request_through_every_job",),
    ),
    Mutant(
        "trace-checked",
        "only a valid traceparent is taken over from a caller",
        "P19: whatever a caller sends as a header is in the log and in the record",
        (
            Edit(
                "config/tracing.py",
                "if isinstance(header, str) and _TRACEPARENT.fullmatch(header) else None",
                "if isinstance(header, str) else None",
            ),
        ),
        ("tests/web/http/test_access_log.py::test_a_request_is_logged_and_measured_by_its_route",),
    ),
    Mutant(
        "spans-listed",
        "a span has only attributes that are on the list",
        "P19: a path or a name is sent to whoever collects traces",
        (
            Edit(
                "config/spans.py",
                " for name, value in attributes.items() if name in ATTRIBUTES}",
                " for name, value in attributes.items()}",
            ),
        ),
        (f"{TEST}::test_an_attribute_that_is_not_on_the_list_is_left_out",),
    ),
    Mutant(
        "spans-no-texts",
        "of an error, a span names the type, never the text",
        "P19: a mail server's answer with an address is sent to whoever collects traces",
        (Edit("config/spans.py", "error = type(raised).__name__", "error = str(raised)"),),
        (f"{TEST}::test_of_an_error_only_the_type_is_named",),
    ),
    Mutant(
        "spans-off",
        "what sends traces is imported only where a collector is set",
        "every process takes longer to start, and none starts without packages that are optional",
        (Edit("config/spans.py", "Kind = Literal[", "import config.otlp  # noqa\nKind = Literal["),),
        (f"{TEST}::test_without_a_collector_its_exporter_is_not_imported",),
    ),
    Mutant(
        "spans-own-trace",
        "each import of a batch has a trace of its own",
        "one trace has the spans of 5,000 imports, and nobody finds one in it",
        (Edit("handlers/imports/accept.py", 'trace=spans.new_trace("import of a batch"),', "trace=None,"),),
        (f"{TEST}::test_each_job_of_a_set_is_in_its_own_imports_trace",),
    ),
    Mutant(
        "spans-of-attempt",
        "an email is sent within the span of its own job",
        "in a set of emails nobody knows which one the mail server was slow with",
        (Edit("worker/runner/chain.py", "with tracing.within(outcomes.span_of(task.job)):", "if True:"),),
        (f"{TEST}::test_each_email_of_a_set_is_in_its_own_imports_trace",),
    ),
    Mutant(
        "spans-of-message",
        "a queue message may name the trace that it belongs to",
        "a message with one is refused, and where the portal's trace ends nothing goes on",
        (Edit("worker/queue/door.py", 'if name != "traceparent"}', "}"),),
        ONE_TRACE,
    ),
    Mutant(
        "spans-epoch",
        "a new epoch is a new trace, linked to the one before",
        "what is requeued weeks later is added to a trace that nobody looks at any more",
        (Edit("handlers/jobs/enqueue.py", "for job in earlier if job.epoch == epoch]", "for job in earlier]"),),
        (f"{TEST}::test_a_new_epoch_is_a_new_trace_linked_to_the_one_before",),
    ),
    Mutant(
        "spans-stop",
        "a collector that is away holds up no stop",
        "each deploy takes half a minute longer while it is away, and workers are killed",
        (Edit("config/spans.py", "        closing.join(CLOSE_SECONDS)", "        closing.join()"),),
        (f"{TEST}::test_a_collector_that_is_away_holds_up_no_stop",),
    ),
)
