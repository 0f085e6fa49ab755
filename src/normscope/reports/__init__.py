"""What a study, an audit or a check leaves in its folder: numbers, figures and a page."""
