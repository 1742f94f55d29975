"""The commands of `webhooks`: the secret is shown once, and what an address was told can be read."""

from __future__ import annotations

from uuid import uuid4

from tests.worker.cli.conftest import Cli


def test_a_webhook_is_added_tested_rotated_and_removed(cli: Cli) -> None:
    cli("db", "upgrade")
    practice = cli("practice", "add", "Harbour", "--time-zone", "UTC", "--json").json()["id"]
    of = ("--practice", practice)
    assert cli("webhooks", "list", *of).out == "There are no webhooks.\n"
    made = cli("webhooks", "add", "https://hooks.example/portal", *of, "--event", "batch.closed", "--json").json()
    assert made["secret"].startswith("whsec_")
    [shown] = cli("webhooks", "list", *of, "--json").json()
    assert (shown["id"], shown["events"], shown["disabled_at"]) == (made["id"], ["batch.closed"], None)
    assert made["secret"] not in cli("webhooks", "list", *of).out

    assert cli("webhooks", "deliveries", made["id"], *of).out == "No deliveries yet.\n"
    assert f"webhooks deliveries {made['id']}" in " ".join(cli("webhooks", "test", made["id"], *of).out.split())
    again = cli("webhooks", "test", made["id"], *of)
    assert (again.code, "The last test of this webhook has not ended yet." in " ".join(again.err.split())) == (1, True)
    [told] = cli("webhooks", "deliveries", made["id"], *of, "--json").json()
    assert (told["event"], told["state"], told["delivered_at"]) == ("webhook.test", "queued", None)
    assert "webhook.test" in cli("webhooks", "deliveries", made["id"], *of).out

    assert cli("webhooks", "rotate", made["id"], *of, "--json").json()["secret"] != made["secret"]
    assert cli("webhooks", "remove", made["id"], *of).code == 2
    assert cli("webhooks", "remove", made["id"], *of, "--yes").out == "Removed.\n"
    gone = cli("webhooks", "rotate", made["id"], *of)
    assert (gone.code, "There is no webhook with this id." in gone.err) == (1, True)


def test_an_address_that_cannot_be_told_is_refused_with_the_reason(cli: Cli) -> None:
    cli("db", "upgrade")
    practice = cli("practice", "add", "Harbour", "--time-zone", "UTC", "--json").json()["id"]
    plain = cli("webhooks", "add", "http://hooks.example", "--practice", practice)
    assert (plain.code, "must begin with https://" in " ".join(plain.err.split())) == (2, True)
    private = cli("webhooks", "add", "https://10.0.0.1", "--practice", practice)
    assert (private.code, "not a public address" in " ".join(private.err.split())) == (1, True)
    assert cli("webhooks", "add", "https://hooks.example", "--practice", uuid4()).code == 1
