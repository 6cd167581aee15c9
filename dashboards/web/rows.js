// Elements that are kept and changed instead of made anew.

export function element(name, className = "", text = "") {
  const it = document.createElement(name);
  if (className) it.className = className;
  if (text) it.textContent = text;
  return it;
}

/** Writes only what differs: unchanged nodes cost no layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, className) {
  if (node.className !== className) node.className = className;
}

/**
 * Makes a list's children match items, in order, each made once for its key.
 * create() gives { node, update(item) }.
 */
export function keyed(parent, key, create) {
  let rows = new Map();
  return (items) => {
    const next = new Map();
    let place = parent.firstChild;
    for (const item of items) {
      const id = key(item);
      const row = rows.get(id) ?? create(item);
      rows.delete(id);
      next.set(id, row);
      row.update(item);
      if (row.node === place) place = place.nextSibling;
      else parent.insertBefore(row.node, place);
    }
    for (const row of rows.values()) row.node.remove();
    rows = next;
  };
}
