#!/bin/sh
# The challenge's command: every case of ./inputs to ./outputs, with the model and the compiled graphs beside this file.
set -eu
exec predict inputs --out outputs --engine openvino --model model --cache cache
