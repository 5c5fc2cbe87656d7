"""People in view: detector, tracker, crops, and a stream for each person."""
