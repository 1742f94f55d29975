"""Commands about imports: import, list, show, amend, cancel, and welcome emails."""
