#!/usr/bin/env bash
# A certificate authority of your own and certificates of it, to try Branchline with: in production use those of your house.
#
#   deploy/make-certificates.sh [-d FOLDER] NAME[=HOST,HOST…] …
#
# Makes FOLDER/ca (its key: who holds it can be any server of yours) and for each NAME the folder FOLDER/NAME with
# certificate.pem, key.pem and ca.pem, good for NAME, localhost, 127.0.0.1, ::1 and each HOST (a name or an address).
# What is there already stays. FOLDER is deploy/certificates unless told.
set -euo pipefail

folder="$(dirname "$0")/certificates"
if [ "${1:-}" = -d ]; then
  folder="${2:?-d needs a folder}"
  shift 2
fi
if [ $# -eq 0 ] || [ "${1#-}" != "$1" ]; then
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
days_ca=3650
days=825 # the longest that Apple's clients accept

# The folder is closed; what is inside each certificate's own folder is open, because a container sees that folder alone
# and reads it as a user of its own.
mkdir -p "$folder"
chmod 700 "$folder"
umask 077
drafts="$(mktemp -d "$folder/.new.XXXXXX")"
trap 'rm -rf "$drafts"' EXIT

if [ ! -d "$folder/ca" ]; then
  mkdir "$drafts/ca"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days "$days_ca" \
    -subj "/CN=Branchline trial authority" -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' \
    -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout "$drafts/ca/key.pem" -out "$drafts/ca/ca.pem" 2>/dev/null
  mv "$drafts/ca" "$folder/ca"
fi

alternatives() {
  local names="DNS:$1,DNS:localhost,IP:127.0.0.1,IP:::1" host
  for host in ${2//,/ }; do
    if [[ $host == *:* || $host =~ ^[0-9.]+$ ]]; then names+=",IP:$host"; else names+=",DNS:$host"; fi
  done
  printf '%s' "$names"
}

for wanted in "$@"; do
  name="${wanted%%=*}"
  hosts="${wanted#"$name"}"
  if ! [[ $name =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ ]] || [ "$name" = ca ]; then
    echo "make-certificates: $name: expected a host name of a-z, 0-9 and -" >&2
    exit 2
  fi
  if [ -d "$folder/$name" ]; then
    echo "$folder/$name stays as it is"
    continue
  fi
  new="$drafts/$name"
  mkdir "$new"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -subj "/CN=$name" \
    -keyout "$new/key.pem" -out "$drafts/request.pem" 2>/dev/null
  printf '%s\n' "subjectAltName=$(alternatives "$name" "${hosts#=}")" 'basicConstraints=critical,CA:FALSE' \
    'keyUsage=critical,digitalSignature' 'extendedKeyUsage=serverAuth' >"$drafts/extensions"
  openssl x509 -req -in "$drafts/request.pem" -CA "$folder/ca/ca.pem" -CAkey "$folder/ca/key.pem" \
    -set_serial "0x$(openssl rand -hex 16)" -sha256 -days "$days" -extfile "$drafts/extensions" \
    -out "$new/certificate.pem" 2>/dev/null
  cp "$folder/ca/ca.pem" "$new/ca.pem"
  chmod 755 "$new"
  chmod 644 "$new"/*.pem
  mv "$new" "$folder/$name"
  echo "$folder/$name is made"
done
