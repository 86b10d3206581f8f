import { Link } from "@tanstack/react-router";

/** Shown for an address that leads nowhere. */
export function NotFound() {
  return (
    <section>
      <h1>Page not found</h1>
      <p>
        What you are looking for may have been deleted. <Link to="/">Go to the start</Link>
      </p>
    </section>
  );
}
