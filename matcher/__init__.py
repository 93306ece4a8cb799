"""What fits what: candidates, features, scores, levels and reasons."""
