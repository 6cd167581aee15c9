# One recipe a chore. `just` lists them.

default:
    @just --list

# What CI runs
test:
    tests/run

# Fast checks while working: no real peers
check:
    tests/run --quick

# The whole thing on loopback: page at http://127.0.0.1:1177
demo *args:
    cargo run --release -- demo {{args}}

# A national day in virtual time
sim *args:
    cargo run --release -- simulate {{args}}

# Calls with audio against a running switch
load *args:
    cargo run --release -- load {{args}}

# Rewrites every golden file after a wanted change; look at the diff
golden:
    VAXEL_GOLDEN=1 cargo test --workspace

# Measures: routing decision, SIP parser, a whole SIP call, a simulated day, start-up, memory, 200 recorded calls
bench:
    cargo bench -p callcore -p wire -p simulator
    cargo build --release
    tests/bench

# The switch beside Kamailio and rtpengine, same load, same run; `just bench-switch media` or `signalling` runs one half
bench-switch half="all":
    cargo build --release
    tests/bench-switch {{half}}

# Recording at once, a recording of one hour opened, and gallring on a large index: search, plan, erasure with register
bench-recorder calls="500" seconds="20" rows="1000000" erased="20000":
    cargo run --release -p recorder --example recording_rates -- {{calls}} {{seconds}} own
    cargo run --release -p recorder --example recording_rates -- {{calls}} {{seconds}} shared
    cargo run --release -p recorder --example gallring_rates -- {{rows}} {{erased}}

# Kills a recorder (kill -9) so many times in a row while calls begin, go on and end, and holds each against what may be lost
kill-recorder kills="200" seed="1":
    VAXEL_KILLS={{kills}} VAXEL_SEED={{seed}} cargo test --release -p recorder --test kills -- --nocapture

# The simulator: calls a CPU second (full machine and bare reference queue), a year's wall time, ten years' memory, two threads
bench-simulate:
    cargo build --release -p simulator --example speed --example reference_queue
    tests/bench-simulate
