#!/bin/sh
# Makes the passwords and keys that kustomization.yaml takes, once, in a folder that git ignores.
set -eu
umask 077
folder=$(dirname "$0")/secrets
mkdir -p "$folder"

# A letter first, or NATS would take some for a number.
word() { printf 'p%s' "$(LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom | head -c "$1")"; }

make_file() { # name key...
  file=$folder/$1.env
  shift
  if [ -e "$file" ]; then
    echo "$file is there, kept"
    return
  fi
  for key; do printf '%s=%s\n' "$key" "$(word 40)"; done >"$file"
  echo "$file made"
}

make_file session keys
make_file nats migrate api reactor
make_file postgres superuser migrate api reactor
