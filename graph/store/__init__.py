"""The store: one relational database that is the only truth, and the history of its every change."""
