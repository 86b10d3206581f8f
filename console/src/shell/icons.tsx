import type { ReactNode } from "react";

const SHAPES = {
  start: <path d="M2.5 7.5 8 3l5.5 4.5V13h-4V9.5h-3V13h-4z" />,
  sessions: <path d="M2.5 3.5h11v7.5H7l-3 2.5V11H2.5z" />,
  agents: (
    <>
      <circle cx="8" cy="5.25" r="2.5" />
      <path d="M3 13.5c.4-3 2.4-4.25 5-4.25s4.6 1.25 5 4.25" />
    </>
  ),
  providers: (
    <>
      <path d="M5 2.500v3.500M11 2.500v3.500M3.5 6h9v2c0 2.2-1.8 3.5-4.5 3.500S3.5 10.2 3.5 8z" />
      <path d="M8 11.500v2.5" />
    </>
  ),
  capabilities: (
    <path d="M8 2.5 13.5 5.5 8 8.5 2.5 5.500zM2.5 8.25 8 11.250l5.5-3M2.5 11 8 14l5.5-3" />
  ),
  usage: <path d="M2.5 13.500h11M4 11V8M8 11V3M12 11V5.5" />,
  cluster: (
    <>
      <rect x="2.5" y="2.5" width="11" height="4.5" rx="1" />
      <rect x="2.5" y="9" width="11" height="4.5" rx="1" />
      <path d="M5 4.750h.01M5 11.250h.01" />
    </>
  ),
  sql: (
    <>
      <ellipse cx="8" cy="4" rx="5" ry="1.75" />
      <path d="M3 4v8c0 1 2.2 1.75 5 1.750S13 13 13 12V4M3 8c0 1 2.2 1.75 5 1.750S13 9 13 8" />
    </>
  ),
  settings: (
    <>
      <path d="M2.5 5h6M12 5h1.500M2.5 11H4M7.5 11h6" />
      <circle cx="10.25" cy="5" r="1.75" />
      <circle cx="5.75" cy="11" r="1.75" />
    </>
  ),
  search: (
    <>
      <circle cx="7" cy="7" r="4.25" />
      <path d="m10.25 10.25 3.25 3.25" />
    </>
  ),
  menu: <path d="M2.5 4.500h11M2.5 8h11M2.5 11.500h11" />,
  close: <path d="m4 4 8 8M12 4l-8 8" />,
} satisfies Record<string, ReactNode>;

/** Which picture an icon shows. */
export type IconName = keyof typeof SHAPES;

/** A small picture beside a word that says the same, in the colour of the text. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      aria-hidden="true"
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.3"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      {SHAPES[name]}
    </svg>
  );
}
