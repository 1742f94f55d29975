"""The whole system on one machine: a real Valkey, an XPM simulator, a mail catcher and the portal's processes around them,
with made-up practices. Child processes never outlive the process that started them. Nothing here runs in production."""
