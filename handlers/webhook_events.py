"""What an endpoint can be told of, and the kind of job that tells it."""

from __future__ import annotations

from enum import StrEnum

KIND = "deliver_webhook"


class Event(StrEnum):
    """A close of an import by its state, and of a batch."""

    SUCCEEDED = "import.succeeded"
    PARTLY_SUCCEEDED = "import.partly_succeeded"
    REJECTED = "import.rejected"
    FAILED = "import.failed"
    CANCELLED = "import.cancelled"
    BATCH_CLOSED = "batch.closed"


#: Not asked for in advance: somebody pressed a button.
TEST = "webhook.test"
