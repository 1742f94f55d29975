"""XPM, or the mail server, is away for half an hour while imports are under way. No job becomes a dead letter, and all is
done within two minutes of its return.

Time is scaled: half an hour passes in seconds, and so do the waits between two probes, the back-off and the patience of each
kind. What the work itself takes is not scaled, and comes on top of the two minutes.
"""

from __future__ import annotations

import time

from tests.faults.rows.xpm import GET
from tests.faults.trial import Fault, Trial
from worker.local.mail_catcher import Behaviour
from xpm.simulator.faults import FaultRule

HALF_AN_HOUR, TWO_MINUTES = 1800.0, 120.0
#: The most that the imports themselves take, in real seconds.
WORK_SECONDS = 20.0
NEVER_ENDS = 10**9


def scale(trial: Trial) -> float:
    """How many seconds pass in one."""
    return trial.much(300.0, 20.0)


def last(trial: Trial) -> None:
    """Let half an hour pass, then more imports be requested."""
    trial.wait(lambda: trial.scalar(_WAITING), "jobs wait for the end of the outage")
    time.sleep(HALF_AN_HOUR / scale(trial))
    trial.count_in_flight()


_WAITING = "SELECT count(*) FROM jobs WHERE practice_id = :practice AND error_code LIKE '%\\_outage'"


def end(trial: Trial) -> None:
    """It is over: all is done in time. The verdict counts dead letters."""
    trial.over()
    within = TWO_MINUTES / scale(trial) + WORK_SECONDS
    trial.wait(lambda: not trial.open(), "every import is closed within two minutes of the end", within)


def xpm_away(trial: Trial) -> None:
    """XPM answers every request for a record with an error."""
    trial.scale_outages(scale(trial))
    rule = FaultRule("status_503", GET, count=NEVER_ENDS)
    trial.stage.fault(rule)
    trial.ask()
    last(trial)
    trial.stage.xpm.simulator.faults.rules.remove(rule)
    trial.injected = NEVER_ENDS - rule.count
    end(trial)


def mail_away(trial: Trial) -> None:
    """The mail server refuses us, whoever the message is for."""
    mail = trial.stage.mail
    before = len(mail.mailbox.misdeeds())
    trial.scale_outages(scale(trial))
    mail.behave(Behaviour(refuse={"*": "550 5.7.1 Not from you"}))
    trial.ask()
    last(trial)
    trial.injected = len(mail.mailbox.misdeeds()) - before
    mail.behave(Behaviour())
    end(trial)


FAULTS: dict[str, Fault] = {
    "XPM away for half an hour": xpm_away,
    "the mail server away for half an hour": mail_away,
}
