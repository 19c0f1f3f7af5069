/** The time, for texts like "5 min ago". */
class Now {
  ms = $state(Date.now());

  constructor() {
    setInterval(() => (this.ms = Date.now()), 10_000);
  }
}

export const now = new Now();
