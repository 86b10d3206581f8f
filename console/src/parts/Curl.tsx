import { CopyButton } from "./CopyButton";
import styles from "./Curl.module.css";

interface CurlProps {
  method?: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** The path with its query, such as `/v1/agents`. */
  path: string;
  body?: unknown;
}

/** The command that does in a terminal what the page does, to be copied. */
export function Curl({ method = "GET", path, body }: CurlProps) {
  return <Command text={curl(window.location.origin, method, path, body)} />;
}

/** A command for a terminal, to be copied. */
export function Command({ text }: { text: string }) {
  return (
    <div className={styles.curl}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      <CopyButton label="Copy" text={() => text} />
    </div>
  );
}

/** Return the command for a request. It names no API key. */
export function curl(origin: string, method: string, path: string, body?: unknown): string {
  const words = ["curl", "-s"];
  if (method !== "GET" && !(method === "POST" && body !== undefined)) words.push("-X", method);
  words.push(quoted(origin + path));
  if (body !== undefined) words.push("-d", quoted(JSON.stringify(body)));
  return words.join(" ");
}

/** Return a word as a shell takes it. */
export function quoted(text: string): string {
  return /^[\w:/.?=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
