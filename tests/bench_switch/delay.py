#!/usr/bin/env python3
"""What a relay adds to a packet's way, from a capture of both its sides: `delay.py FILE FIRST LAST` prints the median, 99 and 99.9 %, and
how many packets took a millisecond and more. FILE is a pcap of one interface (dumpcap -P), of RTP; FIRST to LAST are the relay's ports.

A relayed packet carries what it carried before, and its number differs from that by the same in the whole stream. So flows are paired by
what they carry and by that difference; one that could follow two others (who say the same at the same time) is left out."""

import collections
import struct
import sys

WITHIN = 0.004  # seconds in which most packets are relayed; those that take longer are told by their number
PACKETS_MIN = 20  # of a pair of flows, or it is chance
DOUBT = 0.3  # another flow fits as often as that: which one was relayed isn't known
ETHERNET, IP, UDP, RTP = 14, 20, 8, 12


def packets(path, relay):
    """Each as (time, whether it leaves the relay, flow, number, what it carries)."""
    data = open(path, "rb").read()
    unit = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}[struct.unpack_from("<I", data)[0]]
    at = 24
    while at + 16 <= len(data):
        second, part, captured, _ = struct.unpack_from("<IIII", data, at)
        packet = data[at + 16 : at + 16 + captured]
        at += 16 + captured
        rtp = ETHERNET + IP + UDP
        if len(packet) < rtp + RTP or packet[ETHERNET] != 0x45 or packet[rtp] >> 6 != 2:
            continue
        comes_from, goes_to = struct.unpack_from(">HH", packet, ETHERNET + IP)
        if (comes_from in relay) == (goes_to in relay):
            continue
        flow = packet[ETHERNET + 12 : ETHERNET + IP + 4]
        number = struct.unpack_from(">H", packet, rtp + 2)[0]
        yield second + part * unit, comes_from in relay, flow, number, packet[rtp + RTP :]


def pairs(captured):
    """The flow that each one that leaves continues, and the difference of their numbers."""
    recent = collections.defaultdict(collections.deque)
    fits = collections.defaultdict(collections.Counter)
    for time, leaves, flow, number, carried in captured:
        same = recent[carried]
        if not leaves:
            same.append((time, flow, number))
            continue
        while same and same[0][0] < time - WITHIN:
            same.popleft()
        for _, came, its in same:
            fits[flow][came, (number - its) % 65536] += 1
    for flow, counted in fits.items():
        (best, count), *others = counted.most_common(2)
        if count >= PACKETS_MIN and not (others and others[0][1] > DOUBT * count):
            yield flow, best


def delays(captured):
    """Of each packet that was relayed, in milliseconds."""
    continues = dict(pairs(captured))
    came = {}
    for time, leaves, flow, number, _ in captured:
        if not leaves:
            came[flow, number] = time
        elif flow in continues:
            before, difference = continues[flow]
            since = came.pop((before, (number - difference) % 65536), None)
            if since is not None:
                yield (time - since) * 1000


found = sorted(delays(list(packets(sys.argv[1], range(int(sys.argv[2]), int(sys.argv[3]) + 1)))))
if not found:
    sys.exit("delay.py: no packet was seen on both sides")
part = lambda share: found[int(len(found) * share)]
late = sum(delay >= 1 for delay in found)
print(f"{part(0.5):.2f} / {part(0.99):.2f} / {part(0.999):.2f} ms ({late} of {len(found)} took 1 ms and more)")
