"""`scanonce timings`: the view of the history that was asked for, as text, as JSON, as a picture."""
