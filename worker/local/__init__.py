"""The embedded shape: its servers (a real Valkey, a mail catcher), the portal's processes around them, and a made-up
practice. Child processes never outlive whoever asked for them. Nothing here is used in production."""
