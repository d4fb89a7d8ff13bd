"""Each finding of the doctor, in both ways."""
