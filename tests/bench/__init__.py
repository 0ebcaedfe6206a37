"""How fast the whole job is on the lab, against the floor that plain ssh sets. See README.md."""
