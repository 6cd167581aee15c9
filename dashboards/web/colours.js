// Which colour a kommun has: calm blues for the regions' own queues, one strong colour for each external provider.

// The 21 regions in four shades, so that no two neighbours on land share one.
const SHADES = {
  "01": 0, "03": 1, "04": 2, "05": 0, "06": 1, "07": 2, "08": 3, "09": 2, "10": 0, "12": 1, "13": 0,
  "14": 2, "17": 0, "18": 1, "19": 0, "20": 2, "21": 3, "22": 1, "23": 0, "24": 2, "25": 1,
};
const PROVIDER_COLOURS = 5;

/** Maps each kommun-ID to a class, and lists the providers that get calls, with theirs. */
export function colouring(fixed) {
  const providers = [...new Set(fixed.kommuner.filter((it) => it.external).map((it) => it.answers))].sort();
  const homes = homeRegions(fixed.kommuner);
  const classes = new Map();
  for (const kommun of fixed.kommuner) classes.set(kommun.id, classOf(kommun, providers, homes));
  return { classes, providers: providers.map((id, n) => ({ id, colour: `p${n % PROVIDER_COLOURS}` })) };
}

function classOf(kommun, providers, homes) {
  if (!kommun.answers) return "nobody";
  if (kommun.external) return `p${providers.indexOf(kommun.answers) % PROVIDER_COLOURS} leaves`;
  const shade = SHADES[homes.get(kommun.answers)] ?? 0;
  return kommun.recorded ? `s${shade}` : `s${shade} unrecorded`;
}

/** An organisation's home is the region most of its kommuner lie in: a neighbour it also answers for gets its shade. */
function homeRegions(kommuner) {
  const counts = new Map();
  for (const { answers, region, external } of kommuner) {
    if (external) continue;
    const of = counts.get(answers) ?? counts.set(answers, new Map()).get(answers);
    of.set(region, (of.get(region) ?? 0) + 1);
  }
  const most = (of) => [...of].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
  return new Map([...counts].map(([organisation, of]) => [organisation, most(of)]));
}
