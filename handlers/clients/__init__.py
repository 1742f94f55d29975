"""The portal's clients as staff work with them: links to XPM, history, tasks, connections of entities."""
