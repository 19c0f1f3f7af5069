import { routeOf, type Route } from "./route.ts";

class Router {
  route: Route = $state.raw({ page: "events" });
  /** Where somebody wanted to go while a page held them back. */
  wanted = $state("");
  #path = "/";
  readonly #holders = new Set<() => boolean>();

  constructor() {
    if (typeof window === "undefined") return;
    this.#read();
    window.addEventListener("popstate", () => this.#onPop());
    window.addEventListener("beforeunload", (event) => this.#holds() && event.preventDefault());
    document.addEventListener("click", (event) => this.#onClick(event));
  }

  go(path: string): void {
    if (this.#holds()) {
      this.wanted = path;
      return;
    }
    history.pushState(null, "", path);
    this.#read();
    window.scrollTo(0, 0);
  }

  /** As long as it says so, leaving sets `wanted` and nothing else; gives the way to stop it. */
  hold(while_: () => boolean): () => void {
    this.#holders.add(while_);
    return () => {
      this.#holders.delete(while_);
      this.wanted = "";
    };
  }

  /** Stays on the page. */
  stay(): void {
    this.wanted = "";
  }

  /** Leaves for where somebody wanted to go. */
  leave(): void {
    const path = this.wanted;
    this.#holders.clear();
    this.wanted = "";
    this.go(path);
  }

  #holds(): boolean {
    return [...this.#holders].some((holds) => holds());
  }

  #onPop(): void {
    if (this.#holds() && location.pathname !== this.#path) {
      this.wanted = location.pathname;
      history.pushState(null, "", this.#path);
    } else this.#read();
  }

  #read(): void {
    this.#path = location.pathname;
    this.route = routeOf(this.#path);
  }

  #onClick(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = (event.target as Element).closest?.("a");
    if (!link || link.target || link.origin !== location.origin || link.hasAttribute("download")) return;
    if (!link.hasAttribute("data-page")) return;
    event.preventDefault();
    this.go(link.pathname);
  }
}

export const router = new Router();
