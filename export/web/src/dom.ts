/** Small helpers around the page's own elements. */

export function byId<T extends Element>(id: string, kind: abstract new (...args: never[]) => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

/** A list of terms and what is known of them; those without a text are left out. */
export function fill(list: HTMLElement, facts: [term: string, text: string][]): void {
  const rows = facts
    .filter(([, text]) => text)
    .flatMap(([term, text]) => [element("dt", term), element("dd", text)]);
  list.replaceChildren(...rows);
  list.hidden = false;
}

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  text = "",
  kind = "",
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** Hand a file to the user, as the browser does with downloads. */
export function download(name: string, blob: Blob): void {
  const link = element("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
