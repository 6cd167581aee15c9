// The providers that calls leave to, and whether each of their targets answers.

import { t } from "./text.js";
import { element, keyed, setClass, setText } from "./rows.js";

export function createProviders(organisationName) {
  const at = (id) => document.getElementById(id);
  const render = keyed(at("providers"), ({ name }) => name, () => providerRow(organisationName));
  return ({ providers }) => {
    render(providers);
    at("providers-empty").hidden = providers.length > 0;
    at("providers-down").hidden = providers.every(({ targets }) => targets.every(({ up }) => up));
  };
}

function providerRow(organisationName) {
  const node = element("li", "provider");
  const [name, targets] = [element("span", "bar-name"), element("ul", "targets")];
  node.append(name, targets);
  let several = false;
  const render = keyed(targets, ({ target }) => target, () => targetChip(() => several));
  return {
    node,
    update(provider) {
      several = provider.targets.length > 1;
      setText(name, organisationName(provider.name));
      render(provider.targets);
    },
  };
}

function targetChip(several) {
  const node = element("li");
  return {
    node,
    update({ target, up }) {
      const state = t(up ? "target.up" : "target.down");
      setText(node, several() ? t("target.one", { n: target + 1, state }) : state);
      setClass(node, up ? "chip up" : "chip down");
    },
  };
}
