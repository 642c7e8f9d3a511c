"""Asset checks: each a sentence that is true when it passes."""
