#!/bin/sh
# The challenge's command: every case of ./inputs to ./outputs, with the model that comes along; the graphs that were
# compiled for this CPU lie beside this file.
set -eu
exec predict inputs --out outputs --engine openvino --cache cache
