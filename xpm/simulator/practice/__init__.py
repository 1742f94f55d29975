"""A made-up practice: people, entities, relations and oddities."""
