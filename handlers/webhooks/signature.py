"""The signature of a webhook message: the headers by which the receiver knows that it is ours and recent.

Source: the Standard Webhooks specification 1.0.
"""

from __future__ import annotations

from cryptography.fernet import InvalidToken
from standardwebhooks import Webhook

from handlers.errors import Permanent
from handlers.services import Services
from portal_db.webhooks import AddressedDelivery


def signature_headers(services: Services, found: AddressedDelivery, body: str) -> dict[str, str]:
    """The time, and a signature by each secret that is good now: while a secret is replaced, by the old one too.

    Raises:
        Permanent: no key decrypts a secret.
    """
    endpoint, now = found.endpoint, services.sources.now()
    sealed = [endpoint.secret]
    if endpoint.old_secret_until is not None and endpoint.old_secret_until > found.now:
        sealed.append(endpoint.old_secret)
    try:
        secrets = [services.settings.vault.decrypt(secret).decode() for secret in sealed if secret is not None]
    except InvalidToken:
        raise Permanent(
            "webhook_secret_lost",
            "No key in TOKEN_KEYS decrypts the endpoint's secret.",
            "Put the key back into TOKEN_KEYS, or rotate the secret.",
        ) from None
    event_id = str(found.delivery.event_id)
    signatures = [Webhook(secret).sign(event_id, now, body) for secret in secrets]
    return {"webhook-timestamp": str(int(now.timestamp())), "webhook-signature": " ".join(signatures)}
