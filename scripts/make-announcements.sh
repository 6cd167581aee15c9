#!/usr/bin/env bash
# Make data/audio/*.wav (A-law, 8 kHz, mono) from data/audio/announcements.toml:
# Swedish speech with espeak-ng, a music loop with sox. Then check what was made.
#
#   scripts/make-announcements.sh            make all and check
#   scripts/make-announcements.sh --check    only check the files that are there
#
# Needs espeak-ng, sox and python3 (3.11 or later); what is missing is installed with apt-get.
set -euo pipefail
export LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
audio=$root/data/audio
table=$audio/announcements.toml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

target_rms=-20     # dBFS
max_total=1000000  # bytes, all files together

missing=()
for tool in espeak-ng sox python3; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
  echo "installing ${missing[*]}"
  sudo=()
  ((EUID == 0)) || sudo=(sudo)
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" apt-get install -y -q "${missing[@]}"
fi

# One line an entry: id, file, use, voice, speed, pitch, spoken text; the unit separator between them.
python3 - "$table" >"$work/table" <<'PYTHON'
import sys, tomllib
known = {"number-and-kommun-id", "recording", "care-provider"}
with open(sys.argv[1], "rb") as file:
    table = tomllib.load(file)["announcement"]
for name, a in table.items():
    if not set(a["informs"]) <= known or a["use"] not in {"announcement", "music", "simulated", "part"} or not a["english"]:
        sys.exit(f"announcements.toml: entry {name} is wrong")
    fields = name, a["file"], a["use"], a.get("voice", ""), a.get("speed", 175), a.get("pitch", 50), a.get("spoken", a["text"])
    print(*fields, sep="\x1f")
PYTHON

# One measured value of a file: level FILE 'RMS lev dB'
level() {
  sox "$1" -n stats 2>&1 | awk -v what="$2" 'index($0, what) == 1 { print $NF }'
}

# The gain, in dB, that brings FILE to the target level.
gain_to_target() {
  awk -v t="$target_rms" -v r="$(level "$1" 'RMS lev dB')" 'BEGIN { printf "%.3f", t - r }'
}

# Bring FILE (16 bit, 8 kHz) to the target level and write it as A-law. No dither: A-law has its own noise.
finish() {
  local from=$1 to=$2 gain
  gain=$(gain_to_target "$from")
  sox -D "$from" -r 8000 -c 1 -e a-law -b 8 "$to" gain "$gain" fade t 0.01 0 0.01
}

speak() {
  local id=$1 to=$2 voice=$3 speed=$4 pitch=$5 spoken=$6 gain
  espeak-ng -v "$voice" -s "$speed" -p "$pitch" -g 0 -w "$work/$id.raw.wav" -- "$spoken"
  # Telephone band; the loudest syllables held back, so that the rest can be brought up without clipping;
  # no silence before, a short one after; pauses no longer than 0.2 s.
  sox -D "$work/$id.raw.wav" -r 8000 -c 1 -b 16 "$work/$id.band.wav" gain -6 highpass 200 lowpass 3400 rate -h 8000 \
    silence -l 1 0.01 -48d -1 0.2 -48d reverse silence 1 0.01 -48d reverse pad 0.03 0.12
  gain=$(gain_to_target "$work/$id.band.wav")
  sox -D "$work/$id.band.wav" "$work/$id.wav" gain -4 gain "$gain" \
    compand 0.001,0.05 6:-70,-70,-20,-20,-4,-12 0 -60 0.001 \
    compand 0.0001,0.02 -70,-70,-10,-10,0,-9 0 -60 0.0002
  finish "$work/$id.wav" "$to"
}

# Four chords of two seconds, each swelling and dying away to nothing, so that the end meets the beginning.
music() {
  local id=$1 to=$2 chord n=0 parts=()
  for chord in "440 659.26 783.99 1046.5" "349.23 523.25 659.26 880" "392 523.25 659.26 783.99" "392 587.33 783.99 987.77"; do
    local voices=() note
    for note in $chord; do
      voices+=(sine "$note" sine "$(awk -v f="$note" 'BEGIN { print f * 1.003 }')")
    done
    sox -D -n -r 8000 -b 16 "$work/$id.$n.wav" synth 2 "${voices[@]}" remix - gain -n -6 fade t 0.35 2 1.1
    parts+=("$work/$id.$n.wav")
    n=$((n + 1))
  done
  sox -D "${parts[@]}" "$work/$id.wav" lowpass 2000
  finish "$work/$id.wav" "$to"
}

if [[ ${1-} != --check ]]; then
  while IFS=$'\x1f' read -r id file use voice speed pitch spoken; do
    if [[ $use == music ]]; then music "$id" "$audio/$file"; else speak "$id" "$audio/$file" "$voice" "$speed" "$pitch" "$spoken"; fi
  done <"$work/table"
  echo "made with $(espeak-ng --version | awk '{ print $1, $2, $3, $4 }') and $(sox --version | awk '{ print $NF }')"
fi

bad=0
total=0
printf '%-22s %8s %7s %8s %8s %6s\n' file bytes seconds 'RMS dB' 'peak dB' 'lead s'
while IFS=$'\x1f' read -r id file use voice speed pitch spoken; do
  wav=$audio/$file
  bytes=$(stat -c %s "$wav")
  seconds=$(soxi -D "$wav")
  rms=$(level "$wav" 'RMS lev dB')
  peak=$(level "$wav" 'Pk lev dB')
  # Silence before the first sound over -45 dBFS
  sox "$wav" "$work/lead.wav" silence 1 0.005 -45d
  lead=$(awk -v a="$seconds" -v b="$(soxi -D "$work/lead.wav")" 'BEGIN { printf "%.3f", a - b }')
  tag=$(od -An -tu2 -j20 -N2 "$wav" | tr -d ' ')
  total=$((total + bytes))
  printf '%-22s %8d %7.2f %8s %8s %6s\n' "$file" "$bytes" "$seconds" "$rms" "$peak" "$lead"
  if ! awk -v r="$rms" -v p="$peak" -v l="$lead" -v t="$target_rms" \
    'BEGIN { exit !(r > t - 1 && r < t + 1 && p < -1 && l <= 0.1) }' ||
    [[ $tag != 6 || $(soxi -r "$wav") != 8000 || $(soxi -c "$wav") != 1 ]]; then
    echo "  $file: wrong level, leading silence or format" >&2
    bad=1
  fi
done <"$work/table"
echo "total $total bytes of at most $max_total"
((total <= max_total)) || bad=1
listed=$(cut -d $'\x1f' -f 2 "$work/table" | sort)
present=$(cd "$audio" && printf '%s\n' *.wav | sort)
if [[ $listed != "$present" ]]; then
  echo "the table and the folder name different files" >&2
  bad=1
fi
exit "$bad"
