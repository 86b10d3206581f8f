/** Links and pictures of texts that others wrote: they say where they lead, and load nothing. */

import type { ReactNode } from "react";
import styles from "./Markdown.module.css";

interface WebLinkProps {
  href: string | undefined;
  children: ReactNode;
}

/** A link, if it leads to the web, to a mailbox or to a footnote; otherwise only its text. */
export function WebLink({ href, children }: WebLinkProps) {
  if (href?.startsWith("#")) return <a href={href}>{children}</a>;
  const address = webAddress(href);
  if (address === null) return <span>{children}</span>;
  const claimed = typeof children === "string" ? hostNamedIn(children) : null;
  const misleads = claimed !== null && claimed !== address.host;
  return (
    <a href={address.href} title={address.href} target="_blank" rel="noopener noreferrer">
      {children}
      {misleads && ` (leads to ${address.host})`}
    </a>
  );
}

interface PictureProps {
  address: string | undefined;
  alternative: string | undefined;
}

/** A picture as a link to it: to load it would tell its server who reads what. */
export function Picture({ address, alternative }: PictureProps) {
  const url = webAddress(address);
  const words = alternative === undefined || alternative === "" ? "picture" : alternative;
  if (url === null) return <span className={styles.picture}>{words}</span>;
  return (
    <a href={url.href} title={url.href} target="_blank" rel="noopener noreferrer">
      {words} <span className={styles.picture}>(picture at {url.host})</span>
    </a>
  );
}

/** Return an address that a link may lead to; null for all others, such as scripts and paths. */
export function webAddress(href: string | undefined): URL | null {
  if (href === undefined || !URL.canParse(href)) return null;
  const url = new URL(href);
  return ["https:", "http:", "mailto:"].includes(url.protocol) ? url : null;
}

/** Return the host that a link's text seems to name. */
function hostNamedIn(text: string): string | null {
  const named = text.trim();
  return /^https?:\/\//i.test(named) && URL.canParse(named) ? new URL(named).host : null;
}
