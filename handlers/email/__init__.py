"""Email addresses, composing messages and handing them to a mail server."""
