type Child = Node | string | undefined | false;

/** Makes an element: its class after dots, as in `p.note`. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  classes = "",
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  if (classes) element.className = classes;
  for (const child of children) if (child) element.append(child);
  return element;
}

/** A button that does something. */
export function button(words: string, classes: string, act: () => void): HTMLButtonElement {
  const element = make("button", `btn ${classes}`, words);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

/** All elements of a part that fit. */
export function all<E extends HTMLElement>(part: ParentNode, selector: string): E[] {
  return [...part.querySelectorAll<E>(selector)];
}
