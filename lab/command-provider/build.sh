#!/bin/sh
# Builds the stand-in for the plugin pulumi-resource-command: build.sh OUTPUT_FILE
set -eu

output=$(realpath -m "${1:?usage: build.sh OUTPUT_FILE}")
cd "$(dirname "$0")"
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$output" .
