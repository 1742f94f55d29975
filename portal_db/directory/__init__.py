"""What Xero logins see in XPM: records, syncs, search, purges, re-syncs and schedules."""
