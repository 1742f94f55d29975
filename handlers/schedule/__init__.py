"""When syncs are due, claiming a due time, and controlling a schedule."""
