"""What all pages share: templates, navigation, forms, filters, messages, errors and the search in XPM."""
