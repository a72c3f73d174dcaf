#!/usr/bin/env bash
# prepareRelease.sh TAG FOLDER: fills FOLDER with what a release publishes: the npm tarball, notes.md with the section of the
# changelog, and sbom.json with the packages that npm installs with it.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=$1 folder=$2
version=$(npm pkg get version | tr -d '"')
fail() { echo "error: $1" >&2 && exit 1; }

[ "$tag" = "v$version" ] || fail "the tag is $tag, but package.json has the version $version: set it there, and move the tag"
mkdir -p "$folder"
awk -v heading="## $version" '/^## / { inside = $0 == heading; next } inside' CHANGELOG.md >"$folder/notes.md"
grep -q . "$folder/notes.md" || fail "CHANGELOG.md has no section for $version: add it"
npm sbom --package-lock-only --omit=dev --sbom-format=cyclonedx >"$folder/sbom.json"
npm pack --silent --pack-destination "$folder"
