"""What all pages share: templates, navigation, forms, filters, messages and errors."""
