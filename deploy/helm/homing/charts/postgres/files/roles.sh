# Applies roles.sql through the local socket, where the image trusts its own user. The server may
# still be starting, or be the one that the image runs for a moment while it makes the data.
tries=0
until psql -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres -f /etc/homing/roles.sql; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || exit 1
  sleep 1
done
