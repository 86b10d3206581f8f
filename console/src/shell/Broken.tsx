import { Button } from "../parts/Button";

/** Shown in place of a screen that failed, which is a defect of this page. */
export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  return (
    <section role="alert">
      <h1>This screen failed</h1>
      <p>
        <code>{error instanceof Error ? error.message : String(error)}</code>
      </p>
      <p>Nothing happened to your sessions. Please report what you did last.</p>
      <Button onClick={reset}>Try again</Button>
    </section>
  );
}
