"""The mission: request, accept, validate, create, details, relationships, welcome email, settle, amend, cancel."""
