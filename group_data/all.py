# Data of every host, which pyinfra also takes as defaults of every fact and operation.

# We log in as a user, and everything here is about the system.
_sudo = True

# Seconds a single remote command may take; operations that need longer (installing packages,
# waiting for a node) say so themselves. Without it a hanging command would hang the run.
_timeout = 60

# A board that is just coming up refuses the first connection.
ssh_connect_retries = 2
ssh_connect_retry_min_delay = 1
ssh_connect_retry_max_delay = 3
