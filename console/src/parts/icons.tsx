/** Small signs. They stand next to words or in named buttons, so nobody hears them. */

import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      aria-hidden="true"
      width="12"
      height="12"
      viewBox="0 0 12 12"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      {children}
    </svg>
  );
}

/** Something opens below. */
export function ChevronIcon() {
  return (
    <Icon>
      <path d="m2.5 4.5 3.5 3.5 3.5-3.5" />
    </Icon>
  );
}

/** This one is chosen. */
export function CheckIcon() {
  return (
    <Icon>
      <path d="m2 6.5 3 3 5-7" />
    </Icon>
  );
}

/** Takes something away. */
export function CrossIcon() {
  return (
    <Icon>
      <path d="m2.5 2.5 7 7m0-7-7 7" />
    </Icon>
  );
}
