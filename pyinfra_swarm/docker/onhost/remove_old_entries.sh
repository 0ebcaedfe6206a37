#!/bin/sh
# Takes Docker's entries out of files of apt's, and leaves the other entries in them.
#
# files: their paths, with blanks in between; apt reads no file whose name has one.
: "${files?}"
remove() {
  case "$1" in
    *keyring*|*.gpg|*trusted.gpg.d*) rm -f "$1";;
    *.sources)
      awk '
        /^[ \t]*$/ { end(); next }
        { stanza = stanza $0 "\n"; if (!/^#/ && /download\.docker\.com/) docker = 1 }
        END { end() }
        function end() {
          if (stanza != "" && !docker) { printf "%s%s", blank, stanza; blank = "\n" }
          stanza = ""; docker = 0
        }' "$1" > "$1.new"
      if [ -s "$1.new" ]; then cat "$1.new" > "$1"; else rm "$1"; fi
      rm "$1.new";;
    *) sed -i '/download\.docker\.com/d' "$1"; [ -s "$1" ] || rm "$1";;
  esac
}
for file in $files; do remove "$file"; done
