"""The node `people`: a box, a track id and an activity for each person in view."""
