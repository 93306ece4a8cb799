"""What we know: nodes, relations, identifiers, the store, the intake and the knowledge graph."""
