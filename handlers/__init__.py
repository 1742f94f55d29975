"""The use cases: one module per kind of job or request. No queue, no web framework, no SQL text."""
