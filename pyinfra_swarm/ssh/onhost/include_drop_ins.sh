#!/bin/sh
# Puts the line that includes the drop-ins at the head of sshd's configuration.
#
# include: the line; config: the file's path.
: "${include?}" "${config?}"
{ printf '%s\n\n' "$include"; cat "$config"; } > "$config.new"
chmod --reference="$config" "$config.new"
mv -f "$config.new" "$config"
