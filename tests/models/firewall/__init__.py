"""What a packet meets in generated rules, and what the documentation promises it."""
