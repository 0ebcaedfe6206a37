"""The scheduled check: plans the real deploy, changes nothing, says what differs and why."""
