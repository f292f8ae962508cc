#!/bin/sh
# Registers every connector of connectors/ with Kafka Connect, or brings it up to date. Run again at will.
set -eu

connect=${CONNECT_URL:-http://connect:8083}

for file in /connectors/*.json; do
    name=$(basename "$file" .json)
    curl --fail --silent --show-error --retry 30 --retry-delay 2 --retry-all-errors \
        --request PUT --header "Content-Type: application/json" --data "@$file" \
        --output /dev/null "$connect/connectors/$name/config"
    echo "registered $name"
done
