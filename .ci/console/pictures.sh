#!/usr/bin/env bash
# Makes the pictures of the console in docs/console/ again, with the release binary or the one that is named:
#
#   .ci/console/pictures.sh target/debug/registrar
#
# Long pages are cut off, and pngquant gives each picture a palette.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/install.sh
install_missing pngquant=pngquant
shots=$(mktemp -d)
trap 'rm -rf "$shots"' EXIT
SHOTS=$shots TALLEST=1400 .ci/console.sh "$(realpath "${1:-target/release/registrar}")"
mkdir -p docs/console
rm -f docs/console/*.png
for picture in "$shots"/*-1280.png; do
    pngquant --strip --speed 1 --output "docs/console/$(basename "$picture" -1280.png).png" 64 "$picture"
done
du -sh docs/console
