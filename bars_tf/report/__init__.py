"""What people read: the files of a run, figures, pages and tables."""
