# The signalling half of tests/bench-switch, which reads this file: a figure each, then the table.

share() { awk -v t="$1" -v hz="$(getconf CLK_TCK)" -v from="$2" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.0f %%", t / hz / (to - from) * 100 }'; }

cpu_a_call() { # name
    local before
    call -m 2000 -r 1000 -d 20 # the first calls fill caches and buffers
    before=$(ticks "$switch_pid")
    call -m "$calls" -r 1000 -d 20
    figure[$1-cpu]=$(micros $(($(ticks "$switch_pid") - before)) "$(counted SuccessfulCall)")
}

# Who was how busy at a rate, in percent of a core.
busy=
clean_at() { # port, pid of the switch, rate: whether every call succeeded
    local port=$1 pid=$2 rate=$3 switch answers spent from
    switch=$(ticks "$pid") answers=$(ticks "$answerer_pid") from=$EPOCHREALTIME
    TIMEFORMAT='%U %S'
    { time call_at "$port" -m $((rate * seconds)) -r "$rate" -d 20 -l 100000 -timeout $((seconds + 8))s; } 2>"$folder/caller.time"
    spent=$(awk -v hz="$(getconf CLK_TCK)" '{ sum += $1 + $2 } END { printf "%d", sum * hz }' "$folder/caller.time")
    busy="$(share $(($(ticks "$pid") - switch)) "$from"), $(share "$spent" "$from"), $(share $(($(ticks "$answerer_pid") - answers)) "$from")"
    [ "$(counted FailedCall)" = 0 ] && [ "$(counted SuccessfulCall)" -ge $((rate * seconds)) ]
}
highest_rate() { # name, port, pid; the highest of a rising row of rates at which no call failed, in one of two tries
    local rate best=0
    for rate in ${RATES:-1000 1500 2000 2500 3000 3500 4000 4500 5000 5500 6000 7000 8000 9000 10000 12000}; do
        clean_at "$2" "$3" "$rate" || clean_at "$2" "$3" "$rate" || break
        best=$rate
        figure[$1-busy]=$busy
    done
    [ "$best" -gt 0 ] || fail "$1: no rate without a failed call; $(tail -n 3 "$folder/sipp.log")"
    figure[$1-rate]=$best
}

# SIPp tells time in milliseconds, too coarse for this: the load generator calls instead, with the same requests.
delay() { # name, port, rate; until it rings, so without what the answerer takes for its answer
    "$vaxel" load --to "sip:1177@127.0.0.1:$2" --no-audio --talk 0 --rate "$3" --calls $(($3 * 2 * seconds)) --at-once 4000 --json \
        >"$folder/delay.json" || true
    figure[$1-delay]=$(awk -F'[:,]' '/"p50_ms"/ { median = $2 } /"p999_ms"/ { most = $2 } END { printf "%.2f / %.1f ms", median, most }' "$folder/delay.json")
}

overload() { # name; twice the highest rate for ten seconds
    local rate=$((figure[$1-rate] * 2)) before after
    call -m 2000 -r 1000 -d 20
    before=$(memory "$switch_pid")
    call -m $((rate * 10)) -r "$rate" -d 20 -l 100000 -timeout 20s
    # What succeeded from the second to the tenth second, and what SIPp really offered then.
    figure[$1-goodput]=$(awk -F';' -v best="${figure[$1-rate]}" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { split($at["ElapsedTime(C)"], t, ":"); now = t[1] * 3600 + t[2] * 60 + t[3] }
        now >= 2 && !from { from = now; good = $at["SuccessfulCall(C)"]; made = $at["TotalCallCreated"] }
        now > from && now <= 10 { to = now; good_to = $at["SuccessfulCall(C)"]; made_to = $at["TotalCallCreated"] }
        END { if (to > from) printf "%.0f %% of %.0f/s", (good_to - good) / (to - from) / best * 100, (made_to - made) / (to - from); else printf "-" }' \
        "$folder/calls.csv")
    # Transactions are kept for up to 32 s after their end (RFC 3261, timers B, D, F, H, J).
    sleep 35
    call -m 2000 -r 1000 -d 20
    after=$(memory "$switch_pid")
    figure[$1-after]=$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%.1f, %.1f MB", a / 1024, b / 1024 }')
}

held_calls() { # name
    local before peak=0 now caller_job
    before=$(memory "$switch_pid")
    call -m "$held" -r 1200 -l "$held" -d $((held * 1000 / 1200 + 15000)) -timeout $((held / 500 + 60))s &
    caller_job=$!
    while kill -0 "$caller_job" 2>/dev/null; do
        now=$(memory "$switch_pid")
        [ "$now" -gt "$peak" ] && peak=$now
        sleep 1
    done
    wait "$caller_job"
    figure[$1-held]="$(counted SuccessfulCall) held"
    figure[$1-kb]=$(awk -v a="$before" -v b="$peak" -v n="$(counted SuccessfulCall)" 'BEGIN { printf "%.1f kB", n ? (b - a) / n : 0 }')
}

# As the scenario `direct`, with so many rules for the same calls: a rule a kommun and year, all but the last year's long over.
with_rules() { # number
    awk -v to="sip:1177@127.0.0.1:$answerer" -v count="$1" '
        { kommun[NR] = $1 }
        END {
            print "route = ["
            many = count > NR
            for (i = 1; many && i <= NR; i++)
                for (year = 0; year < int(count / NR); year++)
                    printf "  { name = \"k%s-%d\", kommun = [\"%s\"], until = %d-01-01, provider = \"answerer\", handover = \"direct\" },\n", kommun[i], 1980 + year, kommun[i], 1981 + year
            for (part = 0; part < 9; part++) {
                printf "  { name = \"part-%d\", kommun = [", part
                for (i = 1 + part; i <= NR; i += 9) printf "\"%s\", ", kommun[i]
                print "], provider = \"answerer\", handover = \"direct\" },"
            }
            print "  { name = \"others\", unknown = true, invalid = true, conflict = true, provider = \"answerer\", handover = \"direct\" },\n]"
        }' "$folder/kommuner" >"$folder/rules"
    awk -v rules="$folder/rules" '/^route = \[/ { while ((getline line < rules) > 0) print line; skip = 1 } !skip { print } /^\]/ { skip = 0 }' \
        "$folder/direct.toml" >"$folder/rules-$1.toml"
}
rules() {
    local count
    for count in 10 10000; do
        with_rules "$count"
        start_vaxel "rules-$count"
        cpu_a_call "rules-$count"
        stop_switch
    done
}

start() { # name, and for vaxel the configuration
    if [ "$1" = vaxel ]; then start_vaxel "${2:-direct}"; else start_kamailio; fi
}
tell() { echo "  $1: $(for key in "${!figure[@]}"; do case $key in "$1"-*) printf '%s %s; ' "${key#"$1"-}" "${figure[$key]}" ;; esac; done)" >&2; }
signalling() {
    local name
    start_answerer
    highest_rate sipp "$answerer" "$answerer_pid"
    for name in vaxel kamailio; do
        start "$name"
        cpu_a_call "$name"
        highest_rate "$name" "$sip" "$switch_pid"
        stop_switch
        start "$name"
        call -m 2000 -r 1000 -d 20
        delay "$name" "$sip" $((figure[$name-rate] / 2))
        delay "$name-without" "$answerer" $((figure[$name-rate] / 2))
        held_calls "$name"
        stop_switch
        # The switch lets in what it was just measured to carry.
        { cat "$folder/direct.toml"; echo "overload = { rate_max = ${figure[$name-rate]} }"; } >"$folder/limited.toml"
        start "$name" limited
        overload "$name"
        stop_switch
        tell "$name"
    done
    rules
    stop_answerer
    row "signalling" "vaxel" "kamailio" "goal"
    row "CPU a call, 1 000 calls/s" "${figure[vaxel-cpu]}" "${figure[kamailio-cpu]}" "a third of Kamailio's"
    row "highest rate without a failed call (SIPp alone ${figure[sipp-rate]}/s)" "${figure[vaxel-rate]}/s" "${figure[kamailio-rate]}/s" "1.5 times Kamailio's"
    row "  busy there: the switch, SIPp calling, SIPp answering" "${figure[vaxel-busy]}" "${figure[kamailio-busy]}" "of $(nproc) cores"
    row "INVITE to ringing at half of that, median / 99.9 %" "${figure[vaxel-delay]}" "${figure[kamailio-delay]}" "1 / 10 ms more"
    row "  the same without a switch" "${figure[vaxel-without-delay]}" "${figure[kamailio-without-delay]}" ""
    row "calls that succeed when twice that rate is offered" "${figure[vaxel-goodput]}" "${figure[kamailio-goodput]}" "90 %"
    row "memory before that, and after" "${figure[vaxel-after]}" "${figure[kamailio-after]}" "the same"
    row "calls held at once" "${figure[vaxel-held]}" "${figure[kamailio-held]}" "$held"
    row "memory a held call" "${figure[vaxel-kb]}" "${figure[kamailio-kb]}" "8 kB"
    row "CPU a call with 10 rules, with 10 000" "${figure[rules-10-cpu]}" "${figure[rules-10000-cpu]}" "the same (both vaxel)"
}
