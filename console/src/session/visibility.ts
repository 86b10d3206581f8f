/**
 * Lets go of a connection while nobody looks.
 *
 * A browser has six connections to a server over HTTP/1.1, for all of its tabs together: tabs in
 * the background that kept theirs would keep others from loading.
 */
export class Visibility {
  private readonly page: Document;
  private readonly hiddenAfterMs: number;
  private hidden = new AbortController();
  private wake: (() => void) | null = null;

  constructor(page: Document, hiddenAfterMs: number) {
    this.page = page;
    this.hiddenAfterMs = hiddenAfterMs;
  }

  /** Aborted once the page has been hidden for a while; another one when it is shown again. */
  get signal(): AbortSignal {
    return this.hidden.signal;
  }

  /** Whether the page has been hidden for a while. */
  get isPaused(): boolean {
    return this.hidden.signal.aborted;
  }

  /** Watch the page until a signal is aborted. */
  watch(life: AbortSignal): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const changed = () => {
      clearTimeout(timer);
      if (this.page.visibilityState === "hidden") {
        timer = setTimeout(() => {
          this.hidden.abort();
          this.wake?.();
        }, this.hiddenAfterMs);
      } else {
        if (this.isPaused) this.hidden = new AbortController();
        this.wake?.();
      }
    };
    this.page.addEventListener("visibilitychange", changed, { signal: life });
    life.addEventListener("abort", () => clearTimeout(timer), { once: true });
    changed();
  }

  /** Wait for a time, or for ever if it is null, but not longer than until the page is shown. */
  rest(ms: number | null, life: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        life.removeEventListener("abort", done);
        this.wake = null;
        resolve();
      };
      const timer = ms === null ? undefined : setTimeout(done, ms);
      life.addEventListener("abort", done, { once: true });
      this.wake = done;
      if (life.aborted) done();
    });
  }
}
