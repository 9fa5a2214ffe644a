#!/bin/sh
# Every measurement of the project, one after the other, each into benchmarks/out/NAME.json, named as those
# in benchmarks/results; last out/results.md, docs/results.md of these:
#
#   sh benchmarks/run.sh [NAME ...]
#
# What is there already is not measured again, unless it carries the digest of other code. What was interrupted
# goes on with the layer at which it was: Yosys' counts and compiled simulations of the layers before it are in
# the cache. Hours for all of it: `make benchmarks`. Networks that need the trained CNV are left out where
# FINN_IMEC_DATA has none, and FINN's compressor trees without FINN_COMPRESSOR. CLUSTER=ADDRESS:
# layers and cases run on the workers of a dask scheduler.
set -eu
cd "$(dirname "$0")"
data=${FINN_IMEC_DATA:-../../shared/data}/cnv-cifar10
mkdir -p out/networks out/variants
cluster=${CLUSTER:+--cluster $CLUSTER}
failed=
code=$(python -c "from finn_imec.synthesis.stamp import code_digest; print(code_digest())")

current() { # FILE: it carries this code's digest, or none
	[ -e "$1" ] && { grep -q "\"code\": \"$code\"" "$1" || ! grep -q '"code":' "$1"; }
}

measure() { # NAME COMMAND...
	name=$1
	shift
	if [ -n "$only" ] && ! echo " $only " | grep -q " $name "; then return; fi
	if current "out/$name.json"; then
		echo "$name: there"
		return
	fi
	echo "$name: $*"
	if "$@" >"out/$name.part" 2>"out/$name.log"; then
		mv "out/$name.part" "out/$name.json"
	else
		failed="$failed $name"
		echo "$name failed: $(tail -n 1 "out/$name.log")" >&2
	fi
}

only=$*
for folding in cnv-w2a2 cnv-w1a1; do
	for bits in 1 2 4; do
		measure "$folding-lut-${bits}bit" finn-imec compare --layers $folding --bits $bits --core lut $cluster --json
		measure "$folding-lut-${bits}bit-10ns" finn-imec compare --layers $folding --bits $bits --core lut --clock 10 $cluster --json
	done
	for bits in 2 4 8; do
		measure "$folding-dsp-${bits}bit" finn-imec compare --layers $folding --bits $bits --core dsp $cluster --json
		measure "$folding-dsp-${bits}bit-10ns" finn-imec compare --layers $folding --bits $bits --core dsp --clock 10 $cluster --json
	done
done
if [ -n "${FINN_COMPRESSOR:-}" ]; then # a checkout of FINN's pull request 1560
	for folding in cnv-w2a2 cnv-w1a1; do
		for bits in 1 2 4; do
			measure "variants/compressor-$folding-lut-${bits}bit" finn-imec compare --layers $folding --bits $bits --core lut --compressor "$FINN_COMPRESSOR" $cluster --json
		done
	done
	measure variants/compressor-full-range-cnv-w2a2-lut-2bit finn-imec compare --layers cnv-w2a2 --bits 2 --core lut --full-range --compressor "$FINN_COMPRESSOR" $cluster --json
fi
measure variants/full-range-cnv-w2a2-lut-2bit finn-imec compare --layers cnv-w2a2 --bits 2 --core lut --full-range $cluster --json
for bits in 4 8; do
	part=xczu7ev-ffvc1156-2-e # DSP48E2
	measure "cnv-w2a2-dsp-${bits}bit-xczu7ev" finn-imec compare --layers cnv-w2a2 --bits $bits --core dsp --part $part $cluster --json
done
measure padded-auto-4bit finn-imec compare --layers padded --bits 4 $cluster --json
measure demo finn-imec demo --output out/demo-files --json
measure throughput python throughput.py --json
measure power-cnv-w1a1 python power.py cnv-w1a1 --bits 1 --json
measure power-cnv-w2a2 python power.py cnv-w2a2 --bits 2 --json
for network in digits mobilenet resnet espcn cnv4 cnv8; do
	measure "networks/$network" python networks.py $network --images 2 --partition --resources --png out/espcn.png --json
done
if [ -e "$data/cnvW1A1.npz" ]; then
	for network in cnvW1A1 cnvW1A2 cnvW2A2; do
		measure "networks/$network" python partition.py "$data/$network.npz" "$data/images.npz" --resources --json
		measure "speed-$network" python speed.py "$data/$network.npz" --json
		measure "hls-$network" python hls.py "$data/$network.npz" "$data/images.npz" --json
	done
fi
measure activation python activation.py --json
measure registers python registers.py --json
measure routed python routed.py --json
measure scale python scale.py
measure paper finn-imec paper --results out --output out/paper --json
measure verify finn-imec verify --cases 5000 --seed 1 --jobs 2 $cluster --json
[ -n "$only" ] || python summary.py --results out >out/results.md || failed="$failed results.md"
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
