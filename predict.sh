#!/bin/sh
# The challenge's command: every case of ./inputs to ./outputs, with the default model; graphs compiled for this CPU are
# in ./cache.
set -eu
exec predict inputs --out outputs --engine openvino --cache cache
