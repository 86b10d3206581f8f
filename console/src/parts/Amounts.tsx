import { brief, exact, money } from "./formats";

/** A count of tokens in brief, with the exact count in its title. */
export function Tokens({ count }: { count: number }) {
  return <span title={`${exact(count)} tokens`}>{brief(count)}</span>;
}

/** An amount of money, or a dash where no price is known. */
export function Money({ dollars }: { dollars: number | null | undefined }) {
  if (dollars === null || dollars === undefined) return <span title="No price is known">–</span>;
  return <span title={`$${dollars}`}>{money(dollars)}</span>;
}
