#!/bin/sh
# Puts the line tables of a release binary into a file of their own:
#
#   config/deploy/split-debug.sh target/release/registrar target/split
#
# writes target/split/registrar, a tenth of the size, and target/split/registrar.debug. The binary names that
# file. Backtraces have line numbers if it is beside the binary, and only the names of functions otherwise.
#
# `split-debuginfo` of Cargo cannot do this: it leaves the line tables, and everything from C, in the binary.
set -eu
binary=$1 folder=$2
name=$(basename "$binary")
mkdir -p "$folder"
objcopy --only-keep-debug --compress-debug-sections=zlib "$binary" "$folder/$name.debug"
chmod 0644 "$folder/$name.debug"
objcopy --strip-debug --add-gnu-debuglink="$folder/$name.debug" "$binary" "$folder/$name"
