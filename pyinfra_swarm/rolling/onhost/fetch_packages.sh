#!/bin/sh
# Fetches Docker's packages, and has the engine in them check daemon.json, which is read here.
#
# fetch() fetches them; package: the file's name of the engine's, up to its architecture;
# engine: what checks the file where no package was fetched.

: "${package?}" "${engine?}"

folder=/var/lib/pyinfra-swarm/upgrade
rm -rf $folder
mkdir -p $folder
trap 'rm -rf '$folder EXIT
cat > $folder/daemon.json
fetch
for file in /var/cache/apt/archives/"$package"_*.deb; do
  [ -e "$file" ] || continue
  dpkg-deb --fsys-tarfile "$file" | tar -x -C $folder --wildcards './usr/*bin/dockerd'
  engine=$(echo $folder/usr/*bin/dockerd)
done
"$engine" --validate --config-file $folder/daemon.json >&2
