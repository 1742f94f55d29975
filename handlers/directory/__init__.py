"""What a Xero login sees in XPM: sync, lookup, search and classification."""
