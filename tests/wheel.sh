#!/bin/sh
# The distributions as a stranger gets them: built, installed into a new environment without the
# checkout, and a command sent through all of it.
set -eu
root=$(pwd)
place=$(mktemp -d)
chmod 755 "$place"
up=
finish() {
  [ -z "$up" ] || { kill -INT "$up" 2>/dev/null; wait "$up" || true; }
  rm -rf "$place"
}
trap finish EXIT

"$BIN/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
  -w "$place/dist" "$root" "$root/examples/locations"
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
  -r "$root/requirements/embedded.txt"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$place"/dist/*.whl

cd "$place"
"$place/venv/bin/homing" up --port 0 --data "$place/data" --ports-file "$place/ports.json" \
  >"$place/log" 2>&1 &
up=$!
tries=0
until [ -f "$place/ports.json" ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ] || ! kill -0 "$up" 2>/dev/null; then
    cat "$place/log"
    exit 1
  fi
  sleep 0.2
done
url=$(sed -n 's/.*"url": "\([^"]*\)".*/\1/p' "$place/ports.json")
"$place/venv/bin/homing" send locations.register --url "$url" \
  --json '{"name": "From a wheel", "category": "Town"}' >"$place/outcome"
grep -q '"status": "succeeded"' "$place/outcome"
"$place/venv/bin/python" - "$url" <<'PY'
import sys, urllib.request
for path in ("/", "/static/app.js", "/api/docs", "/api/openapi.json"):
    with urllib.request.urlopen(sys.argv[1] + path) as answer:
        assert answer.status == 200, path
PY
kill -INT "$up"
wait "$up"
up=
echo "the wheels work"
