"""Clients, their teams, relationships, review items, tasks, links and history."""
