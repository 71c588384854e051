"""What a person reads of a result: statistics, pictures, README.txt."""
