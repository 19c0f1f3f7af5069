export interface Toast {
  id: number;
  tone: "done" | "fault";
  text: string;
  undo?: () => void;
}

class Toasts {
  list: Toast[] = $state([]);
  #next = 1;

  done(text: string, undo?: () => void): void {
    this.#show("done", text, undo);
  }

  fault(text: string): void {
    this.#show("fault", text);
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  #show(tone: Toast["tone"], text: string, undo?: () => void): void {
    const id = this.#next++;
    this.list = [...this.list.slice(-2), undo ? { id, tone, text, undo } : { id, tone, text }];
    setTimeout(() => this.close(id), tone === "fault" ? 9_000 : 6_000);
  }
}

export const toasts = new Toasts();
